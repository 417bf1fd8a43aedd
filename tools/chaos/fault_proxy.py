"""A proxy between a reader and Kinesis that counts what is read, fails some calls and hides shards."""

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


class FaultProxy(ThreadingHTTPServer):
    """An endpoint that forwards calls to another one."""

    daemon_threads = True

    def __init__(self, endpoint: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = endpoint.removeprefix("http://")
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.random = random.Random(1)
        self.lock = Lock()
        self.reset()

    @classmethod
    @contextmanager
    def running(cls, endpoint: str) -> Iterator[Self]:
        """Run the proxy until the block ends."""
        with cls(endpoint) as proxy:
            Thread(target=proxy.serve_forever, daemon=True).start()
            yield proxy
            proxy.shutdown()

    def reset(self) -> None:
        """Let all calls through, and reset the counts."""
        self.failing: dict[str, tuple[str, float]] = {}  # by action: the error, and the share of calls that fail
        self.hidden: set[str] = set()  # shards
        self.before_next: dict[str, Callable[[], object]] = {}  # by action: called before the next call is forwarded
        self.calls: Counter[str] = Counter()
        self.records_read = 0

    def handle_error(self, *_: object) -> None:
        """Ignore readers that are killed."""

    def respond(self, action: str, status: int, body: bytes) -> tuple[int, bytes]:
        """Count a call; return Kinesis's response, or an error in its place."""
        error, share = self.failing.get(action, ("", 0))
        if self.random.random() < share:
            self.calls[error] += 1
            return 400, json.dumps({"__type": error, "message": "not now"}).encode()
        self.calls[action] += 1
        if action == "GetRecords" and status == http.client.OK:
            self.records_read += len(json.loads(body)["Records"])
        if action == "ListShards" and self.hidden:
            response = json.loads(body)
            response["Shards"] = [shard for shard in response["Shards"] if shard["ShardId"] not in self.hidden]
            body = json.dumps(response).encode()
        return status, body


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultProxy

    def do_POST(self) -> None:
        request = self.rfile.read(int(self.headers["Content-Length"]))
        action = self.headers["X-Amz-Target"].partition(".")[2]
        self.server.before_next.pop(action, int)()
        connection = http.client.HTTPConnection(self.server.upstream)
        connection.request("POST", self.path, request, dict(self.headers))
        response = connection.getresponse()
        body = response.read()
        with self.server.lock:
            status, body = self.server.respond(action, response.status, body)
        connection.close()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass
