"""Trino's protocol (trino.io/docs/406/develop/client-protocol.html): a statement goes, pages of rows come."""

import http.client
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local.athena import catalogs, server

HEADERS = {
    "X-Trino-User": "analyst",
    "X-Trino-Source": "python -m local sql",
    "X-Trino-Catalog": catalogs.CATALOG,
    "X-Trino-Schema": catalogs.SCHEMA,
    "X-Trino-Time-Zone": "UTC",
    "X-Trino-Client-Capabilities": "PARAMETRIC_DATETIME",  # times to the microsecond that a table has
}


class QueryError(Exception):
    """A query has no answer; the message is Trino's."""


class Number(str):
    """A number with a point or an exponent, in the digits that the server sent."""

    __slots__ = ()


@dataclass
class Answer:
    """The columns (name, and type as the protocol has it) and the rows of a query."""

    columns: list[dict[str, Any]] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)


def ask(port: int, statement: str, note: Path | None = None) -> Answer:
    """Return the whole answer; touch a server's note meanwhile, so that it does not count as idle."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    deadline = time.monotonic() + server.START_SECONDS
    try:
        while True:
            try:
                return _answer(connection, statement, note)
            except QueryError as error:
                if not str(error).startswith("NO_NODES_AVAILABLE") or time.monotonic() > deadline:
                    raise
            time.sleep(0.2)  # the server has just started, and has yet to find itself
    except (OSError, http.client.HTTPException) as error:
        raise QueryError("the server ended before it had answered; ask again") from error
    finally:
        connection.close()


def _answer(connection: http.client.HTTPConnection, statement: str, note: Path | None) -> Answer:
    answer = Answer()
    for page in _pages(connection, statement):
        answer.columns = page.get("columns", answer.columns)
        answer.rows += page.get("data", [])
        if note:
            os.utime(note)
    return answer


def _pages(connection: http.client.HTTPConnection, statement: str) -> Iterator[dict[str, Any]]:
    page = _request(connection, "POST", "/v1/statement", statement.encode())
    try:
        while "nextUri" in page:
            yield page
            page = _request(connection, "GET", urlsplit(page["nextUri"]).path)
    except BaseException:  # Ctrl-C, too
        if "nextUri" in page:
            _cancel(connection.port, urlsplit(page["nextUri"]).path)
        raise
    if "error" in page:
        raise QueryError(f"{page['error']['errorName']}: {page['error']['message']}")
    yield page


def _request(connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None) -> Any:
    while True:
        connection.request(method, path, body, HEADERS)
        response = connection.getresponse()
        content = response.read()
        if response.status == http.client.OK:
            return json.loads(content, parse_float=Number)
        if response.status not in {502, 503, 504}:
            raise QueryError(f"the server answers {response.status}: {content.decode(errors='replace')}")
        time.sleep(0.1)  # as the protocol says


def _cancel(port: int, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("DELETE", path, headers=HEADERS)
    connection.getresponse().read()
    connection.close()
