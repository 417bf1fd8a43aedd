"""The visitors of live rows."""

import json
import os
import subprocess
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from faker.providers.geo import Provider as Places

from simulator import Live, Options, live_arrivals
from simulator.visitors import DOCUMENTATION, Visitors

PROJECT = Path(__file__).parents[2]
BEGIN = 1_710_673_199_123
ONLY_GOOD = Options(users=20, bots=0.2, duplicates=0, late=0, malformed=0)
FIELDS = ("device_type", "browser", "user_agent", "ip", "geo")


def visitors(number: int, seed: int = 1) -> list[dict]:
    made = Visitors(seed)
    return [json.loads("{" + made.about(user)) for user in range(number)]


def visits(begin: int, options: Options = ONLY_GOOD) -> list[dict]:
    return [json.loads(line) for _, _, line in live_arrivals("visits", options, Live(begin, rate=20, seconds=20))]


def about(visit: dict) -> dict:
    return {name: visit[name] for name in FIELDS}


def python(code: str, **variables: str) -> str:
    command = [sys.executable, "-c", code]
    environment = os.environ | {"PYTHONPATH": f"{PROJECT / 'libs'}:{PROJECT}"} | variables
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_a_user_is_the_same_one_in_any_order():
    forwards, made = visitors(50), Visitors(1)
    assert [json.loads("{" + made.about(user)) for user in reversed(range(50))] == forwards[::-1]


def test_another_seed_makes_other_users():
    assert not [a for a, b in zip(visitors(20, seed=1), visitors(20, seed=2), strict=True) if a == b]


@pytest.mark.process
@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_the_same_seed_gives_the_same_visits_in_every_process(zone):
    code = f"""
from simulator import Live, Options, live_arrivals
for _, _, line in live_arrivals("visits", Options(seed=7), Live({BEGIN}, rate=20, seconds=20)):
    print(line)
"""
    here = [f"{line!r}\n" for _, _, line in live_arrivals("visits", Options(seed=7), Live(BEGIN, rate=20, seconds=20))]
    assert python(code, TZ=zone, PYTHONHASHSEED="5") == "".join(here)


def test_users_stay_who_they_are_from_one_beginning_to_the_next():
    who = {visit["user_id"]: about(visit) for visit in visits(BEGIN)}
    again = {visit["user_id"]: about(visit) for visit in visits(BEGIN + 300_000)}
    both = who.keys() & again.keys()
    assert len(both) > 5
    assert {user: who[user] for user in both} == {user: again[user] for user in both}


def test_a_user_is_the_same_one_in_all_rows():
    rows = visits(BEGIN)
    who = {(visit["user_id"], json.dumps(about(visit))) for visit in rows}
    assert len(rows) == 400
    assert len(who) == len({visit["user_id"] for visit in rows}) > 10


def test_addresses_are_of_the_ranges_for_documentation():
    ranges = [*map(ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"))]
    addresses = [ip_address(visitor["ip"]) for visitor in visitors(2_000)]
    assert {tuple(address in network for network in ranges) for address in addresses} == {
        tuple(one is other for other in ranges) for one in ranges
    }
    assert tuple(ranges) == DOCUMENTATION


def test_city_and_country_belong_together():
    places = {(city, country) for _, _, city, country, _ in Places.land_coords}
    drawn = {(visitor["geo"]["city"], visitor["geo"]["country"]) for visitor in visitors(2_000)}
    assert drawn <= places
    assert len({country for _, country in drawn}) > 100


SIGNS = {  # of a browser, in its user agent
    "Chrome": ("Chrome/", "CriOS/"),
    "Firefox": ("Firefox/", "FxiOS/"),
    "Internet Explorer": ("MSIE",),
    "Opera": ("Opera/",),
    "Safari": ("Version/",),
}

DEVICES = {
    "tablet": [["iPad"]],
    "mobile": [["iPhone"], ["Android"]],
    "desktop": [["Windows"], ["X11"], ["Macintosh"]],
}


def test_browser_and_type_of_device_are_those_of_the_user_agent():
    made = visitors(1_000)
    assert {visitor["browser"] for visitor in made} == SIGNS.keys()
    assert {visitor["device_type"] for visitor in made} == {"desktop", "mobile", "tablet"}
    for visitor in made:
        agent, device_type = visitor["user_agent"], visitor["device_type"]
        assert any(sign in agent for sign in SIGNS[visitor["browser"]])
        on = [sign for sign in ("iPad", "iPhone", "Android", "Windows", "X11", "Macintosh") if sign in agent]
        assert on in DEVICES[device_type]


@pytest.mark.process
def test_archives_do_without_faker():
    code = """
import sys
from simulator import Options, arrivals
assert len(list(arrivals("visits", Options(rows=100, malformed=0, duplicates=0)))) == 100
print("faker" in sys.modules)
"""
    assert python(code) == "False\n"
