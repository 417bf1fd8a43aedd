"""Page transitions, as in the Wikipedia clickstream: how many readers came from one page to another."""

from simulator.activity import MOST_BOTS
from simulator.formats import Format
from simulator.options import Options

OUTSIDE = ("other-search", "other-empty", "other-external", "other-internal", "other-other")
PLACES = ("Köln", "Lagos", "Osaka", "Pune", "Lima", "Oslo", "Cairo", "Quito", "Graz", "Perth", "Accra", "Minsk")
TOPICS = ("History", "Geography", "Economy", "Climate", "Culture", "Music", "Football", "Cuisine", "Law", "Flora")


class PageTransitions(Format):
    """``prev``, ``curr``, ``type``, ``n`` with tabs between; as in a month's dump, a pair of pages occurs once."""

    stream = "page_views"
    suffix = "tsv"
    timed = False

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.names = [title(page) for page in range(options.users)] + [f"Bot_target_{bot}" for bot in range(MOST_BOTS)]
        self.referrers = [0] * len(self.names)

    def line(self, happened: int, user: int, session: int) -> str:  # noqa: ARG002
        """Return one pair of pages; ``user`` is the page that was reached."""
        nth = self.referrers[user]
        self.referrers[user] += 1
        n = int(10 / (1 - 0.9999 * self.rng.random()))  # the dump, too, leaves out pairs below 10
        if nth < len(OUTSIDE):
            return f"{OUTSIDE[nth]}\t{self.names[user]}\texternal\t{n}"
        kind = "link" if self.rng.getrandbits(3) else "other"
        return f"{title(user + nth)}\t{self.names[user]}\t{kind}\t{n}"


def title(page: int) -> str:
    """Return the page's title; no two pages share one."""
    rest, place = divmod(page, len(PLACES))
    rest, topic = divmod(rest, len(TOPICS))
    return f"{TOPICS[topic]}_of_{PLACES[place]}" + (f"_({rest})" if rest else "")
