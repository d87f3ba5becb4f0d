"""Warm worker processes, one job at a time each: a dead or hung one harms no neighbour.

Every worker is owned by one thread, which starts it, feeds it, watches its heartbeat and replaces it. A job whose worker
dies is tried once more on a fresh one.
"""

from __future__ import annotations

import json
import os
import queue
import select
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from nullalpha.core.egress import EGRESS_SWITCHES, SAFETY_SWITCHES
from nullalpha.core.errors import CancelledError, NullAlphaError, OperationError, WorkerDiedError
from nullalpha.operations.jobs import ProgressSink

SILENT_SECONDS = 120.0
MAX_TRIES = 2


class JobFailedError(OperationError):
    """A job answered with a typed error; `detail` is that error as JSON."""

    def __init__(self, detail: Mapping[str, Any]) -> None:
        super().__init__(str(detail.get("message")), path=_text(detail.get("path")), suggestion=_text(detail.get("suggestion")))
        self.detail = dict(detail)

    def to_dict(self) -> dict[str, object]:
        return dict(self.detail)


class Executor(Protocol):
    """Where jobs run: a pool of processes, or this process."""

    def submit(self, kind: str, payload: Mapping[str, Any], progress: ProgressSink) -> Future[dict[str, Any]]:
        """Start a job; the future fails with a `NullAlphaError`."""
        ...

    def abandon(self) -> None:
        """Stop whatever runs, now."""
        ...


@dataclass
class _Order:
    kind: str
    payload: Mapping[str, Any]
    progress: ProgressSink
    future: Future[dict[str, Any]]


class WorkerPool:
    """`n_workers` processes that import once and serve many jobs.

    Args:
        artifacts: the folder that jobs read and write arrays in.
        logs: a folder for the workers' stderr, one file each.
    """

    def __init__(self, n_workers: int, artifacts: Path, logs: Path) -> None:
        self._artifacts = artifacts
        self._logs = logs
        self._orders: queue.Queue[_Order | None] = queue.Queue()
        self._closing = threading.Event()
        self._workers: list[_Worker | None] = [None] * n_workers
        logs.mkdir(parents=True, exist_ok=True)
        self._threads = [threading.Thread(target=self._serve, args=(i,), daemon=True) for i in range(n_workers)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, kind: str, payload: Mapping[str, Any], progress: ProgressSink) -> Future[dict[str, Any]]:
        """Queue a job; the future fails with `JobFailedError`, `WorkerDiedError` or `CancelledError`."""
        future: Future[dict[str, Any]] = Future()
        self._orders.put(_Order(kind, payload, progress, future))
        return future

    def pids(self) -> list[int]:
        """Return the process ids of the living workers."""
        return [worker.pid for worker in self._workers if worker is not None]

    def abandon(self) -> None:
        """Kill what runs and drop what waits; the pool stays usable."""
        while True:
            try:
                order = self._orders.get_nowait()
            except queue.Empty:
                break
            if order is not None:
                order.future.set_exception(CancelledError("the job was dropped before it ran"))
        for worker in self._workers:
            if worker is not None:
                worker.cancelled = True
                worker.kill()

    def close(self) -> None:
        """End all workers and wait for their threads."""
        self._closing.set()
        self.abandon()
        for _ in self._threads:
            self._orders.put(None)
        for thread in self._threads:
            thread.join(timeout=10)

    def _serve(self, index: int) -> None:
        log = (self._logs / f"worker-{index}.log").open("a", encoding="utf-8")
        worker = self._workers[index] = _Worker(self._artifacts, log)
        while (order := self._orders.get()) is not None:
            worker = self._attempts(index, worker, order, log)
        worker.kill()
        log.close()

    def _attempts(self, index: int, worker: _Worker, order: _Order, log: IO[str]) -> _Worker:
        for attempt in range(1, MAX_TRIES + 1):
            try:
                order.future.set_result(worker.run(order.kind, order.payload, order.progress))
                return worker
            except WorkerDiedError as error:
                cancelled = worker.cancelled
                worker.kill()
                worker = self._workers[index] = _Worker(self._artifacts, log)
                if cancelled or self._closing.is_set():
                    order.future.set_exception(CancelledError("the job was cancelled"))
                    return worker
                if attempt == MAX_TRIES:
                    order.future.set_exception(error)
            except NullAlphaError as error:
                order.future.set_exception(error)
                return worker
        return worker


class _Worker:
    def __init__(self, artifacts: Path, log: IO[str]) -> None:
        environment = os.environ | EGRESS_SWITCHES | SAFETY_SWITCHES
        environment |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "nullalpha.operations.worker", str(artifacts), str(os.getpid())]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment, process_group=0
        )
        self._buffer = b""
        self.pid = self._process.pid
        self.cancelled = False

    def run(self, kind: str, payload: Mapping[str, Any], progress: ProgressSink) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"kind": kind, "payload": payload}, allow_nan=False).encode() + b"\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError) as error:
            raise WorkerDiedError(f"the worker for {kind} was gone before it began", value=kind) from error
        while True:
            message = self._next(kind)
            if message["event"] == "progress":
                progress(message["body"])
            elif message["event"] == "done":
                result: dict[str, Any] = message["result"]
                return result
            elif message["event"] == "failed":
                raise JobFailedError(message["error"])

    def _next(self, kind: str) -> dict[str, Any]:
        assert self._process.stdout is not None
        deadline = time.monotonic() + SILENT_SECONDS
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise WorkerDiedError(f"the worker for {kind} was silent for {SILENT_SECONDS:.0f} s and was stopped", value=kind)
            chunk = os.read(self._process.stdout.fileno(), 65536)
            if not chunk:
                raise WorkerDiedError(f"the worker for {kind} died (exit {self._process.wait()})", value=kind)
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None and not self.cancelled:
                _close_quietly(stream)


def _close_quietly(stream: IO[bytes]) -> None:
    try:
        stream.close()
    except BrokenPipeError:
        return


def _text(value: object) -> str | None:
    return None if value is None else str(value)
