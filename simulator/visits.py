"""Visits to pages, with the session ids of the tracker."""

from typing import ClassVar

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

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.about = [self.about_user(user) for user in range(len(self.names))]

    def line(self, happened: int, user: int, session: int) -> str:
        bits = self.rng.getrandbits
        return (
            f'{{"user_id":"{self.names[user]}","session_id":"s{session:08x}",'
            f'"event_time":{self.event_time(happened, user)},"event_type":"{EVENT_TYPES[bits(3)]}",'
            f'"page_url":"{SITE}/p/{bits(12)}?v={bits(2)}","referrer_url":{REFERRERS[bits(3)]}'
            f"{self.about[user]}"
        )

    def event_time(self, happened: int, user: int) -> str:
        """Return the time as text or in Unix seconds."""
        if self.may_be_truncated(happened, user):
            return str(happened // SECOND)
        return f'"{text_form(happened, self.rng.getrandbits(2))}"'

    @staticmethod
    def about_user(user: int) -> str:
        """Return the fields that are the same in all rows of a user."""
        (device, browser), (country, city) = users.device(user), users.place(user)
        return (
            f',"device_type":"{device}","browser":"{browser}","ip":"{users.ip(user)}",'
            f'"geo":{{"country":"{country}","city":"{city}"}}}}'
        )
