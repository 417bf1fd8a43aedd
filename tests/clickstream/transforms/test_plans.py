"""How large plans become: Spark writes an expression out again wherever it moves a condition below its column."""

from datetime import timedelta

import pytest

from clickstream.sources import raw_archive
from clickstream.transforms import activity, events, page_views, visits

LOOKBACK = timedelta(days=7)
FORMS = {
    "events": events.validate,
    "visits": visits.validate,
    "page_views": lambda lines: page_views.validate(lines, LOOKBACK),
    "clicks": lambda lines: activity.from_lines(lines, "clicks", activity.line_rules(LOOKBACK)),
}


@pytest.mark.parametrize("form", FORMS)
def test_valid_rows_are_planned_with_each_condition_about_once(spark, tmp_path, form):
    (tmp_path / "a.jsonl").write_text("{}\n")
    lines = raw_archive.read_lines(spark, str(tmp_path)).transform(FORMS[form]).where("reasons is null")
    plan = lines._jdf.queryExecution()  # noqa: SLF001  # which Python does not have
    assert len(plan.executedPlan().toString()) < 2 * len(plan.analyzed().toString())
