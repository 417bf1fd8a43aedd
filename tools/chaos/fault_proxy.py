"""What stands between a reader and Kinesis: it counts what is read, refuses some calls and hides shards."""

import http.client
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Self

THROTTLED = "ProvisionedThroughputExceededException"


class Front(ThreadingHTTPServer):
    """An endpoint of its own, which asks another one."""

    daemon_threads = True

    def __init__(self, endpoint: str) -> None:
        """Listen on any free port."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = endpoint.removeprefix("http://")
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.random = random.Random(1)
        self.lock = Lock()
        self.be_plain()

    @classmethod
    @contextmanager
    def before(cls, endpoint: str) -> Iterator[Self]:
        """Stand there for as long as the block lasts."""
        with cls(endpoint) as front:
            Thread(target=front.serve_forever, daemon=True).start()
            yield front
            front.shutdown()

    def be_plain(self) -> None:
        """Let everything through, and count anew."""
        self.refused: dict[str, tuple[str, float]] = {}  # by action: the error and the share of the calls
        self.hidden: set[str] = set()  # shards
        self.before_next: dict[str, Callable[[], object]] = {}  # by action: what happens before the next call
        self.calls: Counter[str] = Counter()
        self.records_read = 0

    def handle_error(self, *_: object) -> None:
        """Say nothing of readers that are killed."""

    def answer(self, action: str, status: int, body: bytes) -> tuple[int, bytes]:
        """Turn Kinesis's answer into ours."""
        error, share = self.refused.get(action, ("", 0))
        if self.random.random() < share:
            self.calls[error] += 1
            return 400, json.dumps({"__type": error, "message": "not now"}).encode()
        self.calls[action] += 1
        if action == "GetRecords" and status == http.client.OK:
            self.records_read += len(json.loads(body)["Records"])
        if action == "ListShards" and self.hidden:
            answer = json.loads(body)
            answer["Shards"] = [shard for shard in answer["Shards"] if shard["ShardId"] not in self.hidden]
            body = json.dumps(answer).encode()
        return status, body


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Front

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        action = self.headers["X-Amz-Target"].partition(".")[2]
        self.server.before_next.pop(action, int)()
        connection = http.client.HTTPConnection(self.server.behind)
        connection.request("POST", self.path, asked, dict(self.headers))
        answer = connection.getresponse()
        body = answer.read()
        with self.server.lock:
            status, body = self.server.answer(action, answer.status, body)
        connection.close()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass
