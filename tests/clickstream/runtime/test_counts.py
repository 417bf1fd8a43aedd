"""Every row that is read has one outcome."""

import dataclasses

import pytest

from clickstream.errors import CountsError, QuarantineRatioError
from clickstream.runtime.counts import RowCounter, RowCounts

RUN = RowCounts(
    read=11,
    written=5,
    duplicate=2,
    quarantined=2,
    skipped_dates=1,
    skipped_anonymous=1,
    quarantined_by_reason={"not_utf8": 2, "empty": 1},
    beside={"replaced": 1},
)
OUTCOMES = ("written", "duplicate", "quarantined", "skipped_dates", "skipped_anonymous")


def test_the_sum_is_right():
    RUN.check(max_quarantined_ratio=1)


@pytest.mark.parametrize("name", ["read", *OUTCOMES])
def test_a_row_without_an_outcome_is_an_error(name):
    lost = dataclasses.replace(RUN, **{name: getattr(RUN, name) + 1})
    with pytest.raises(CountsError, match="rows were read, but"):
        lost.check(max_quarantined_ratio=1)


def test_exactly_the_ratio_passes():
    RUN.check(max_quarantined_ratio=2 / 11)


def test_a_larger_ratio_is_an_error_that_names_the_reasons():
    with pytest.raises(QuarantineRatioError) as raised:
        RUN.check(max_quarantined_ratio=0.18)
    assert str(raised.value) == (
        "2 of 11 rows break rules (empty 1, not_utf8 2), a larger ratio than --max_quarantined_ratio 0.18;"
        " nothing was committed"
    )


def test_nothing_read_is_no_ratio():
    RowCounts(0, 0).check(max_quarantined_ratio=0)


def test_a_report_holds_what_is_beside_the_sum():
    assert RUN.as_dict() == {
        **{name: getattr(RUN, name) for name in ("read", *OUTCOMES)},
        "replaced": 1,
        "quarantined_by_reason": {"not_utf8": 2, "empty": 1},
    }


def test_rows_are_counted_where_they_pass(spark):
    story = """
        select * from values
            (1000, null, false, true), (2000, array('x'), false, true),
            (3000, null, true, true), (500, null, false, false)
        as rows (ms, reasons, is_anonymous, is_insert)
    """
    rows = spark.sql(story).selectExpr("*", "timestamp_millis(ms) as arrived_at")
    counter = RowCounter()
    counter.of(counter.of_input(rows), {"written": "count_if(reasons is null and not is_anonymous)"}).collect()
    assert counter.row_counts({}) == RowCounts(read=3, written=2, quarantined=1, skipped_anonymous=1)
    assert (counter.arrival("first_arrival").timestamp(), counter.arrival("last_arrival").timestamp()) == (0.5, 3)
