"""Hosting: hold the home's lease, keep warm workers, and run campaigns to their end."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nullalpha.app.campaigns import refuse_other_code
from nullalpha.app.lab import Lab, code_version
from nullalpha.app.narrowing import narrowed
from nullalpha.app.recollection import remember
from nullalpha.app.reporting import write_report
from nullalpha.core.campaign import CampaignConfig
from nullalpha.core.errors import NullAlphaError, RefusedError
from nullalpha.data.zones import BarStore
from nullalpha.engines.protocol import Protocol
from nullalpha.graphs.context import ResearchContext
from nullalpha.graphs.runner import host_campaign
from nullalpha.operations.lease import HomeLease
from nullalpha.operations.pool import WorkerPool
from nullalpha.operations.service import Operations

if TYPE_CHECKING:
    from nullalpha.agents.port import Designer
    from nullalpha.operations.pool import Executor

IDLE_SECONDS = 30.0
_NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
POLL_SECONDS = 0.5


class Host:
    """The process that hosts a home's campaigns: lease held, workers warm.

    Args:
        n_workers: worker processes; no figure depends on it.
    """

    def __init__(self, lab: Lab, n_workers: int | None = None) -> None:
        self._lab = lab
        self._n_workers = n_workers or lab.settings.n_workers()
        self._stop = threading.Event()

    def stop(self) -> None:
        """Ask the hosted campaign to stop at the next safe point."""
        self._stop.set()

    def run(self, campaign_id: str) -> str:
        """Host one campaign to its end and return its status.

        Raises:
            RefusedError: if another process holds the home's lease.
            CancelledError: if it was stopped.
        """
        with HomeLease(self._lab.home), self._workers() as pool:
            return self._host(campaign_id, pool)

    def serve(self, idle_seconds: float = IDLE_SECONDS) -> None:
        """Host every queued or interrupted campaign, oldest first, until nothing came for a while or `stop` was called.

        Whoever queues a campaign while this still holds the lease starts no other host: so look once more after letting go.
        """
        while True:
            with HomeLease(self._lab.home), self._workers() as pool:
                self._serve_until_idle(idle_seconds, pool)
            if self._stop.is_set() or not self._waiting():
                return

    def _serve_until_idle(self, idle_seconds: float, pool: WorkerPool) -> None:
        idle_since = time.monotonic()
        while not self._stop.is_set() and time.monotonic() - idle_since < idle_seconds:
            if waiting := self._waiting():
                self._serve_one(waiting[0], pool)
                idle_since = time.monotonic()
            self._stop.wait(POLL_SECONDS)

    def _waiting(self) -> list[str]:
        rows = self._lab.stores.campaigns.with_status("running", "queued")
        return [row.id for row in rows if row.config["designer"] != "person"]

    def _serve_one(self, campaign_id: str, pool: WorkerPool) -> None:
        campaigns = self._lab.stores.campaigns
        try:
            self._host(campaign_id, pool)
        except NullAlphaError as error:
            campaigns.emit(campaign_id, "ended", {"error": error.to_dict()})
            if campaigns.get(campaign_id).status in ("running", "queued"):  # it could not even begin; tried again, it would fail for ever
                campaigns.set_status(campaign_id, "failed", error=error.to_dict())

    def _host(self, campaign_id: str, pool: WorkerPool) -> str:
        row = self._lab.stores.campaigns.get(campaign_id)
        refuse_other_code(row)
        context = build_context(self._lab, campaign_id, pool, designer_of(self._lab, campaign_id, row.config), self._stop.is_set)
        return host_campaign(context, self._lab.database)

    @contextmanager
    def _workers(self) -> Iterator[WorkerPool]:
        self._lab.ensure_home()
        with WorkerPool(self._n_workers, self._lab.home / "artifacts", self._lab.home / "logs") as pool:
            for _ in range(self._n_workers):
                pool.submit("warm", {}, lambda _: None)
            yield pool


def build_context(lab: Lab, campaign_id: str, executor: Executor, designer: Designer, interrupted: Callable[[], bool]) -> ResearchContext:
    """Bind one campaign's ports."""
    row = lab.stores.campaigns.get(campaign_id)
    current = lab.stores.looks.current_zones()
    if current is None or current[0] != row.zones_version:
        raise RefusedError(f"campaign {campaign_id} began under zones that are no longer in force", path="campaign_id", value=campaign_id)
    snapshots = [lab.catalogue.get(ref["snapshot"]) for ref in row.data]
    config = CampaignConfig.model_validate(row.config)
    own = config.designer != "person"
    context = ResearchContext(
        campaign=row,
        config=config,
        protocol=Protocol(**row.protocol),
        stores=lab.stores,
        bars=BarStore(lab.catalogue, narrowed(current[1], config), pinned=snapshots),
        artifacts=lab.artifacts,
        operations=Operations(lab.stores.operations, executor, lab.owner, seize=own),
        designer=designer,
        vocabulary=lab.vocabulary,
        device=_device(lab),
        deterministic=lab.settings.deterministic,
        code_version=code_version(),
        remember=lambda: remember(lab.stores, lab.artifacts, lab.index_folder, context.run),
        report=lambda i, status, seconds: str(write_report(lab, i, status, seconds)),
        interrupted=interrupted,
    )
    return context


def designer_of(lab: Lab, campaign_id: str, config: Mapping[str, Any]) -> Designer:
    """Return the designer that a campaign asks for; only the one that is used is imported."""
    if config["designer"] == "random":
        from nullalpha.agents.random import RandomDesigner

        return RandomDesigner()
    if config["designer"] == "llm":
        from nullalpha.app.model import model_designer

        return model_designer(lab, campaign_id, config)
    from nullalpha.agents.search import SearchDesigner

    return SearchDesigner()


@contextmanager
def stop_on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` on SIGINT and SIGTERM while inside; a second SIGINT interrupts at once."""
    asked = False

    def handle(number: int, _frame: object) -> None:
        nonlocal asked
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked = True
        stop()

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _device(lab: Lab) -> str:
    """Return the device that figures are computed on, part of each operation's identity; found without importing torch here."""
    if lab.settings.device != "auto":
        return lab.settings.device
    cpu_build = version("torch").endswith("+cpu")
    return "cuda" if not cpu_build and _NVIDIA_DRIVER.exists() else "cpu"
