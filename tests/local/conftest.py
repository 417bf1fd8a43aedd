"""A local AWS for each module that asks for one."""

from collections.abc import Iterator

import pytest

from local import aws


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with aws.running() as endpoint:
        yield endpoint
