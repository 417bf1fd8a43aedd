"""The visitors of live rows, made up by Faker: a user is the same one in every run with the same seed."""

import json
from ipaddress import ip_network

from faker import Faker

BROWSERS = {  # Faker's name -> the tracker's
    "chrome": "Chrome",
    "firefox": "Firefox",
    "internet_explorer": "Internet Explorer",
    "opera": "Opera",
    "safari": "Safari",
}
DOCUMENTATION = (  # RFC 5737, RFC 3849: nobody's addresses
    *(ip_network("192.0.2.0/24"), ip_network("198.51.100.0/24"), ip_network("203.0.113.0/24")),
    ip_network("2001:db8::/32"),
)


class Visitors:
    """Makes the visitor of a user's number, of nothing but that and the seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.faker = Faker("en_US")

    def about(self, user: int) -> str:
        """Return what ``users.about`` does, and a user agent, which the browser and the type of device follow."""
        self.faker.seed_instance(f"visitor {user} {self.seed}")
        browser = self.faker.random_element(sorted(BROWSERS))
        user_agent = getattr(self.faker, browser)()
        _, _, city, country, _ = self.faker.location_on_land()
        network = self.faker.random_element(DOCUMENTATION)
        fields = {
            "device_type": device_type(user_agent),
            "browser": BROWSERS[browser],
            "user_agent": user_agent,
            "ip": str(network[self.faker.random.randrange(network.num_addresses)]),
            "geo": {"country": country, "city": city},
        }
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).removeprefix("{")


def device_type(user_agent: str) -> str:
    """Return what a tracker would read from the user agent."""
    if "iPad" in user_agent:
        return "tablet"
    return "mobile" if "iPhone" in user_agent or "Android" in user_agent else "desktop"
