"""What is wanted beside what is found, field by field."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Fields = Mapping[str, Any]
LONGEST = 60  # characters of a value that is shown


class Resource(Protocol):
    """Something in the account; its fields are called as in its service's API."""

    @property
    def title(self) -> str:
        """Its kind and name."""

    @property
    def wanted(self) -> Fields | None:
        """What it should be; None: it should not be there."""

    def found(self) -> Fields | None:
        """Read what it is; None: it is not there."""

    def create(self) -> None:
        """Make it."""

    def update(self) -> None:
        """Make what is there as it should be."""

    def delete(self) -> None:
        """Take it away."""


@dataclass(frozen=True)
class Difference:
    """A field that is not as it should be; None: it is not there."""

    field: str
    found: str | None
    wanted: str | None

    def __str__(self) -> str:
        """Show both."""
        if self.found is None:
            return f"{self.field}: {_short(self.wanted)}"
        return f"{self.field}: {_short(self.found)} -> {'nothing' if self.wanted is None else _short(self.wanted)}"


@dataclass(frozen=True)
class Change:
    """What has to be done to a resource."""

    action: Literal["create", "update", "delete"]
    resource: Resource
    differences: tuple[Difference, ...]

    def carry_out(self) -> None:
        """Do it."""
        {"create": self.resource.create, "update": self.resource.update, "delete": self.resource.delete}[self.action]()


def change(resource: Resource) -> Change | None:
    """Compare; None where all is as it should be."""
    found, wanted = resource.found(), resource.wanted
    if wanted is None:
        return None if found is None else Change("delete", resource, ())
    found_differences = tuple(differences(found or {}, wanted))
    if found is None:
        return Change("create", resource, found_differences)
    return Change("update", resource, found_differences) if found_differences else None


def differences(found: Fields, wanted: Fields) -> Iterator[Difference]:
    """Give every field that differs, of nested ones the innermost."""
    before, after = dict(_flat(found)), dict(_flat(wanted))
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield Difference(name, before.get(name), after.get(name))


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, nested in value.items():
            yield from _flat(nested, f"{name}.{key}".lstrip("."))
    elif isinstance(value, list):
        for number, nested in enumerate(value):
            yield from _flat(nested, f"{name}[{number}]")
    else:
        yield name, str(value)


def _short(value: str | None) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"
