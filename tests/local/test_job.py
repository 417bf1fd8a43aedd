"""Which runs are known to read little."""

import pytest

from local import job


@pytest.fixture
def lake(tmp_path):
    (tmp_path / "raw" / "arrived=2024-03-17").mkdir(parents=True)
    (tmp_path / "raw" / "arrived=2024-03-17" / "a.jsonl").write_bytes(b"x" * job.MAX_SHORT_RUN_BYTES)
    (tmp_path / "raw" / "few.jsonl").write_text("{}")
    (tmp_path / "events" / "data").mkdir(parents=True)
    (tmp_path / "events" / "data" / "a.parquet").write_bytes(b"x" * job.MAX_SHORT_RUN_BYTES)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "arguments", "is_little"),
    [
        ("events_batch", ("--raw_path", "{lake}/raw"), False),
        ("events_batch", ("--raw_path", "{lake}/raw/few.jsonl"), True),
        ("events_batch", ("--raw_path", "{lake}/raw/arrived=2024-03-17/a.jsonl"), False),
        ("events_batch", ("--raw_path", "s3://lake/raw"), False),
        ("events_stream", ("--trigger", "available_now"), True),
        ("events_stream", ("--trigger", "continuous"), False),
        ("sessions_batch", ("--events_table", "events"), False),
        ("maintain", (), False),
    ],
)
def test_what_is_known_to_be_little(lake, name, arguments, is_little):
    assert job.is_short_run(lake, name, [word.format(lake=lake) for word in arguments]) == is_little


def test_after_its_first_run_sessions_batch_reads_changes(lake):
    (lake / "session_events" / "data").mkdir(parents=True)
    assert job.is_short_run(lake, "sessions_batch", ["--events_table", "events"])
    assert not job.is_short_run("s3://lake", "sessions_batch", ["--events_table", "events"])
