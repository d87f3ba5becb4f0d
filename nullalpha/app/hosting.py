"""Hosting: hold the home's lease, keep warm workers, and run campaigns to their end; or one person's strategy in this process."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nullalpha.app.campaigns import create_campaign, refuse_other_code
from nullalpha.app.lab import Lab, code_version
from nullalpha.app.recollection import remember
from nullalpha.app.reporting import write_report
from nullalpha.core.campaign import CampaignConfig
from nullalpha.core.errors import CancelledError, NullAlphaError, RefusedError
from nullalpha.core.ids import derived_id
from nullalpha.data.zones import BarStore
from nullalpha.engines.protocol import Protocol
from nullalpha.graphs.computing import compute_generation
from nullalpha.graphs.context import ResearchContext
from nullalpha.graphs.judging import assess, attack, evidence
from nullalpha.graphs.runner import host_campaign
from nullalpha.memory.experiments import Design, registration
from nullalpha.operations.inline import InlineExecutor
from nullalpha.operations.lease import HomeLease
from nullalpha.operations.pool import WorkerPool
from nullalpha.operations.service import Operations
from nullalpha.strategy.compile import compile_strategy
from nullalpha.strategy.structure import structure_of
from nullalpha.strategy.validate import parse_strategy

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
    own = row.config["designer"] != "person"
    context = ResearchContext(
        campaign=row,
        config=CampaignConfig.model_validate(row.config),
        protocol=Protocol(**row.protocol),
        stores=lab.stores,
        bars=BarStore(lab.catalogue, current[1], pinned=snapshots),
        artifacts=lab.artifacts,
        operations=Operations(lab.stores.operations, executor, lab.owner, seize=own),
        designer=designer,
        vocabulary=lab.vocabulary,
        device=_device(lab),
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


class PersonRuns:
    """One strategy that a person wrote, run in this process as a campaign of one: registered first, counted like any other trial."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def run(self, document: Mapping[str, Any], actor: str, seed: int) -> str:
        spec, warnings = parse_strategy(document, self._lab.vocabulary)
        plan = compile_strategy(spec, self._lab.vocabulary)
        config = CampaignConfig(
            instruments=plan.instruments, reads=plan.other_instruments, timeframe=plan.timeframe, trials=1, designer="person", seed=seed
        )
        campaign_id = create_campaign(self._lab, config)
        context = build_context(self._lab, campaign_id, InlineExecutor(self._lab.artifacts), _Nobody(), lambda: False)
        campaigns, experiment_id = self._lab.stores.campaigns, derived_id("e", campaign_id, 0, 0, 0)
        campaigns.set_status(campaign_id, "running")
        design = Design(
            id=experiment_id,
            campaign_id=campaign_id,
            generation=0,
            slot=0,
            attempt=0,
            designer="person",
            actor=actor,
            name=plan.name,
            hypothesis=plan.hypothesis,
            fingerprint=plan.fingerprint,
            registration=registration(document),
            instruments=list(plan.instruments),
            document=dict(document),
            issues=[asdict(issue) for issue in warnings],
            structure=structure_of(plan),
        )
        self._lab.stores.experiments.register([design])
        began = time.monotonic()
        try:
            compute_generation(context, [experiment_id])
            attack(context, experiment_id)
            evidence(context, experiment_id)
            assess(context, experiment_id)
        except NullAlphaError as error:
            campaigns.set_status(campaign_id, "failed", error=error.to_dict())
            raise
        except KeyboardInterrupt as interrupt:
            campaigns.set_status(campaign_id, "stopped")
            raise CancelledError("cancelled; the trial stays on record") from interrupt
        finally:
            campaigns.add_seconds(campaign_id, time.monotonic() - began)
        campaigns.set_status(campaign_id, "done")
        return experiment_id


class _Nobody:
    """The designer of a campaign whose one strategy is already there."""

    name = "person"

    def propose(self, context: object, n: int) -> list[Any]:
        raise RefusedError(f"a person's campaign has its strategy; {n} more were asked for", path="designer")


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
