"""The transport over stdin and stdout: frames in from a reader thread, frames out in order.

Reading has a thread of its own, a daemon, so that neither a slow call nor Ctrl-C waits for the client's next line.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import CancelledError
from contextlib import asynccontextmanager

import anyio
from anyio import from_thread, to_thread
from anyio.lowlevel import EventLoopToken, current_token
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage

from nullalpha.mcp.frames import FrameError, parse, refuse

Requests = MemoryObjectReceiveStream[SessionMessage | Exception]
Answers = MemoryObjectSendStream[SessionMessage]

_CHUNK_BYTES = 65_536
_GONE = (anyio.ClosedResourceError, anyio.BrokenResourceError, anyio.RunFinishedError, CancelledError)


def claim_stdio() -> tuple[int, int]:
    """Return private descriptors of stdin and stdout. What is left in their places is the null device and stderr."""
    sys.stdout.flush()
    incoming, outgoing = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    os.set_blocking(incoming, True)
    os.set_blocking(outgoing, True)
    return incoming, outgoing


@asynccontextmanager
async def stdio_transport(incoming: int, outgoing: int) -> AsyncIterator[tuple[Requests, Answers]]:
    """Yield the streams that an MCP server runs on; the first ends when the client closes its side."""
    deliver, requests = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    answers, waiting = anyio.create_memory_object_stream[SessionMessage](0)
    reader = _Reader(incoming, deliver, answers.clone(), current_token())
    async with anyio.create_task_group() as group:
        group.start_soon(_write, waiting, outgoing)
        threading.Thread(target=reader.run, name="mcp-stdin", daemon=True).start()
        yield requests, answers
        await requests.aclose()
        await answers.aclose()
        await reader.close()


class _Reader:
    """Reads lines in a thread of its own and hands each to the event loop: to the server, or back as a refusal."""

    def __init__(
        self, incoming: int, deliver: MemoryObjectSendStream[SessionMessage | Exception], refusals: Answers, token: EventLoopToken
    ) -> None:
        self._incoming = incoming
        self._deliver = deliver
        self._refusals = refusals
        self._token = token

    def run(self) -> None:
        try:
            for frame in read_lines(self._incoming):
                from_thread.run(self._accept, frame, token=self._token)
            from_thread.run(self._deliver.aclose, token=self._token)
        except _GONE:
            return

    async def close(self) -> None:
        await self._deliver.aclose()
        await self._refusals.aclose()

    async def _accept(self, frame: bytes) -> None:
        try:
            await self._deliver.send(SessionMessage(parse(frame)))
        except FrameError as error:
            refused = refuse(frame, error)
            sys.stderr.write(f"mcp: refused {error.message}\n")
            if refused is not None:
                await self._refusals.send(SessionMessage(refused))


def read_lines(descriptor: int) -> Iterator[bytes]:
    """Yield the lines of a descriptor as they come, blank ones left out, a last one without its end included."""
    parts: list[bytes] = []
    while chunk := os.read(descriptor, _CHUNK_BYTES):
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            line = b"".join([*parts, piece]).strip()
            parts = []
            if line:
                yield line
        parts.append(rest)
    if line := b"".join(parts).strip():
        yield line


async def _write(waiting: MemoryObjectReceiveStream[SessionMessage], outgoing: int) -> None:
    async with waiting:
        async for item in waiting:
            frame = item.message.model_dump_json(by_alias=True, exclude_none=True).encode("utf-8") + b"\n"
            try:
                await to_thread.run_sync(_write_all, outgoing, frame)
            except OSError as error:
                sys.stderr.write(f"mcp: the client reads no more: {error.strerror}\n")
                return


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
