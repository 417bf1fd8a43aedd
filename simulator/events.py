"""Events: about 100 types on one stream, each with its own fields."""

import json
import re
from bisect import bisect
from collections.abc import Callable
from itertools import accumulate
from random import Random
from typing import Any, ClassVar

from simulator.clock import MINUTE, SECOND
from simulator.formats import BrokenValues, Format
from simulator.options import Options

TYPES = """
    page cart search payment order product session app video account checkout notification message review wishlist
    recommendation banner campaign coupon delivery shipment return refund invoice subscription plan trial login logout
    signup password profile address consent preference avatar friend follow feed post comment like share story reel
    stream playlist track podcast episode article newsletter survey poll quiz lesson course certificate badge reward
    loyalty referral gift auction bid listing seller store inventory price stock warehouse courier route ticket
    support chat call meeting calendar reminder document file folder upload download export import_job report dashboard
    alert experiment feature_flag device sensor heartbeat crash error consent_banner webhook api_key permission
""".split()  # noqa: SIM905 - a list of 102 lines is no easier to read
SUBTYPES = ("item", "list", "form", "detail", "summary", "batch", "draft", "step_2")
ACTIONS = ("viewed", "created", "updated", "completed", "failed", "cancelled", "clicked", "expired")
PLAIN_TIMES = 0.8
BODY_BITS = 5  # 32 ready-made bodies of a type

# What producers send besides plain Unix ms.
OTHER_TIMES: list[Callable[[int], int | str]] = [
    lambda ms: ms // SECOND,
    lambda ms: ms * 1_000 + ms % 997,
    lambda ms: f"{ms // SECOND}.{ms % SECOND:03}",
    lambda ms: f'"{ms}"',
    lambda ms: f'"{ms // SECOND}.{ms % SECOND:03}"',
    lambda ms: f"{ms}.0",
    lambda ms: f"{ms // 10**12}.{ms % 10**12:012}E12",  # how Java writes a double
]

FIELDS: dict[str, Callable[[Random], Any]] = {
    "amount": lambda rng: rng.randrange(100, 100_000) / 100,
    "currency": lambda rng: rng.choice(("EUR", "USD", "GBP", "JPY")),
    "platform": lambda rng: rng.choice(("ios", "android", "web", "tv")),
    "app_version": lambda rng: f"{rng.randrange(1, 9)}.{rng.randrange(30)}.{rng.randrange(10)}",
    "locale": lambda rng: rng.choice(("de-DE", "en-US", "pt-BR", "ja-JP", None)),
    "ok": lambda rng: rng.random() < 0.9,  # noqa: PLR2004
    "duration_ms": lambda rng: rng.randrange(5, 60_000),
    "value": lambda rng: rng.choice((7, 7.5, "7", True, None, {"unit": "kg", "n": 7}, [7])),  # as producers really do
    "status": lambda rng: rng.choice((200, 404, "ok", "OK ", "failed", None)),
    "items": lambda rng: [
        {"sku": f"A-{rng.randrange(10_000)}", "quantity": rng.randrange(1, 5)} for _ in range(rng.randrange(3))
    ],
    "query": lambda rng: rng.choice(('red "shoes"', "größe 42", "tea\\coffee\n", "東京", "", "a:b,c\td")),
    "order": lambda rng: {"number": rng.randrange(10**6), "created_at": "2023-11-05T08:00:00Z", "event_name": None},
    "geo": lambda rng: {"country": rng.choice(("DE", "BR", "JP")), "city": rng.choice(("Köln", "São Paulo", "Osaka"))},
    "tags": lambda rng: rng.sample(("new", "vip", "sale", "b2b", "test"), rng.randrange(4)),
    "url": lambda rng: f"https://shop.example/p/{rng.randrange(10_000)}?ref=mail&v={rng.randrange(3)}",
    "agent": lambda rng: f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.{rng.randrange(40)}",
    "experiments": lambda rng: {f"exp_{rng.randrange(40)}": rng.choice(("a", "b"))},
}


class Events(Format):
    """``event_uuid``, ``event_name``, ``created_at`` in mixed units, mostly ``user_id``, then the type's own fields."""

    stream = "events"
    keyed = True
    required = ("event_uuid", "event_name", "created_at")
    broken_values: ClassVar[BrokenValues] = {
        "wrong_type": [
            ("event_uuid", None),
            ("event_uuid", ""),
            ("event_name", None),
            ("event_name", {"name": "payment"}),
            ("event_name", ["payment", "order"]),
            *(("created_at", time) for time in (None, True, "", "yesterday", "NaN", "Infinity", [1], {"s": 1})),
        ],
        "time_out_of_range": [  # in whichever unit it is read
            ("created_at", time)
            for time in (
                *(0, -1, 315_532_800, 631_152_000_000, 946_684_799_999, "946684799999", 946_684_799.5),
                *(4_102_444_800, 4_102_444_800_000, 4_102_444_800_000_000, 9_999_999_999_999, "4102444800", 1e300),
            )
        ],
        "bad_name": [
            ("event_name", name)
            for name in (
                *("", ":", ":order:completed", "pay ment:order", "payment/order", "../secrets:order"),
                *("event_type=payment:order", "zahlung\u00fc:order", "pay\nment:order", "p" * 65 + ":order", "a%2Fb:c"),
            )
        ],
    }

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.user_fields = [f',"user_id":"{name}"' for name in self.names]
        self.kinds: list[tuple[str, list[str]]] = []
        weights: list[float] = []
        for rank in range(options.event_types):
            names, bodies = event_names(rank), event_bodies(self.rng)
            for place, name in enumerate(names, 1):
                self.kinds.append((name, bodies))
                weights.append(1 / (rank + 1) / place / len(names))
        self.popularity = list(accumulate(weights))
        self.last_kind = len(self.kinds) - 1

    def line(self, happened: int, user: int, session: int) -> str:  # noqa: ARG002
        bits = self.rng.getrandbits
        name, bodies = self.kinds[bisect(self.popularity, self.rng.random() * self.popularity[-1], hi=self.last_kind)]
        uuid = f"{bits(128):032x}"
        created_at = happened if self.rng.random() < PLAIN_TIMES else self.rng.choice(OTHER_TIMES)(happened)
        user_field = self.user_fields[user]
        if not bits(4) and user < self.options.users:
            user_field = ',"user_id":null' if bits(1) else ""
        return (
            f'{{"event_uuid":"{uuid[:8]}-{uuid[8:12]}-4{uuid[13:16]}-a{uuid[17:20]}-{uuid[20:]}","event_name":"{name}",'
            f'"created_at":{created_at}{user_field},"id":{bits(32)}{bodies[bits(BODY_BITS)]}'
        )

    def conflicting(self, line: str, happened: int) -> str:
        """Return the same event with a time up to a minute earlier, and in another second."""
        earlier = happened // SECOND * SECOND - 1 - self.rng.randrange(MINUTE)
        return re.sub(r'"created_at":("[^"]*"|[^,}]+)', f'"created_at":{earlier}', line, count=1)


def event_names(rank: int) -> list[str]:
    """Return the names of a type, of one to three parts, the commonest first."""
    event_type = TYPES[rank % len(TYPES)] + (f"_{rank // len(TYPES) + 1}" if rank >= len(TYPES) else "")
    if rank % 7 == 6:  # noqa: PLR2004 - some types have no more parts
        return [event_type]
    subtype, action = SUBTYPES[rank % len(SUBTYPES)], ACTIONS[rank * 3 % len(ACTIONS)]
    return [f"{event_type}:{subtype}:{action}", f"{event_type}:{subtype}", f"{event_type}:{action}"][: 1 + rank % 3]


def event_bodies(rng: Random) -> list[str]:
    """Return ready-made fields of one type, to follow the common ones."""
    fields = rng.sample(sorted(FIELDS), rng.randrange(3, 8))
    bodies = []
    for _ in range(2**BODY_BITS):
        body = json.dumps({field: FIELDS[field](rng) for field in fields}, ensure_ascii=False, separators=(",", ":"))
        bodies.append(f",{body[1:]}")
    return bodies
