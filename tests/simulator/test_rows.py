"""The rows of each format, and the malformed lines."""

import json
from collections import Counter
from datetime import timedelta
from itertools import islice, pairwise
from random import Random
from statistics import mean, median

import pytest
from recount import accept

from simulator import FORMATS, ExpectedCounts, Options, arrivals
from simulator.activity import activity
from simulator.events import Events
from simulator.malformed import repertoire

ONLY_GOOD = {"duplicates": 0, "conflicts": 0, "late": 0, "malformed": 0}


def lines(format_name: str, **options) -> list[bytes]:
    return [line for _, _, line in arrivals(format_name, Options(**(ONLY_GOOD | options)))]


@pytest.mark.parametrize("format_name", FORMATS)
def test_every_good_line_is_accepted(format_name):
    assert all(accept(format_name, line) for line in lines(format_name, rows=3_000, users=50, days=1))


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("users", [1, 3])
def test_rows_are_distinct_even_where_one_user_does_everything(format_name, users):
    rows = [accept(format_name, line) for line in lines(format_name, rows=20_000, users=users, bots=0.2)]
    assert len({row.key for row in rows}) == 20_000


@pytest.mark.parametrize("format_name", FORMATS)
def test_no_malformed_line_is_acceptable(format_name):
    made = FORMATS[format_name](Options(users=20))
    at = 1_709_251_200_000
    for kind, broken in repertoire(made, Random(3)).items():
        some = {broken(made.line(at + n, n % 20, n), made.line(at + n + 1, n % 20, n)) for n in range(300)}
        assert not [line for line in some if b"\n" in line or accept(format_name, line)], kind


@pytest.mark.parametrize("format_name", FORMATS)
def test_every_kind_of_malformed_line_is_sent(format_name):
    kinds, expected = repertoire(FORMATS[format_name](Options()), Random(3)), ExpectedCounts()
    options = Options(**(ONLY_GOOD | {"rows": 500, "malformed": 1}))
    sent = [line for _, _, line in arrivals(format_name, options, expected)]
    assert sum(accept(format_name, line) is None for line in sent) == 500
    assert expected.malformed_by_kind.keys() == kinds.keys()
    assert min(expected.malformed_by_kind.values()) == 500 // len(kinds)


def test_events_have_the_number_of_types():
    names = [json.loads(line)["event_name"] for line in lines("events", rows=20_000, event_types=150)]
    types = Counter(name.split(":")[0] for name in names)
    assert len(types) == 150
    assert {name.count(":") for name in names} == {0, 1, 2}
    assert max(types.values()) > 20 * min(types.values())


def test_events_are_about_as_long_as_in_the_field():
    assert 250 <= mean(map(len, lines("events", rows=5_000))) <= 300


def test_created_at_comes_in_every_form_but_mostly_in_milliseconds():
    events = [json.loads(line) for line in lines("events", rows=5_000)]
    forms = Counter((type(event["created_at"]), len(str(event["created_at"]))) for event in events)
    assert forms.most_common(1)[0][0] == (int, 13)
    assert {(int, 10), (int, 16), (float, 14), (str, 13), (str, 14)} <= set(forms)


def test_some_events_have_no_user_but_those_of_bots_always_do():
    events = [json.loads(line) for line in lines("events", rows=5_000, bots=0.5)]
    assert sum("user_id" not in event for event in events) > 0
    assert sum("user_id" in event and event["user_id"] is None for event in events) > 0
    assert sum(str(event.get("user_id")).startswith("bot-") for event in events) == 2_500


def test_a_conflict_is_the_same_event_in_an_earlier_second():
    events = Events(Options(users=20))
    for happened in range(1_709_251_200_000, 1_709_251_203_000):
        line = events.line(happened, 5, 0)
        row, conflict = accept("events", line.encode()), accept("events", events.conflicting(line, happened).encode())
        assert row.key[0] == conflict.key[0]
        assert row.time.replace(microsecond=0) > conflict.time > row.time - timedelta(seconds=62)
        assert json.loads(line) | {"created_at": 0} == json.loads(events.conflicting(line, happened)) | {
            "created_at": 0
        }


def test_fields_change_their_type_from_row_to_row():
    values = [json.loads(line).get("value") for line in lines("events", rows=5_000)]
    assert {type(value) for value in values} >= {int, float, str, bool, dict, list}


def test_click_times_come_in_both_forms():
    clicks = [json.loads(line)["event_timestamp"] for line in lines("clicks", rows=1_000)]
    assert {time[10] for time in clicks} == {"T", " "}


def test_users_act_in_bursts_with_pauses():
    options = Options(rows=20_000, users=500, bots=0)
    rows = list(activity(options))
    assert [happened for happened, *_ in rows] == sorted(happened for happened, *_ in rows)
    assert len(rows) == 20_000
    times: dict[int, list[int]] = {}
    for happened, user, _ in rows:
        times.setdefault(user, []).append(happened)
    pauses = [after - before for of_user in times.values() for before, after in pairwise(of_user)]
    assert min(pauses) > 0
    assert median(pauses) < 10_000
    assert sum(pause > 60_000 for pause in pauses) > 1_000
    assert sum(pause > 1_800_000 for pause in pauses) > 500


def test_a_bot_never_pauses_for_longer_than_ten_seconds():
    options = Options(rows=30_000, users=500, bots=0.5, days=1)
    bots: dict[int, list[int]] = {}
    for happened, user, _ in activity(options):
        if user >= options.users:
            bots.setdefault(user, []).append(happened)
    assert sum(map(len, bots.values())) == 15_000
    for times in bots.values():
        assert max(after - before for before, after in pairwise(times)) <= 10_000
        assert times[-1] - times[0] > 23 * 3_600_000


def test_all_rows_may_be_by_bots():
    assert all(b'"bot-' in line for line in lines("clicks", rows=100, bots=1))


def test_a_user_never_does_two_things_at_one_instant():
    times = [happened for happened, *_ in activity(Options(rows=200_000, users=1, bots=0))]
    assert all(before < after for before, after in pairwise(times))


def test_skew_makes_some_users_busier():
    def busiest(skew: float) -> int:
        users = Counter(user for _, user, _ in activity(Options(rows=20_000, users=100, skew=skew, bots=0)))
        return max(users.values())

    assert busiest(0) < 20_000 * 0.03
    assert busiest(1) > 20_000 * 0.12


def test_rows_begin_on_the_days_of_the_options():
    times = [happened for happened, *_ in activity(Options(rows=5_000, days=3))]
    first, last = 1_709_251_200_000, 1_709_251_200_000 + 3 * 86_400_000  # 2024-03-01 and three days on
    assert first <= min(times) < first + 600_000
    assert last - 600_000 < max(times) < last + 3_600_000


def test_a_billion_rows_begin_to_flow_at_once():
    some = list(islice(arrivals("events", Options(rows=10**9, days=30)), 100))
    assert len(some) == 100
