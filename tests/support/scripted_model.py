"""A scripted model server on loopback: a real HTTP server that replies from a script and keeps every request it saw.

Speaks the two chat protocols of the lab's endpoints: `POST .../chat/completions` and `POST /api/chat`. A reply names a way to behave; the
last one repeats. Nothing in the lab is replaced: the client under test opens a real connection.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One reply.

    Attributes:
        text: the content of the assistant's message.
        status: other than 200, `text` becomes the error's message.
        html: an HTML page instead of JSON.
        malformed: this body, byte for byte, as application/json.
        drip: the body comes one byte every 50 ms without end, until the server closes.
        hang: nothing comes until the server closes.
        redirect: answer with a redirect to this address.
    """

    text: str | None = ""
    status: int = 200
    html: bool = False
    malformed: str | None = None
    drip: bool = False
    hang: bool = False
    redirect: str | None = None
    finish_reason: str = "stop"


@dataclass
class ScriptedModel:
    """What the server has seen: one parsed body (and path and headers) a request."""

    base: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def openai_base(self) -> str:
        return f"{self.base}/v1"


@contextmanager
def scripted_model(replies: Sequence[Reply | str]) -> Iterator[ScriptedModel]:
    """Serve a script on a free port of loopback; a plain string is a reply with that text."""
    script = [Reply(reply) if isinstance(reply, str) else reply for reply in replies]
    closing = threading.Event()
    lock = threading.Lock()
    seen = ScriptedModel(base="")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                reply = script[min(len(seen.requests), len(script) - 1)]
                seen.requests.append(body)
                seen.paths.append(self.path)
                seen.headers.append(dict(self.headers.items()))
            self._answer(reply, body.get("model", ""), self.path.endswith("/api/chat"))

        def _answer(self, reply: Reply, model: str, ollama: bool) -> None:
            if reply.hang:
                closing.wait()
            elif reply.drip:
                self._drip()
            elif reply.redirect is not None:
                self._send(307, b"", "text/plain", {"Location": reply.redirect})
            elif reply.html:
                self._send(reply.status, b"<html><body><h1>It works!</h1></body></html>", "text/html")
            elif reply.malformed is not None:
                self._send(reply.status, reply.malformed.encode(), "application/json")
            elif reply.status != 200:
                self._send(reply.status, json.dumps({"error": {"message": reply.text, "code": reply.status}}).encode(), "application/json")
            else:
                make = _ollama_body if ollama else _openai_body
                self._send(200, json.dumps(make(reply, model)).encode(), "application/json")

        def _send(self, status: int, body: bytes, kind: str, extra: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(extra or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def _drip(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            try:
                while not closing.wait(0.05):
                    self.wfile.write(b" ")
                    self.wfile.flush()
            except OSError:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    seen.base = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _openai_body(reply: Reply, model: str) -> dict[str, Any]:
    return {
        "id": "scripted",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": reply.text}, "finish_reason": reply.finish_reason}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    }


def _ollama_body(reply: Reply, model: str) -> dict[str, Any]:
    return {
        "model": model,
        "created_at": "2026-01-01T00:00:00Z",
        "message": {"role": "assistant", "content": reply.text},
        "done": True,
        "done_reason": reply.finish_reason,
        "prompt_eval_count": 11,
        "eval_count": 7,
    }
