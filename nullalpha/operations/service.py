"""Run operations so that each takes effect exactly once, whatever is killed when.

Every operation is keyed by what it computes. A finished one is taken from the ledger; the rest are claimed, run by the executor,
and finished in one transaction that only the claim's owner and epoch can make.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any

from nullalpha.core.errors import CancelledError, NullAlphaError, StorageFullError
from nullalpha.core.fingerprint import fingerprint
from nullalpha.memory.operations import OperationRow, OperationStore
from nullalpha.operations.pool import Executor

LEASE_SECONDS = 30.0
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class OperationRequest:
    """One piece of work.

    Attributes:
        kind: a key of `jobs.JOBS`.
        identity: everything that determines the result, as JSON; its hash is the operation's key.
        payload: what the job is handed (paths and options that do not change the result may differ).
        summary: small facts for people: which experiment, which zone.
    """

    kind: str
    identity: Mapping[str, Any]
    payload: Mapping[str, Any]
    summary: Mapping[str, Any]

    @property
    def key(self) -> str:
        return fingerprint({"kind": self.kind, "identity": dict(self.identity)})


@dataclass(frozen=True)
class Outcome:
    """`result` of a finished operation, or the `error` (as JSON) of a failed one; `reused` when nothing had to run."""

    operation_id: str
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    reused: bool


class Operations:
    """Claims, runs and finishes operations for one owner process.

    Args:
        seize: True only for the holder of the home's lease: then a campaign's operation that another owner left running is taken
            over at once, because that owner is known to be dead.
    """

    def __init__(self, store: OperationStore, executor: Executor, owner: str, *, seize: bool) -> None:
        self._store = store
        self._executor = executor
        self._owner = owner
        self._seize = seize

    def run(
        self,
        requests: Sequence[OperationRequest],
        *,
        campaign_id: str | None,
        cancelled: Callable[[], bool],
        progress: Callable[[Mapping[str, Any]], None] = lambda _: None,
    ) -> list[Outcome]:
        """Run all requests and return their outcomes in order; a failed one does not stop the others.

        Raises:
            CancelledError: when `cancelled()` became true; unfinished operations are released.
            StorageFullError: when the ledger or an artifact could not be written for lack of space.
        """
        outcomes: dict[int, Outcome] = {}
        running: dict[Future[dict[str, Any]], tuple[int, OperationRow]] = {}
        waiting = list(range(len(requests)))
        renewed = time.monotonic()
        try:
            while waiting or running:
                waiting = self._start(requests, waiting, running, outcomes, campaign_id, progress)
                done, _ = wait(running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED) if running else (set(), set())
                for future in done:
                    index, row = running[future]
                    outcomes[index] = self._settle(row, future)
                    del running[future]
                if cancelled():
                    raise CancelledError("stopped on request; the finished part is kept")
                if not running and waiting:
                    time.sleep(POLL_SECONDS)
                if time.monotonic() - renewed > LEASE_SECONDS / 3:
                    renewed = time.monotonic()
                    self._renew(running)
        except BaseException:
            self._executor.abandon()
            for _, row in running.values():
                self._store.release(row.id, owner=self._owner, epoch=row.epoch)
            raise
        return [outcomes[i] for i in range(len(requests))]

    def _start(
        self,
        requests: Sequence[OperationRequest],
        waiting: list[int],
        running: dict[Future[dict[str, Any]], tuple[int, OperationRow]],
        outcomes: dict[int, Outcome],
        campaign_id: str | None,
        progress: Callable[[Mapping[str, Any]], None],
    ) -> list[int]:
        held = []
        mine = {row.id for _, row in running.values()}
        for index in waiting:
            request = requests[index]
            claim = self._store.claim(
                request.key,
                request.kind,
                owner=self._owner,
                now=time.time(),
                lease_seconds=LEASE_SECONDS,
                campaign_id=campaign_id,
                summary=request.summary,
                seize=self._seize,
                running_here=mine,
            )
            if claim.row.status == "done":
                outcomes[index] = Outcome(claim.row.id, claim.row.result, None, reused=True)
            elif claim.granted:
                mine.add(claim.row.id)
                running[self._submit(request, claim.row, progress)] = (index, claim.row)
            else:
                held.append(index)
        return held

    def _submit(
        self, request: OperationRequest, row: OperationRow, progress: Callable[[Mapping[str, Any]], None]
    ) -> Future[dict[str, Any]]:
        try:
            return self._executor.submit(request.kind, request.payload, progress)
        except BaseException:
            self._store.release(row.id, owner=self._owner, epoch=row.epoch)
            raise

    def _settle(self, row: OperationRow, future: Future[dict[str, Any]]) -> Outcome:
        try:
            result = future.result()
        except (CancelledError, StorageFullError):
            raise
        except NullAlphaError as error:
            if error.to_dict().get("code") == StorageFullError.code:
                raise StorageFullError(error.message, path=error.path) from error
            self._store.fail(row.id, owner=self._owner, epoch=row.epoch, error=error.to_dict())
            return Outcome(row.id, None, error.to_dict(), reused=False)
        if not self._store.finish(row.id, owner=self._owner, epoch=row.epoch, result=result):
            stored = self._store.get(row.id)
            return Outcome(row.id, stored.result, stored.error, reused=True)
        return Outcome(row.id, result, None, reused=False)

    def _renew(self, running: Mapping[Future[dict[str, Any]], tuple[int, OperationRow]]) -> None:
        for _, row in running.values():
            self._store.renew(row.id, owner=self._owner, epoch=row.epoch, lease_until=time.time() + LEASE_SECONDS)
