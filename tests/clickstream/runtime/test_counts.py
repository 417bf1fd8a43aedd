"""Every row that is read has one outcome."""

import dataclasses

import pytest

from clickstream.errors import CountsError, QuarantineRatioError
from clickstream.runtime.counts import Counts

RUN = Counts(
    read=10,
    written=5,
    replaced=1,
    duplicate=2,
    conflict=1,
    quarantined=2,
    quarantined_by_reason={"empty": 1, "not_utf8": 2},
    skipped_dates=1,
)


def test_the_sum_is_right():
    RUN.check(max_quarantined_ratio=1)


@pytest.mark.parametrize("outcome", ["read", "written", "duplicate", "quarantined", "skipped_dates"])
def test_a_row_without_an_outcome_is_an_error(outcome):
    lost = dataclasses.replace(RUN, **{outcome: getattr(RUN, outcome) + 1})
    with pytest.raises(CountsError, match="rows were read, but"):
        lost.check(max_quarantined_ratio=1)


def test_exactly_the_share_is_let_through():
    RUN.check(max_quarantined_ratio=0.2)


def test_a_larger_share_is_an_error_that_names_the_reasons():
    with pytest.raises(QuarantineRatioError) as raised:
        RUN.check(max_quarantined_ratio=0.19)
    assert str(raised.value) == (
        "2 of 10 rows were refused (empty 1, not_utf8 2), a larger share than --max_quarantined_ratio 0.19;"
        " nothing was committed"
    )


def test_nothing_read_is_no_share():
    Counts(0, 0, 0, 0, 0, 0, {}, 0).check(max_quarantined_ratio=0)
