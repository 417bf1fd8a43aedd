"""Every stage carries its load within its budget; docs/scale.md has the table of today."""

import pytest

from clickstream.sources import kinesis
from deploy import scale, settings
from deploy.scale import Scale
from deploy.settings import Archive, Settings

STAGES = [stage for stage in settings.stages() if not Settings.read(stage).account.disposable]


@pytest.fixture(params=STAGES)
def stage(request):
    return Scale(Settings.read(request.param))


def test_the_page_has_the_table_of_today():
    assert scale.table() in (settings.FOLDER.parent / "docs" / "scale.md").read_text()


def test_small_and_large_are_a_thousand_times_away_from_prod():
    small, prod, large = (Scale(Settings.read(name)).events for name in ("small", "prod", "large"))
    assert (small * 1000, large) == (prod, prod * 1000)


def test_the_smallest_has_a_shard_a_stream_and_the_smallest_workers():
    small = Settings.read("small")
    assert {stream.shards for stream in small.streams.values()} == {1}
    for job in small.jobs.values():
        assert (job.worker_type, job.workers) == ("G.025X" if job.kind == "streaming" else "G.1X", 2)
        if job.kind == "streaming":
            assert (job.is_continuous, job.schedule) == (False, "rate(1 hour)")


def test_a_stages_streams_jobs_and_nights_carry_its_events(stage):
    shards = stage.settings.streams["events"].shards
    assert shards == 0 or shards >= stage.shards_needed
    assert stage.busy <= scale.FULL * stage.interval
    for name, night in zip(("events_batch", "sessions_batch"), stage.nights, strict=True):
        assert night.minutes <= scale.FULL * stage.settings.jobs[name].timeout_minutes


def test_a_stage_stays_below_what_its_budget_warns_of(stage):
    assert stage.dollars * scale.HOURS <= 0.8 * stage.settings.account.monthly_budget_usd


@pytest.mark.parametrize(("name", "most"), [("prod", 0.25), ("large", 0.05)])
def test_a_million_events_cost_no_more(name, most):
    stage = Scale(Settings.read(name))
    assert stage.dollars * 1e6 / stage.events <= most


def test_the_smallest_costs_no_more_than_70_dollars_a_month():
    assert Scale(Settings.read("small")).dollars * scale.HOURS <= 70


def test_the_latency_alarm_waits_for_longer_than_from_one_run_to_the_next(stage):
    assert stage.settings.alarms.end_to_end_latency_minutes * 60 > stage.interval + stage.busy


def streaming(stage):
    return {name: job for name, job in stage.settings.jobs.items() if job.kind == "streaming"}


def test_a_small_batch_does_not_ring_the_alarm(stage):
    for name, job in streaming(stage).items():
        busy = scale.fixed_seconds(job) / scale.batch_interval(name, job)
        assert busy * 100 <= stage.settings.alarms.batch_utilization_percent, name


def test_a_scheduled_run_that_does_not_ring_it_ends_before_the_next_begins(stage):
    part = stage.settings.alarms.batch_utilization_percent / 100
    for name, job in streaming(stage).items():
        if not job.is_continuous:
            assert scale.START_SECONDS + part * job.interval <= job.interval, name


def test_a_scheduled_run_may_read_all_that_a_shard_takes_in_until_the_next(stage):
    for name, job in streaming(stage).items():
        if not job.is_continuous:
            assert job.interval <= kinesis.READS_FASTER * kinesis.DRAIN_SECONDS < 60 * job.timeout_minutes * 2, name


def test_the_arithmetic_by_hand():
    prod = Scale(Settings.read("prod"))
    # 7 shards, 2 of them for longer than a day; a million units of 25 KB
    assert prod.streams == pytest.approx(7 * 0.015 + 2 * 0.020 + 0.014)
    # batches of 6 MB, a record taking 582 bytes and its data in base64; 4.15 core seconds at 241,222 records a second
    batches = 1e6 * (582 + 286 * 4 / 3) / (6 * 2**20)
    assert batches == pytest.approx(153, abs=1)
    called = 1e6 / 241_222 * 1769 / 512 * 0.5 * 0.0000133334 + batches / 1e6 * 0.20
    assert prod.archive == pytest.approx(called + batches / 1000 * 0.005)
    # 60 s and 250,000 events at 5,443 a second, every 15 minutes, on half a DPU
    assert prod.dpu_hours == pytest.approx(0.5 * (60 + 250_000 / 5_443) / 900)
    assert prod.table == pytest.approx(prod.dpu_hours * 0.308 + 4 * (100 + 20) / 1000 * 0.005)


def test_firehose_bills_a_record_as_5_kb():
    prod = Settings.read("prod")
    archives = {**prod.archives, "events": Archive(by="firehose")}
    # a million records of 5 KB each, 286 of them keyed, 12 objects, 9.8 core seconds in 512 MB
    keyed = 286e6 / 2**30 * 0.020 + 12 / 1000 * 0.005
    called = 9.8144 * 1769 / 512 * 0.5 * 0.0000133334 + 286e6 / 2**21 / 1e6 * 0.20
    expected = 5120e6 / 2**30 * 0.029 + keyed + called + 12 / 1000 * 0.005
    assert Scale(prod.model_copy(update={"archives": archives})).archive == pytest.approx(expected, rel=1e-4)


def test_more_of_everything_shows():
    prod = Settings.read("prod")
    streams = {**prod.streams, "events": prod.streams["events"].model_copy(update={"shards": 0})}
    on_demand = Scale(prod.model_copy(update={"streams": streams}))
    # five other shards; a million KB in, and out twice
    other = Scale(prod).streams - 2 * 0.035 - 0.014
    assert on_demand.streams == pytest.approx(other + 0.04 + 1e6 / 2**20 * (0.08 + 2 * 0.04))
    account = prod.account.model_copy(update={"events_per_hour": 100_000_000})
    busier = Scale(prod.model_copy(update={"account": account}))
    assert busier.shards_needed == 40
    assert busier.busy > busier.interval
