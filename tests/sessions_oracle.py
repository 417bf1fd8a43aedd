"""Sessions by the rules alone, event after event in plain Python: what the tables must hold."""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

Row = dict[str, Any]


def session_events(activity: Iterable[Row], gap: timedelta, longest: timedelta) -> list[Row]:
    """Find the sessions of rows with user_id, event_time and event_uuid."""
    in_order = sorted(activity, key=lambda row: (row["user_id"], row["event_time"], row["event_uuid"]))
    made = []
    for user, rows in groupby(in_order, key=lambda row: row["user_id"]):
        number, previous, block, chunk, first = 0, None, None, 0, None
        for row in rows:
            now = row["event_time"]
            is_after_a_pause = previous is None or now - previous > gap
            block = now if is_after_a_pause else block
            is_new = is_after_a_pause or (now - block) // longest != chunk
            chunk = (now - block) // longest
            if is_new:
                number, first, cause = number + 1, row, "max_length" if chunk else None
            made.append({
                **row,
                "session_key": key(first),
                "session_id": f"{user}-{number}",
                "session_number": number,
                "new_session": int(is_new),
                "split_cause": cause,
                "session_date": first["event_time"].date(),
            })
            previous = now
    return made


def key(first: Row) -> str:
    microseconds = (first["event_time"].replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
        microseconds=1
    )
    text = "\n".join([first["user_id"], str(microseconds), first["event_uuid"]])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def sessions(session_events: list[Row]) -> Iterator[Row]:
    """Sum up each session."""
    for _, group in groupby(session_events, key=lambda row: (row["user_id"], row["session_number"])):
        rows = list(group)
        pages = [row["page"] for row in rows if row["page"] is not None]
        start, end = rows[0]["event_time"], rows[-1]["event_time"]
        copied = ("session_key", "session_id", "session_number", "user_id", "split_cause", "session_date")
        yield {name: rows[0][name] for name in copied} | {
            "started_at": start,
            "ended_at": end,
            "duration_seconds": (end - start) / timedelta(seconds=1),
            "event_count": len(rows),
            "page_count": len(set(pages)),
            "entry_page": pages[0] if pages else None,
            "exit_page": pages[-1] if pages else None,
            "device_type": next((row["device_type"] for row in rows if row["device_type"] is not None), None),
            "country": next((row["country"] for row in rows if row["country"] is not None), None),
            "is_bounce": len(rows) == 1 or len(set(pages)) == 1,
        }
