"""An archive holds what its ``_expected_counts.json`` says."""

import gzip
import json
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from recount import Line, Row, accept, read

from simulator import SHAPES, Options, arrivals, produce

ROWS = 6_000
MUCH_DISORDER = Options(
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


@pytest.fixture(scope="module", params=SHAPES)
def shape(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def archive(shape: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp(shape)
    produce(shape, out, MUCH_DISORDER)
    return out


@pytest.fixture(scope="module")
def truth(archive: Path) -> dict:
    return json.loads((archive / "_expected_counts.json").read_text())


@pytest.fixture(scope="module")
def good(shape: str, archive: Path) -> list[tuple[Line, Row]]:
    judged = [(line, accept(shape, line.text)) for line in read(archive)]
    return [(line, row) for line, row in judged if row]


def identity(shape: str, row: Row) -> object:
    """Give what a row shares with its duplicates and conflicts."""
    return row.key[0] if shape == "events" else row.key


def test_every_line_is_counted_once(archive, truth, good):
    lines = sum(1 for _ in read(archive))
    assert truth["lines"] == lines
    assert truth["malformed"] == lines - len(good) == sum(truth["malformed_by_kind"].values())
    assert lines == truth["distinct"] + truth["duplicates"] + truth["conflicts"] + truth["malformed"]


def test_distinct_rows_are_distinct_and_duplicates_are_their_bytes(truth, good):
    keys = {row.key for _, row in good}
    assert truth["distinct"] == ROWS
    assert truth["distinct"] + truth["conflicts"] == len(keys) == len({line.text for line, _ in good})
    assert truth["duplicates"] == len(good) - len(keys)


def test_conflicts_share_the_uuid(shape, truth, good):
    if shape != "events":
        assert truth["conflicts"] == 0
        return
    payloads = defaultdict(set)
    for line, row in good:
        payloads[row.key[0]].add(line.text)
    assert len(payloads) == truth["distinct"]
    assert sum(len(texts) - 1 for texts in payloads.values()) == truth["conflicts"] > 0


def test_late_rows_are_filed_in_a_later_hour(shape, truth, good):
    if shape == "page_transitions":
        assert truth["late"] == 0
        return
    age: dict[object, timedelta] = {}  # of a row when its first line arrived; a conflict is its row's
    for line, row in good:
        who = identity(shape, row)
        age[who] = min(line.hour - row.time, age.get(who, timedelta.max))
    assert sum(at_arrival >= AN_HOUR for at_arrival in age.values()) == truth["late"] > 0
    assert max(age.values()) < timedelta(days=MUCH_DISORDER.late_days)


def test_nothing_arrives_before_it_happened(shape, good):
    if shape != "page_transitions":
        assert all(row.time < line.hour + AN_HOUR for line, row in good)


def test_bots_make_their_share(shape, truth, good):
    by_bots = {identity(shape, row) for _, row in good if row.who.lower().startswith("bot")}
    assert truth["bots"] == len(by_bots) == ROWS * MUCH_DISORDER.bots


def test_shares_approach_what_was_asked(shape, truth):
    asked = {"duplicates": 0.05, "malformed": 0.02}
    if shape != "page_transitions":
        asked["late"] = 0.03
    if shape == "events":
        asked["conflicts"] = 0.02
    for name, share in asked.items():
        assert truth[name] / ROWS == pytest.approx(share, rel=0.3), name


def test_lines_of_every_sort_are_interleaved(shape, archive):
    seen, within = set(), Counter()
    for path in sorted(archive.glob("arrived=*/*/part-*")):
        *lines, _ = gzip.decompress(path.read_bytes()).split(b"\n")
        for line in lines[:-1]:  # whatever comes here has a line after it
            within["malformed" if not accept(shape, line) else "again" if line in seen else "first"] += 1
            seen.add(line)
    assert within["malformed"] > 0.9 * ROWS * MUCH_DISORDER.malformed
    assert within["again"] > 0.8 * ROWS * MUCH_DISORDER.duplicates


def test_the_iterator_gives_the_archive_in_order_of_arrival(shape, archive):
    sent = list(arrivals(shape, MUCH_DISORDER))
    assert [at for at, _, _ in sent] == sorted(at for at, _, _ in sent)
    hours = [datetime.fromtimestamp(at // 3_600_000 * 3_600, UTC) for at, _, _ in sent]
    assert [Line(hour, line) for hour, (_, _, line) in zip(hours, sent, strict=True)] == list(read(archive))


def test_the_partition_key_is_the_user(shape, good):
    who = {line.text: row.who for line, row in good}
    keyed = [(key, who[line]) for _, key, line in arrivals(shape, MUCH_DISORDER) if line in who]
    assert all(key == user for key, user in keyed if user)


def test_duckdb_counts_the_same_events(tmp_path):
    truth = produce("events", tmp_path, Options(rows=3_000, malformed=0, duplicates=0.1, conflicts=0.05, late=0.1))
    lines, distinct, keys = duckdb.sql(f"""
        select count(*), count(distinct event_uuid), count(distinct (event_uuid, created_at))
        from read_json('{tmp_path}/arrived=*/*/*.json.gz', columns={{event_uuid: 'uuid', created_at: 'json'}})
    """).fetchall()[0]
    assert (lines, distinct, keys) == (truth.lines, truth.distinct, truth.distinct + truth.conflicts)


def test_duckdb_reads_page_transitions(tmp_path):
    truth = produce("page_transitions", tmp_path, Options(rows=3_000, malformed=0))
    lines, distinct, least = duckdb.sql(f"""
        select count(*), count(distinct (prev, curr)), min(n)
        from read_csv('{tmp_path}/arrived=*/*/*.tsv.gz', delim='\t', header=false, quote='',
                      columns={{prev: 'varchar', curr: 'varchar', type: 'varchar', n: 'bigint'}})
    """).fetchall()[0]
    assert (lines, distinct) == (truth.lines, truth.distinct)
    assert least >= 10


def test_files_hold_no_more_than_asked(tmp_path):
    produce("clicks", tmp_path, Options(rows=3_000, rows_per_file=50))
    sizes = {path: gzip.decompress(path.read_bytes()).count(b"\n") for path in tmp_path.glob("arrived=*/*/*.json.gz")}
    assert max(sizes.values()) == 50
    assert {path.name for path in sizes} >= {"part-00000.json.gz", "part-00001.json.gz"}


def test_an_archive_may_be_plain_text(tmp_path):
    produce("clicks", tmp_path / "plain", Options(rows=500, gzip=False))
    produce("clicks", tmp_path / "gzip", Options(rows=500))
    assert list(read(tmp_path / "plain")) == list(read(tmp_path / "gzip"))
    assert not list((tmp_path / "plain").rglob("*.gz"))


def test_a_folder_in_use_is_left_alone(tmp_path):
    (tmp_path / "kept").write_text("yes")
    with pytest.raises(FileExistsError, match="not an empty folder"):
        produce("clicks", tmp_path, Options(rows=10))
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
