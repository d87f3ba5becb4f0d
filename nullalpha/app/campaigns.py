"""Campaigns as ports see them: recorded in the ledger, hosted by whichever process holds the home's lease."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from nullalpha.app.endpoint import endpoint_of
from nullalpha.app.lab import code_version
from nullalpha.app.narrowing import narrowed
from nullalpha.core.campaign import CampaignConfig
from nullalpha.core.clock import utc_now
from nullalpha.core.egress import EGRESS_SWITCHES, SAFETY_SWITCHES
from nullalpha.core.errors import NotFoundError, RefusedError, SettingsError
from nullalpha.core.ids import new_id
from nullalpha.core.settings import SETTINGS_FILE, Settings
from nullalpha.data.timeframes import PUBLISHED
from nullalpha.data.zones import BarStore, Zones, propose_zones
from nullalpha.engines.protocol import Protocol, Span, walk_forward
from nullalpha.llm.endpoint import refuse_remote
from nullalpha.operations.lease import HomeLease

if TYPE_CHECKING:
    from collections.abc import Callable

    from nullalpha.app.lab import Lab
    from nullalpha.data.bars import Bars
    from nullalpha.data.snapshots import Snapshot
    from nullalpha.memory.campaigns import CampaignRow

    Check = Callable[[Snapshot, Bars, Protocol, Span], None]


class SupervisedCampaigns:
    """Starts, stops and resumes campaigns; a detached supervisor hosts them, so that closing a terminal ends nothing."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def start(self, config: CampaignConfig, actor: str) -> str:
        """Record a campaign and see to it that something hosts it.

        Raises:
            SettingsError: if it asks for a language model and none is named.
        """
        if config.designer == "llm" and not (config.model or self._lab.settings.model.name):
            suggestion = f"name one under [model] in {self._lab.home / SETTINGS_FILE}, or take the designer search or random"
            raise SettingsError("the designer llm needs a language model, and none is named", path="designer", suggestion=suggestion)
        campaign_id = create_campaign(self._lab, config)
        self._lab.stores.campaigns.emit(campaign_id, "started", {"actor": actor})
        ensure_supervisor(self._lab)
        return campaign_id

    def stop(self, campaign_id: str) -> None:
        row = self._lab.stores.campaigns.get(campaign_id)
        if row.status == "queued":
            self._lab.stores.campaigns.set_status(campaign_id, "stopped")
        elif row.status == "running":
            self._lab.stores.campaigns.request_stop(campaign_id)
            if not HomeLease(self._lab.home).held_elsewhere():
                self._lab.stores.campaigns.set_status(campaign_id, "stopped")

    def resume(self, campaign_id: str, actor: str) -> None:
        queue_again(self._lab, campaign_id)
        self._lab.stores.campaigns.emit(campaign_id, "resumed", {"actor": actor})
        ensure_supervisor(self._lab)


def folds_fit(_: Snapshot, bars: Bars, protocol: Protocol, span: Span) -> None:
    """Raise InsufficientBarsError if the protocol's folds do not fit an instrument's bars."""
    walk_forward(protocol, span, bars)


def create_campaign(lab: Lab, config: CampaignConfig, fits: Check = folds_fit) -> str:
    """Record a campaign: its snapshots pinned, the home's zones fixed, the protocol hashed. What is refused leaves nothing.

    Args:
        fits: raises if what is to be run does not fit an instrument's bars.
    Raises:
        NotFoundError: if an instrument is not in the catalogue, with the nearest symbol.
        InsufficientBarsError: if the search zone holds too few bars of an instrument for the protocol's folds.
        SealedZoneError: if it reaches beyond the search zone.
        UsageError: if its dates are none, or not in the search zone.
        SettingsError: if the settings' zone dates do not fit, or the model that would design is misnamed.
        RefusedError: if that model is served beyond the user's own machines.
    """
    if config.designer == "llm":
        refuse_remote(endpoint_of(lab.settings.model, config.model, config.api_base))
    snapshots = [_traded(lab, symbol, config.timeframe) for symbol in config.instruments]
    read = [_read_alone(lab, symbol, config.timeframe) for symbol in config.reads if symbol not in config.instruments]
    protocol = home_protocol(lab.settings, config.engine)
    proposed = _zones(lab, snapshots)
    seen = narrowed(proposed, config)
    view = BarStore(lab.catalogue, seen, pinned=snapshots).search()
    span = Span("search", seen.search_start, seen.validation_start, config.tested_from)
    for snapshot in snapshots:
        fits(snapshot, view.bars(snapshot.instrument.symbol, snapshot.timeframe), protocol, span)
    version, zones = lab.stores.looks.set_zones(proposed)
    facts = [asdict(s.instrument) for s in (*snapshots, *read)]
    campaign_id = new_id("c", utc_now())
    lab.stores.campaigns.create(
        campaign_id,
        config=config.model_dump(mode="json"),
        protocol=asdict(protocol),
        protocol_hash=protocol.hash(asdict(zones), config.timeframe, facts),
        zones_version=version,
        data=[_data_ref(s) for s in (*snapshots, *read)],
        code_version=code_version(),
    )
    return campaign_id


def home_protocol(settings: Settings, engine: str) -> Protocol:
    """Return the protocol of campaigns that begin under these settings, with a backtest engine of that name."""
    research, market = settings.research, settings.market
    return Protocol(
        k_best=research.k_best,
        q=research.q,
        risk_free=market.risk_free,
        cash_interest=market.cash_interest,
        cash_debit=market.debit,
        engine=engine,
    )


def _traded(lab: Lab, symbol: str, timeframe: str) -> Snapshot:
    if any(not s.instrument.tradable for s in lab.catalogue.series() if s.instrument.symbol == symbol):
        raise RefusedError(
            f"{symbol} is an outside series, which nothing trades",
            path="instruments",
            value=symbol,
            suggestion=f"read it in a feature: {{indicator: level, of: {symbol}}}",
        )
    snapshot = lab.standing(symbol, timeframe)
    if any('"adjustment":"difference"' in step.derived_from.recipe for step in lab.catalogue.lineage(snapshot.id) if step.derived_from):
        raise RefusedError(
            f"{symbol} is adjusted by difference: its returns are not those of the contracts, and its rolls cannot be charged",
            path="instruments",
            value=symbol,
            suggestion="import it with --adjustment ratio to trade it; features may read it as it is (of:)",
        )
    return snapshot


def _read_alone(lab: Lab, symbol: str, timeframe: str) -> Snapshot:
    """Return the snapshot of an instrument that features read: bars of the campaign's timeframe or, of an outside series, what came out."""
    try:
        return lab.standing(symbol, timeframe)
    except NotFoundError:
        if not any((s.instrument.symbol, s.timeframe) == (symbol, PUBLISHED) for s in lab.catalogue.snapshots()):
            raise
        return lab.standing(symbol, PUBLISHED)


def queue_again(lab: Lab, campaign_id: str) -> None:
    """Put an unfinished campaign back in the queue.

    Raises:
        RefusedError: if it is over, or if the code has changed what its figures would be.
    """
    campaigns = lab.stores.campaigns
    row = campaigns.get(campaign_id)
    if row.status in ("done", "budget_exhausted"):
        raise RefusedError(
            f"campaign {campaign_id} is {row.status}; there is nothing to resume",
            path="campaign_id",
            value=campaign_id,
            suggestion=f"`nullalpha research show {campaign_id}` shows its result",
        )
    refuse_other_code(row)
    campaigns.clear_stop(campaign_id)
    if row.status != "running":
        campaigns.set_status(campaign_id, "queued")


def refuse_other_code(row: CampaignRow) -> None:
    """Refuse a campaign that began under other code: its two parts would not be figures of one experiment.

    Raises:
        RefusedError: if any source file that figures depend on has changed since it began.
    """
    if row.code_version != code_version():
        raise RefusedError(
            f"campaign {row.id} began under another version of the code; what is left of it would be computed otherwise",
            path="campaign_id",
            value=row.id,
            suggestion="go on with the version that it began with, or start a new campaign with the same seed",
        )


def ensure_supervisor(lab: Lab) -> int | None:
    """Start a detached supervisor unless something hosts this home already; return its pid if one was started."""
    if HomeLease(lab.home).held_elsewhere():
        return None
    logs = lab.home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / "supervisor.log").open("a", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "nullalpha", "supervise", "--home", str(lab.home)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | EGRESS_SWITCHES | SAFETY_SWITCHES,
            start_new_session=True,
        )
    return process.pid


def _zones(lab: Lab, snapshots: list[Snapshot]) -> Zones:
    """Return the home's zones or, before its first campaign, those that it would get."""
    current = lab.stores.looks.current_zones()
    wanted = lab.settings.research
    if current is not None:
        _refuse_moved_zones(current[1], wanted.validation_from, wanted.lockbox_from)
        return current[1]
    dated = [s for s in snapshots if s.instrument.kind != "synthetic"] or snapshots  # a recipe may reach beyond the present
    proposed = propose_zones(min(s.first for s in dated)[:10], max(s.last for s in dated)[:10])
    if wanted.validation_from or wanted.lockbox_from:
        return Zones(
            proposed.search_start,
            wanted.validation_from or proposed.validation_start,
            wanted.lockbox_from or proposed.lockbox_start,
        )
    return proposed


def _refuse_moved_zones(zones: Zones, validation_from: str | None, lockbox_from: str | None) -> None:
    """Refuse settings that name other zones than the home has: they were fixed by its first campaign."""
    for name, wanted, stands in (
        ("validation_from", validation_from, zones.validation_start),
        ("lockbox_from", lockbox_from, zones.lockbox_start),
    ):
        if wanted is not None and wanted != stands:
            raise SettingsError(
                f"research.{name} is {wanted}, but this home's first campaign fixed it at {stands}",
                path=f"research.{name}",
                value=wanted,
                suggestion=f"set it to {stands}, or use another --home",
            )


def _data_ref(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "instrument": snapshot.instrument.symbol,
        "timeframe": snapshot.timeframe,
        "snapshot": snapshot.id,
        "first": snapshot.first[:10],
        "last": snapshot.last[:10],
        "n_bars": snapshot.n_bars,
    }
