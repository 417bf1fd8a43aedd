"""What the report shows: of each section its question, the query that answers it and the charts of the answer."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt

Data = dict[str, Any]
Chart = Callable[[Data], Any]  # a chart of Altair, whose methods say less of their types than it has

WHOLE = alt.Axis(tickMinStep=1, format=",d")

OURS = Path(__file__).parent / "queries"
ANALYSTS = Path(__file__).parents[2] / "ddl" / "queries"

EVENTS = "There are no events yet: events_batch and events_stream load some."
SESSIONS = "There are no sessions yet: sessions_batch makes them of events."


@dataclass(frozen=True)
class Section:
    """A question and its answer.

    ``table`` is the one whose last weeks are asked for; ``if_empty`` is the sentence in the place of charts where no
    row has anything in the column ``measure``.
    """

    title: str
    text: str
    query: Path
    table: str
    measure: str
    if_empty: str
    charts: tuple[Chart, ...]


def events_per_day(data: Data) -> Any:
    """Stack types on days."""
    return (
        alt
        .Chart(data)
        .mark_bar()
        .encode(
            x=day("day"),
            y=alt.Y("events:Q", title="events", axis=WHOLE),
            color=alt.Color("event_type:N", title=None, sort=alt.EncodingSortField("place", op="min")),
            order=alt.Order("place:Q"),
            tooltip=[day_read("day"), "event_type:N", counted("events")],
        )
    )


def quarantined(data: Data) -> Any:
    """Compare reasons, with their sources in colours."""
    return (
        alt
        .Chart(data)
        .mark_bar()
        .encode(
            x=alt.X("quarantined:Q", title="rows", axis=WHOLE),
            y=alt.Y("reason:N", title=None, sort=None),
            color=alt.Color("source:N", title=None),
            tooltip=["source:N", "reason:N", counted("quarantined"), "since:N"],
        )
        .properties(height=rows_high(data, "reason", 24))
    )


def sessions_per_day(data: Data) -> Any:
    """Compare days."""
    return (
        alt
        .Chart(data)
        .mark_bar()
        .encode(
            x=day("session_date"),
            y=alt.Y("sessions:Q", title="sessions", axis=WHOLE),
            tooltip=[day_read("session_date"), counted("sessions"), counted("users"), "average_seconds:Q"],
        )
        .properties(height=180)
    )


def bounce_rate(data: Data) -> Any:
    """Follow the rate from day to day."""
    return (
        alt
        .Chart(data)
        .mark_line(point=True)
        .encode(
            x=day("session_date"),
            y=alt.Y("bounce_rate:Q", title="bounce rate", axis=alt.Axis(format="%", tickMinStep=0.01)),
            tooltip=[day_read("session_date"), percent("bounce_rate"), counted("sessions")],
        )
        .properties(height=180)
    )


def sessions_per_hour(data: Data) -> Any:
    """Add up the hours of all days."""
    return (
        alt
        .Chart(data)
        .transform_calculate(of_day="toNumber(substring(datum.hour, 11, 13))")
        .mark_bar()
        .encode(
            x=alt.X("of_day:O", title="hour of the day, UTC", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("sum(sessions):Q", title="sessions", axis=WHOLE),
            tooltip=[
                alt.Tooltip("of_day:O", title="hour"),
                alt.Tooltip("sum(sessions):Q", title="sessions", format=","),
            ],
        )
        .properties(height=180)
    )


def funnel(data: Data) -> Any:
    """Compare steps with the first."""
    bars = alt.Chart(data).encode(
        x=with_room("users", data),
        y=alt.Y("event_type:N", title=None, sort=None),
        tooltip=["event_type:N", counted("users"), percent("share_of_first"), percent("share_of_step_before")],
    )
    return with_labels(bars, data, alt.Text("share_of_first:Q", format=".1%"))


def retention(data: Data) -> Any:
    """Colour the weeks after the first, in which everybody is there."""
    cells = (
        alt
        .Chart(data)
        .transform_filter("datum.weeks_later > 0")
        .encode(
            x=alt.X("weeks_later:O", title="weeks later", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("first_week:O", title=None),
            tooltip=["first_week:N", "weeks_later:Q", counted("users"), counted("came_back"), percent("retention")],
        )
    )
    colour = alt.Color("retention:Q", legend=None, scale=alt.Scale(domainMin=0))
    return alt.layer(
        cells.mark_rect().encode(color=colour), cells.mark_text().encode(text=alt.Text("retention:Q", format=".0%"))
    ).properties(height=rows_high(data, "first_week", 32))


def entry_pages(data: Data) -> Any:
    """Compare pages, whose addresses are too long to stand beside their bars on a phone."""
    of_page = alt.Chart(data).encode(
        y=alt.Y("entry_page:N", axis=None, sort=None),
        tooltip=["entry_page:N", counted("sessions"), percent("bounce_rate")],
    )
    return alt.layer(
        of_page.mark_bar(height=9, yOffset=7).encode(x=alt.X("sessions:Q", title="sessions", axis=WHOLE)),
        of_page.mark_text(align="left", dy=-7, limit=alt.ExprRef("width")).encode(x=alt.value(0), text="entry_page:N"),
    ).properties(height=rows_high(data, "entry_page", 36))


def lateness(data: Data) -> Any:
    """Compare delays."""
    bars = alt.Chart(data).encode(
        x=with_room("events", data),
        y=alt.Y("arrived:N", title=None, sort=None),
        tooltip=["arrived:N", counted("events"), percent("ratio"), "most_hours:Q"],
    )
    return with_labels(bars, data, alt.Text("ratio:Q", format=".2%"))


def conflicts(data: Data) -> Any:
    """Compare days."""
    return (
        alt
        .Chart(data)
        .mark_bar()
        .encode(
            x=day("day"),
            y=alt.Y("conflicts:Q", title="events", axis=WHOLE),
            tooltip=[day_read("day"), counted("conflicts"), counted("events")],
        )
        .properties(height=180)
    )


def stream_latency(data: Data) -> Any:
    """Show the median as a bar, and the 95th percentile as a tick."""
    of_source = alt.Chart(data).encode(
        y=alt.Y("source:N", title=None),
        tooltip=["source:N", counted("records"), "median_seconds:Q", "p95_seconds:Q"],
    )
    return alt.layer(
        of_source.mark_bar().encode(x=alt.X("median_seconds:Q", title="seconds")),
        of_source.mark_tick(thickness=3, size=20).encode(x=alt.X("p95_seconds:Q", title="seconds")),
    ).properties(height=rows_high(data, "source", 28))


def with_labels(bars: alt.Chart, data: Data, text: alt.Text) -> Any:
    """Write beside each bar what it stands for."""
    return alt.layer(
        bars.mark_bar(), bars.mark_text(align="left", baseline="middle", dx=4).encode(text=text)
    ).properties(height=30 * len(data["values"]))


def rows_high(data: Data, column: str, row: int) -> int:
    """Give each value of a column so many pixels."""
    return row * len({values[column] for values in data["values"]})


def with_room(column: str, data: Data) -> alt.X:
    """Let the longest bar end before the picture does, so that its label has room."""
    longest = max(row[column] for row in data["values"])
    return alt.X(f"{column}:Q", title=column, scale=alt.Scale(domain=[0, 1.3 * longest], nice=False), axis=WHOLE)


def day(column: str) -> alt.X:
    """Place days, which are UTC's wherever the page is read."""
    return alt.X(
        f"{column}:T", timeUnit="utcyearmonthdate", title=None, axis=alt.Axis(format="%b %-d", tickCount="day")
    )


def day_read(column: str) -> alt.Tooltip:
    """Spell a day in a tooltip."""
    return alt.Tooltip(f"{column}:T", timeUnit="utcyearmonthdate", format="%a %Y-%m-%d", title="day")


def counted(column: str) -> alt.Tooltip:
    """Spell a count in a tooltip."""
    return alt.Tooltip(f"{column}:Q", format=",")


def percent(column: str) -> alt.Tooltip:
    """Spell a ratio in a tooltip."""
    return alt.Tooltip(f"{column}:Q", format=".1%")


SECTIONS = (
    Section(
        "Events per day",
        "By the clock of their producer, in UTC: the seven most frequent types, and all others.",
        OURS / "events_per_day.sql",
        "events",
        "events",
        EVENTS,
        (events_per_day,),
    ),
    Section(
        "Sessions per day",
        "Days on which sessions began, and the bounce rate: the share of those with a single event or page.",
        OURS / "sessions_per_day.sql",
        "sessions",
        "sessions",
        SESSIONS,
        (sessions_per_day, bounce_rate),
    ),
    Section(
        "Sessions by hour of the day",
        "In UTC. For another time zone replace 'UTC' in the query.",
        ANALYSTS / "sessions_per_hour.sql",
        "sessions",
        "sessions",
        SESSIONS,
        (sessions_per_hour,),
    ),
    Section(
        "Funnel",
        "How many users came as far as each step, in this order and within 7 days of the first.",
        ANALYSTS / "funnel_of_users.sql",
        "events",
        "users",
        "No user has reached the first step, an event of the type product.",
        (funnel,),
    ),
    Section(
        "Retention",
        "Of the users whose first session was in a week (its Monday is shown), the share with a session N weeks later.",
        ANALYSTS / "retention_per_week.sql",
        "sessions",
        "weeks_later",
        "Retention needs sessions in at least two weeks.",
        (retention,),
    ),
    Section(
        "Entry pages",
        "The pages that most sessions began on, without what follows ? or # in their addresses.",
        OURS / "entry_pages.sql",
        "sessions",
        "sessions",
        "No session has a page yet: an event names it as page_url, page or url.",
        (entry_pages,),
    ),
    Section(
        "Late events",
        "From created_at to arrived_at, in hours: arrived_at is stored to the hour.",
        OURS / "lateness.sql",
        "events",
        "events",
        EVENTS,
        (lateness,),
    ),
    Section(
        "Conflicting event_uuids",
        "Events whose event_uuid was already used with an earlier created_at: they are other events, and kept."
        " Duplicates, with the same event_uuid and created_at, are not stored: run reports count them.",
        OURS / "conflicts.sql",
        "events",
        "conflicts",
        "No event_uuid was used twice.",
        (conflicts,),
    ),
    Section(
        "Quarantined rows",
        "The ten most frequent reasons.",
        ANALYSTS / "quarantined_per_reason.sql",
        "quarantine",
        "quarantined",
        "Nothing is in the quarantine.",
        (quarantined,),
    ),
    Section(
        "Latency of quarantined records",
        "From a record's arrival in Kinesis to its row in the quarantine; the bar is the median, the mark 95 of 100."
        " Only quarantined rows keep both times: of all records, CloudWatch has EndToEndLatency.",
        OURS / "stream_latency.sql",
        "quarantine",
        "records",
        "No stream has quarantined a record; other rows do not keep the time of their arrival.",
        (stream_latency,),
    ),
)
