"""Visits to pages, with the session ids of the tracker."""

from collections.abc import Callable
from functools import cache
from typing import ClassVar, Self

from simulator import users
from simulator.clicks import NOT_TIMES, OUT_OF_RANGE
from simulator.clock import SECOND, text_form
from simulator.formats import BrokenValues, Format
from simulator.options import Options

SITE = "https://shop.example"
EVENT_TYPES = ("page_view", "page_view", "page_view", "scroll", "click", "add_to_cart", "search", "purchase")
REFERRERS = (
    *("null", "null", '"https://www.google.com/"', '"https://t.co/x9"', f'"{SITE}/"', f'"{SITE}/sale"'),
    *('"android-app://com.example.mail"', '""'),
)


class Visits(Format):
    """``user_id``, ``session_id``, ``event_time``, event type, page, referrer, device, browser, address and place."""

    stream = "clickstream"
    required = ("user_id", "event_time")
    broken_values: ClassVar[BrokenValues] = {
        "wrong_type": [("user_id", None), ("user_id", ""), *(("event_time", time) for time in NOT_TIMES)],
        "time_out_of_range": [
            ("event_time", time) for time in (*OUT_OF_RANGE, 0, -1, 946_684_799, 4_102_444_800, 4_102_444_800_000)
        ],
    }

    def __init__(self, options: Options, about: Callable[[int], str] = users.about) -> None:
        super().__init__(options)
        self.about = cache(about)

    @classmethod
    def live(cls, options: Options, seed: int) -> Self:
        """Make the format with the visitors that Faker makes up."""
        from simulator.visitors import Visitors  # noqa: PLC0415  # archives do without Faker

        return cls(options, Visitors(seed).about)

    def line(self, happened: int, user: int, session: int) -> str:
        bits = self.rng.getrandbits
        return (
            f'{{"user_id":"{self.names[user]}","session_id":"s{session:08x}",'
            f'"event_time":{self.event_time(happened, user)},"event_type":"{EVENT_TYPES[bits(3)]}",'
            f'"page_url":"{SITE}/p/{bits(12)}?v={bits(2)}","referrer_url":{REFERRERS[bits(3)]},'
            f"{self.about(user)}"
        )

    def event_time(self, happened: int, user: int) -> str:
        """Return the time as text or in Unix seconds."""
        if self.may_be_truncated(happened, user):
            return str(happened // SECOND)
        return f'"{text_form(happened, self.rng.getrandbits(2))}"'
