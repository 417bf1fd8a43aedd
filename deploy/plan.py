"""Desired beside actual, field by field."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Fields = Mapping[str, Any]
LONGEST = 60  # characters of a value that is shown


class Resource(Protocol):
    """Something in the account; its fields have the names of its service's API."""

    @property
    def title(self) -> str:
        """Its kind and name, such as ``job replay``."""

    @property
    def desired(self) -> Fields | None:
        """What the settings say; None: it must not exist."""

    def actual(self) -> Fields | None:
        """Read what the account has; None: it does not exist."""

    def create(self) -> None: ...

    def update(self) -> None: ...

    def delete(self) -> None: ...


@dataclass(frozen=True)
class Difference:
    """A field whose values differ; None: it does not exist."""

    field: str
    actual: str | None
    desired: str | None

    def __str__(self) -> str:
        if self.actual is None:
            return f"{self.field}: {_short(self.desired)}"
        return f"{self.field}: {_short(self.actual)} -> {'nothing' if self.desired is None else _short(self.desired)}"


@dataclass(frozen=True)
class Change:
    """What makes a resource as it is desired."""

    action: Literal["create", "update", "delete"]
    resource: Resource
    differences: tuple[Difference, ...]

    def apply(self) -> None:
        {"create": self.resource.create, "update": self.resource.update, "delete": self.resource.delete}[self.action]()


def change(resource: Resource) -> Change | None:
    """Compare; None where nothing differs."""
    actual, desired = resource.actual(), resource.desired
    if desired is None:
        return None if actual is None else Change("delete", resource, ())
    differing = tuple(differences(actual or {}, desired))
    if actual is None:
        return Change("create", resource, differing)
    return Change("update", resource, differing) if differing else None


def differences(actual: Fields, desired: Fields) -> Iterator[Difference]:
    """Give every field that differs, of nested ones the innermost."""
    before, after = dict(_flat(actual)), dict(_flat(desired))
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
