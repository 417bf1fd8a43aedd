"""Clicks of the web shop, and clicks of its app."""

from simulator import users
from simulator.clock import seconds_text, text_form
from simulator.formats import BrokenValues, Format

CLICKS = ("buy_button", "menu", "search", "product_card", "add_to_cart", "newsletter:subscribe", "footer", "video:play")
APP_EVENTS = ("tap_home", "tap_product", "tap_cart", "swipe_gallery", "refresh", "tap_pay", "share", "open_push")
NOT_TIMES = (
    *(True, None, [2024, 3, 17], {"s": 1}, "", "yesterday", "2024-02-30 10:15:30", "2024-03-17T25:00:00Z"),
    "10:15:30",  # a lenient parser takes it for a time of today
)
OUT_OF_RANGE = (
    *("0001-01-01 00:00:00", "1970-01-01T00:00:00Z", "1999-12-31 23:59:59"),
    *("2199-01-01 00:00:00", "9999-12-31T23:59:59Z"),
)


def broken_times(field: str) -> BrokenValues:
    """Return the wrong users and the wrong times of a click."""
    return {
        "wrong_type": [("user_id", None), ("user_id", ""), *((field, time) for time in NOT_TIMES)],
        "time_out_of_range": [(field, time) for time in OUT_OF_RANGE],
    }


class WebClicks(Format):
    """``user_id``, ``event_timestamp``, ``event_name``, ``event_type``, ``device_type``."""

    stream = "clicks"
    required = ("user_id", "event_timestamp")
    broken_values = broken_times("event_timestamp")

    def line(self, happened: int, user: int, session: int) -> str:  # noqa: ARG002
        return (
            f'{{"user_id":"{self.names[user]}","event_timestamp":"{self.time_text(happened, user)}",'
            f'"event_name":"{CLICKS[self.rng.getrandbits(3)]}","event_type":"click",'
            f'"device_type":"{users.device(user)[0]}"}}'
        )

    def time_text(self, happened: int, user: int) -> str:
        if self.may_be_truncated(happened, user):
            return seconds_text(happened)
        return text_form(happened, self.rng.getrandbits(2))


class AppClicks(WebClicks):
    """``user_id``, ``device_id``, ``client_event``, ``client_timestamp``, ``countrycode``."""

    required = ("user_id", "client_timestamp")
    broken_values = broken_times("client_timestamp")

    def line(self, happened: int, user: int, session: int) -> str:  # noqa: ARG002
        return (
            f'{{"user_id":"{self.names[user]}","device_id":"{users.device_id(user)}",'
            f'"client_event":"{APP_EVENTS[self.rng.getrandbits(3)]}",'
            f'"client_timestamp":"{self.time_text(happened, user)}","countrycode":"{users.place(user)[0]}"}}'
        )
