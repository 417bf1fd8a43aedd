"""Trino's protocol for clients (trino.io/docs/406/develop/client-protocol.html): a statement goes, pages of rows come."""

import http.client
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local.athena import catalogs

HEADERS = {
    "X-Trino-User": "analyst",
    "X-Trino-Source": "python -m local sql",
    "X-Trino-Catalog": catalogs.CATALOG,
    "X-Trino-Schema": catalogs.SCHEMA,
    "X-Trino-Time-Zone": "UTC",
    "X-Trino-Client-Capabilities": "PARAMETRIC_DATETIME",  # times to the microsecond that a table has
}
START_SECONDS = 30


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
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return _ask(port, statement, note)
        except QueryError as error:
            if not str(error).startswith("NO_NODES_AVAILABLE") or time.monotonic() > deadline:
                raise
        time.sleep(0.2)  # the server has just started, and has yet to find itself


def _ask(port: int, statement: str, note: Path | None) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    page = _request(connection, "POST", "/v1/statement", statement.encode())
    answer, touched = Answer(), time.monotonic()
    try:
        while True:
            answer.columns = page.get("columns", answer.columns)
            answer.rows += page.get("data", [])
            if "error" in page:
                raise QueryError(f"{page['error']['errorName']}: {page['error']['message']}")
            if "nextUri" not in page:
                return answer
            if note and time.monotonic() > touched + 1:
                os.utime(note)
                touched = time.monotonic()
            page = _request(connection, "GET", urlsplit(page["nextUri"]).path)
    except BaseException:  # Ctrl-C, too
        if "nextUri" in page:
            _cancel(port, urlsplit(page["nextUri"]).path)
        raise
    finally:
        connection.close()


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
