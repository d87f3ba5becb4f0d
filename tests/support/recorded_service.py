"""A service on loopback that answers as recorded: a real HTTP server that misbehaves where told and keeps what it saw.

Nothing in the lab is replaced: the client under test opens a real connection to it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request: its path, its query and its headers (names in lower case)."""

    path: str
    query: dict[str, str]
    headers: dict[str, str] = field(repr=False)


@dataclass(frozen=True)
class Answer:
    """One answer.

    Attributes:
        body: text as it is; anything else as JSON.
        cut: the length is announced in full, the connection ends after half of it.
        hang: nothing comes until the server closes.
        drip: the body comes a byte at a time without end.
    """

    body: Any = ""
    status: int = 200
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    hang: bool = False
    drip: bool = False


Recording = Callable[[Asked], Answer]


@dataclass
class Service:
    """The running service: its address, and every request it saw, in order."""

    base: str
    seen: list[Asked] = field(default_factory=list)

    def paths(self) -> list[str]:
        return [asked.path for asked in self.seen]


@contextmanager
def recorded_service(recording: Recording, trouble: Sequence[Answer] = (), at: str = "") -> Iterator[Service]:
    """Serve a recording on a free port.

    Args:
        trouble: answered first, one a request whose path contains `at`, before the recording is heard.
    """
    ahead = list(trouble)
    lock, closing = threading.Lock(), threading.Event()
    service = Service("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = Asked(parts.path, dict(parse_qsl(parts.query)), {name.lower(): value for name, value in self.headers.items()})
            with lock:
                service.seen.append(asked)
                answer = ahead.pop(0) if ahead and at in asked.path else recording(asked)
            self._send(answer)

        def _send(self, answer: Answer) -> None:
            if answer.hang:
                closing.wait()
                self.close_connection = True
                return
            body = (answer.body if isinstance(answer.body, str) else json.dumps(answer.body)).encode()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.kind)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(10**6 if answer.drip else len(body)))
            self.end_headers()
            if answer.drip:
                while not closing.wait(0.02):
                    self.wfile.write(b" ")
                    self.wfile.flush()
            self.wfile.write(body[: len(body) // 2] if answer.cut else body)
            self.close_connection = answer.cut or answer.drip

        def log_message(self, *_: object) -> None: ...

        def handle(self) -> None:
            try:
                super().handle()
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    service.base = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
