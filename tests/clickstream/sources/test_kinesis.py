"""How much a batch fetches of a shard, which takes in 1,000 records and 1 MB a second and gives 2 MB."""

import pytest

from clickstream.sources.kinesis import StreamArguments, fetch_limits

DAY = 24 * 60 * 60


def limits(trigger, batch_interval_seconds):
    given = fetch_limits(
        StreamArguments(
            checkpoint_path="checkpoint",
            stream_arn="arn:aws:kinesis:us-east-1:123456789012:stream/clicks",
            trigger=trigger,
            batch_interval_seconds=batch_interval_seconds,
        )
    )
    return int(given["maxFetchRecordsPerShard"]), int(given["maxFetchTimeInMs"]) / 1000


@pytest.mark.parametrize("seconds", [10, 300, 3600])
def test_a_run_of_available_now_reads_what_a_day_of_a_full_shard_holds_for_half_an_hour(seconds):
    records, reads = limits("available_now", seconds)
    assert records > DAY * 1000
    assert reads == 1800


@pytest.mark.parametrize("seconds", [10, 900])
def test_a_continuous_batch_catches_up_and_has_half_of_its_interval_left(seconds):
    records, reads = limits("continuous", seconds)
    assert records == seconds * 1000 * 2
    assert reads == seconds / 2
