"""The users' devices and places: the same in every row of a user."""

DEVICES = (
    ("mobile", "Safari"),
    ("desktop", "Chrome"),
    ("mobile", "Chrome"),
    ("tablet", "Safari"),
    ("desktop", "Firefox"),
    ("desktop", "Edge"),
    ("tv", "Opera"),
)
PLACES = (
    ("DE", "Köln"),
    ("US", "Chicago"),
    ("BR", "São Paulo"),
    ("JP", "大阪"),
    ("IN", "Pune"),
    ("FR", "Orléans"),
    ("GB", "Stoke-on-Trent"),
    ("MX", "Mérida"),
    ("CI", "Yamoussoukro"),
    ("US", "O'Fallon"),
    ("NG", "Lagos"),
)


def device(user: int) -> tuple[str, str]:
    """Return device type and browser."""
    return DEVICES[user % len(DEVICES)]


def device_id(user: int) -> str:
    """Return an id that no other user's device has."""
    return f"{user * 2_654_435_761 % 2**32:08x}-{user:x}"


def place(user: int) -> tuple[str, str]:
    """Return country and city."""
    return PLACES[user % len(PLACES)]


def ip(user: int) -> str:
    """Return an address of the ranges reserved for documentation or private use."""
    return f"2001:db8::{user:x}" if user % 8 == 0 else f"10.{user >> 16 & 255}.{user >> 8 & 255}.{user & 255}"


def about(user: int) -> str:
    """Return the fields of a visit that are the same in all rows of a user: the end of a JSON object."""
    (device_type, browser), (country, city) = device(user), place(user)
    return (
        f'"device_type":"{device_type}","browser":"{browser}","ip":"{ip(user)}",'
        f'"geo":{{"country":"{country}","city":"{city}"}}}}'
    )
