"""An archive against its own ``_expected_counts.json``, recounted by the contracts and by DuckDB."""

import gzip
import json
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from recount import Line, Row, accept, read

from simulator import FORMATS, Options, arrivals, produce

ROWS = 6_000
MESSY = Options(
    rows=ROWS,
    start=date(2024, 2, 28),
    days=2,
    users=300,
    duplicates=0.05,
    conflicts=0.02,
    late=0.03,
    malformed=0.02,
    bots=0.04,
)
AN_HOUR = timedelta(hours=1)


@pytest.fixture(scope="module", params=FORMATS)
def format_name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def archive(format_name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp(format_name)
    produce(format_name, out, MESSY)
    return out


@pytest.fixture(scope="module")
def expected(archive: Path) -> dict:
    return json.loads((archive / "_expected_counts.json").read_text())


@pytest.fixture(scope="module")
def good(format_name: str, archive: Path) -> list[tuple[Line, Row]]:
    accepted = [(line, accept(format_name, line.text)) for line in read(archive)]
    return [(line, row) for line, row in accepted if row]


def identity(format_name: str, row: Row) -> object:
    """Return what a row shares with its duplicates and conflicts."""
    return row.key[0] if format_name == "events" else row.key


def test_every_line_is_counted_once(archive, expected, good):
    lines = sum(1 for _ in read(archive))
    assert expected["lines"] == lines
    assert expected["malformed"] == lines - len(good) == sum(expected["malformed_by_kind"].values())
    assert lines == expected["distinct"] + expected["duplicates"] + expected["conflicts"] + expected["malformed"]


def test_distinct_rows_are_distinct_and_duplicates_are_their_bytes(expected, good):
    keys = {row.key for _, row in good}
    assert expected["distinct"] == ROWS
    assert expected["distinct"] + expected["conflicts"] == len(keys) == len({line.text for line, _ in good})
    assert expected["duplicates"] == len(good) - len(keys)


def test_conflicts_share_the_uuid(format_name, expected, good):
    if format_name != "events":
        assert expected["conflicts"] == 0
        return
    payloads = defaultdict(set)
    for line, row in good:
        payloads[row.key[0]].add(line.text)
    assert len(payloads) == expected["distinct"]
    assert sum(len(texts) - 1 for texts in payloads.values()) == expected["conflicts"] > 0


def test_late_rows_are_filed_in_a_later_hour(format_name, expected, good):
    if format_name == "page_transitions":
        assert expected["late"] == 0
        return
    age: dict[object, timedelta] = {}  # of a row when its first line arrived; a conflict is its row's
    for line, row in good:
        who = identity(format_name, row)
        age[who] = min(line.hour - row.time, age.get(who, timedelta.max))
    assert sum(at_arrival >= AN_HOUR for at_arrival in age.values()) == expected["late"] > 0
    assert max(age.values()) < timedelta(days=MESSY.late_days)


def test_nothing_arrives_before_it_happened(format_name, good):
    if format_name != "page_transitions":
        assert all(row.time < line.hour + AN_HOUR for line, row in good)


def test_bots_make_their_share(format_name, expected, good):
    by_bots = {identity(format_name, row) for _, row in good if row.who.lower().startswith("bot")}
    assert expected["bots"] == len(by_bots) == ROWS * MESSY.bots


def test_shares_approach_the_options(format_name, expected):
    shares = {"duplicates": 0.05, "malformed": 0.02}
    if format_name != "page_transitions":
        shares["late"] = 0.03
    if format_name == "events":
        shares["conflicts"] = 0.02
    for name, share in shares.items():
        assert expected[name] / ROWS == pytest.approx(share, rel=0.3), name


def test_lines_of_every_kind_are_interleaved(format_name, archive):
    seen, within = set(), Counter()
    for path in sorted(archive.glob("arrived=*/*/part-*")):
        *lines, _ = gzip.decompress(path.read_bytes()).split(b"\n")
        for line in lines[:-1]:  # whatever comes here has a line after it
            within["malformed" if not accept(format_name, line) else "again" if line in seen else "first"] += 1
            seen.add(line)
    assert within["malformed"] > 0.9 * ROWS * MESSY.malformed
    assert within["again"] > 0.8 * ROWS * MESSY.duplicates


def test_the_iterator_gives_the_archive_in_order_of_arrival(format_name, archive):
    sent = list(arrivals(format_name, MESSY))
    assert [at for at, _, _ in sent] == sorted(at for at, _, _ in sent)
    hours = [datetime.fromtimestamp(at // 3_600_000 * 3_600, UTC) for at, _, _ in sent]
    assert [Line(hour, line) for hour, (_, _, line) in zip(hours, sent, strict=True)] == list(read(archive))


def test_the_partition_key_is_the_user(format_name, good):
    who = {line.text: row.who for line, row in good}
    keyed = [(key, who[line]) for _, key, line in arrivals(format_name, MESSY) if line in who]
    assert all(key == user for key, user in keyed if user)


def test_duckdb_counts_the_same_events(tmp_path):
    expected = produce("events", tmp_path, Options(rows=3_000, malformed=0, duplicates=0.1, conflicts=0.05, late=0.1))
    lines, distinct, keys = duckdb.sql(f"""
        select count(*), count(distinct event_uuid), count(distinct (event_uuid, created_at))
        from read_json('{tmp_path}/arrived=*/*/*.json.gz', columns={{event_uuid: 'uuid', created_at: 'json'}})
    """).fetchall()[0]
    assert (lines, distinct, keys) == (expected.lines, expected.distinct, expected.distinct + expected.conflicts)


def test_duckdb_reads_page_transitions(tmp_path):
    expected = produce("page_transitions", tmp_path, Options(rows=3_000, malformed=0))
    lines, distinct, least = duckdb.sql(f"""
        select count(*), count(distinct (prev, curr)), min(n)
        from read_csv('{tmp_path}/arrived=*/*/*.tsv.gz', delim='\t', header=false, quote='',
                      columns={{prev: 'varchar', curr: 'varchar', type: 'varchar', n: 'bigint'}})
    """).fetchall()[0]
    assert (lines, distinct) == (expected.lines, expected.distinct)
    assert least >= 10


def test_files_hold_no_more_than_rows_per_file(tmp_path):
    produce("clicks", tmp_path, Options(rows=3_000, rows_per_file=50))
    sizes = {path: gzip.decompress(path.read_bytes()).count(b"\n") for path in tmp_path.glob("arrived=*/*/*.json.gz")}
    assert max(sizes.values()) == 50
    assert {path.name for path in sizes} >= {"part-00000.json.gz", "part-00001.json.gz"}


def test_an_archive_may_be_plain_text(tmp_path):
    produce("clicks", tmp_path / "plain", Options(rows=500, gzip=False))
    produce("clicks", tmp_path / "gzip", Options(rows=500))
    assert list(read(tmp_path / "plain")) == list(read(tmp_path / "gzip"))
    assert not list((tmp_path / "plain").rglob("*.gz"))


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path):
    (tmp_path / "kept").write_text("yes")
    with pytest.raises(FileExistsError, match="not an empty folder"):
        produce("clicks", tmp_path, Options(rows=10))
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
