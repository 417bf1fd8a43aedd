"""The notebook: it is committed without outputs, runs from top to bottom, and asks Athena as the SDK has it."""

import http.client
import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

from deploy import ddl
from local import aws

ROOT = Path(__file__).parent.parent
PATH = ROOT / "notebooks" / "clickstream.ipynb"

pytestmark = pytest.mark.single


@pytest.fixture
def notebook():
    return nbformat.read(PATH, as_version=4)


def source(notebook, kind):
    return [cell.source for cell in notebook.cells if cell.cell_type == kind]


def test_it_is_valid_and_holds_no_outputs(notebook):
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) > 10
    assert [(cell.outputs, cell.execution_count) for cell in code] == [([], None)] * len(code)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}


def test_it_says_of_every_table_what_its_ddl_says(notebook):
    text = "\n".join(source(notebook, "markdown"))
    for path in ddl.FOLDER.glob("tables/*.sql"):
        (row,) = re.findall(r"\A-- One row: (.+)\n", path.read_text())
        assert f"| `{path.stem}` | {row} |" in text


@pytest.mark.process
def test_make_notebook_opens_it():
    run = subprocess.run(["make", "-n", "notebook"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ROOT / run.stdout.split()[-1] == PATH  # <- JupyterLab looks for it where make is, not in its own folder


def cells(table):
    return re.findall(r"<td>(.*?)</td>", table)


@pytest.mark.process
@pytest.mark.slow
def test_it_runs_from_top_to_bottom(athena, spark, lake_of_run, notebook, monkeypatch):
    athena("select 1")  # the server runs
    spark.sql("""
        insert into events (event_uuid, created_ts, user_id, event_type, created_date) values
            ('a', timestamp_ntz '2024-03-17 10:00:00', 'ada', '<b>product</b>', date '2024-03-17'),
            ('b', timestamp_ntz '2024-03-17 11:00:00', 'ada', '<b>product</b>', date '2024-03-17')
    """)
    monkeypatch.setenv("CLICKSTREAM_LAKE", str(lake_of_run))
    try:
        done = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": PATH.parent}}).execute()
    finally:
        spark.sql("delete from events")
    shown = [output.data for cell in done.cells if cell.cell_type == "code" for output in cell.outputs]
    pictures = [data for data in shown if "image/svg+xml" in data]
    tables = [data["text/html"] for data in shown if "text/html" in data]
    assert len(pictures) == sum("chart(" in text for text in source(notebook, "code")[2:])
    assert cells(tables[0])[:3] == ["&lt;b&gt;product&lt;/b&gt;", "2", "1"]
    assert cells(tables[-1]) == ["2024-03-17", "2", "1"]


def test_its_function_for_athena_reads_all_pages_of_an_answer(notebook, endpoint, monkeypatch):
    """By the local AWS, which answers with what it is given."""
    rows = [["day", "n", "rate"], ["2024-03-17", "3", "0.333"], [None, None, None]]
    kinds = {"day": "date", "n": "bigint", "rate": "double"}
    given = {
        "rows": [{"Data": [{"VarCharValue": value} if value else {} for value in row]} for row in rows],
        "column_info": [
            {"CatalogName": "hive", "SchemaName": "", "TableName": "", "Name": name, "Label": name, "Type": kind,
             "Precision": 0, "Scale": 0, "Nullable": "UNKNOWN", "CaseSensitive": False}
            for name, kind in kinds.items()
        ],
    }  # fmt: skip
    queued = {"account_id": "123456789012", "region": "us-east-1", "results": [given]}
    place = http.client.HTTPConnection(endpoint.removeprefix("http://"))
    place.request("POST", "/moto-api/static/athena/query-results", json.dumps(queued))
    assert place.getresponse().status == 201
    place.close()
    for name, value in (aws.environment(endpoint) | {"CLICKSTREAM_LAKE": "athena"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(PATH.parent)
    monkeypatch.setattr(sys, "path", [*sys.path])
    names = {}
    for text in source(notebook, "code")[:2]:
        exec(text, names)  # noqa: S102  # our own cells
    names["WORKGROUP"] = "primary"  # which every account has
    expected = pd.DataFrame({"day": ["2024-03-17", None], "n": [3, None], "rate": [0.333, None]})
    expected = expected.astype({"day": "datetime64[us]", "n": "Int64"})
    pd.testing.assert_frame_equal(names["ask"]("select 1"), expected)
