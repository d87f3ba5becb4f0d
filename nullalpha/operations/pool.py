"""Warm worker processes, one job at a time each: a dead or hung one harms no neighbour.

Every worker is owned by one thread, which starts it, feeds it, watches its heartbeat and replaces it. A job whose worker
dies is tried once more on a fresh one.
"""

from __future__ import annotations

import contextlib
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
from nullalpha.core.errors import CancelledError, OperationError, WorkerDiedError
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


@dataclass(eq=False)
class _Order:
    kind: str
    line: bytes
    progress: ProgressSink
    future: Future[dict[str, Any]]
    cancelled: bool = False


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
        self._lock = threading.Lock()  # guards the two below
        self._unsettled: set[_Order] = set()
        self._running: dict[int, _Worker] = {}
        logs.mkdir(parents=True, exist_ok=True)
        self._threads = [threading.Thread(target=self._serve, args=(i,), daemon=True) for i in range(n_workers)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, kind: str, payload: Mapping[str, Any], progress: ProgressSink) -> Future[dict[str, Any]]:
        """Queue a job; the future fails with `JobFailedError`, `WorkerDiedError`, `CancelledError`, or with what `progress` raised."""
        line = json.dumps({"kind": kind, "payload": payload}, allow_nan=False).encode() + b"\n"
        order = _Order(kind, line, progress, Future())
        with self._lock:
            self._unsettled.add(order)
        self._orders.put(order)
        return order.future

    def pids(self) -> list[int]:
        """Return the process ids of the workers."""
        return [worker.pid for worker in self._workers if worker is not None]

    def abandon(self) -> None:
        """Kill what runs and drop what waits; the pool stays usable, and idle workers stay warm."""
        with self._lock:
            for order in self._unsettled:
                order.cancelled = True
            for worker in self._running.values():
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
        with (self._logs / f"worker-{index}.log").open("a", encoding="utf-8") as log:
            self._warm(index, log)
            while (order := self._orders.get()) is not None:
                if order.future.set_running_or_notify_cancel():
                    self._attempts(index, order, log)
            self._drop(index)

    def _attempts(self, index: int, order: _Order, log: IO[str]) -> None:
        for attempt in range(1, MAX_TRIES + 1):
            try:
                result = self._begun(index, order, log).run(order)
            except (JobFailedError, CancelledError) as error:  # the worker is ready for the next job, or was not asked
                self._settle(index, order).set_exception(error)
                return
            except WorkerDiedError as error:
                self._replace(index, log)
                if order.cancelled or attempt == MAX_TRIES:
                    self._settle(index, order).set_exception(CancelledError("the job was cancelled") if order.cancelled else error)
                    return
            except Exception as error:  # noqa: BLE001  (the caller's own sink raised: its error is the caller's, but the worker is still at it)
                self._replace(index, log)
                self._settle(index, order).set_exception(error)
                return
            else:
                self._settle(index, order).set_result(result)
                return

    def _begun(self, index: int, order: _Order, log: IO[str]) -> _Worker:
        worker = self._workers[index]
        if worker is None:
            worker = self._workers[index] = _Worker(self._artifacts, log)
        with self._lock:
            if order.cancelled or self._closing.is_set():
                raise CancelledError("the job was dropped before it ran")
            self._running[index] = worker
        return worker

    def _settle(self, index: int, order: _Order) -> Future[dict[str, Any]]:
        with self._lock:
            self._running.pop(index, None)
            self._unsettled.discard(order)
        return order.future

    def _replace(self, index: int, log: IO[str]) -> None:
        self._drop(index)
        if not self._closing.is_set():
            self._warm(index, log)

    def _warm(self, index: int, log: IO[str]) -> None:
        with contextlib.suppress(WorkerDiedError):  # then the next job tries again, and says why
            self._workers[index] = _Worker(self._artifacts, log)

    def _drop(self, index: int) -> None:
        with self._lock:
            self._running.pop(index, None)
        worker, self._workers[index] = self._workers[index], None
        if worker is not None:
            worker.close()


class _Worker:
    """One process; only its own thread talks to it and closes it, any thread may kill it."""

    def __init__(self, artifacts: Path, log: IO[str]) -> None:
        environment = os.environ | EGRESS_SWITCHES | SAFETY_SWITCHES
        environment |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "nullalpha.operations.worker", str(artifacts), str(os.getpid())]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment, process_group=0
            )
        except OSError as error:
            raise WorkerDiedError(f"no worker could be started: {error.strerror}", suggestion="use fewer --workers") from error
        self._buffer = b""
        self.pid = self._process.pid

    def run(self, order: _Order) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(order.line)
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise WorkerDiedError(f"the worker for {order.kind} was gone before it began", value=order.kind) from error
        while True:
            message = self._next(order.kind)
            if message["event"] == "progress":
                order.progress(message["body"])
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

    def close(self) -> None:
        self.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                _close_quietly(stream)


def _close_quietly(stream: IO[bytes]) -> None:
    try:
        stream.close()
    except BrokenPipeError:
        return


def _text(value: object) -> str | None:
    return None if value is None else str(value)
