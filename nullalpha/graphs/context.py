"""What a campaign's nodes may use, bound once by the composition root. Nodes reach nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from nullalpha.agents.port import Designer
from nullalpha.core.artifacts import ArtifactStore
from nullalpha.core.campaign import CampaignConfig
from nullalpha.core.errors import CancelledError
from nullalpha.data.bars import Bars
from nullalpha.data.zones import BarStore, BarView
from nullalpha.engines.protocol import Protocol, Span
from nullalpha.memory.campaigns import CampaignRow
from nullalpha.memory.stores import Stores
from nullalpha.operations.service import OperationRequest, Operations, Outcome
from nullalpha.strategy.vocabulary import Vocabulary


@dataclass
class ResearchContext:
    """One hosted campaign.

    Attributes:
        campaign: the row as it was when hosting began; `config` and `protocol` are its parsed parts.
        remember: turns new texts into vectors and brings the index up to date.
        report: writes the report of a campaign that ends with a status after so many seconds, and returns its path.
        interrupted: whether the host was asked to end (a signal).
    """

    campaign: CampaignRow
    config: CampaignConfig
    protocol: Protocol
    stores: Stores
    bars: BarStore
    artifacts: ArtifactStore
    operations: Operations
    designer: Designer
    vocabulary: Vocabulary
    device: str
    deterministic: bool
    code_version: str
    remember: Callable[[], None]
    report: Callable[[str, str, float], str]
    interrupted: Callable[[], bool]
    started: float = field(default_factory=time.monotonic)
    _slices: dict[tuple[str, str], str] = field(default_factory=dict)
    _search_bars: dict[str, Bars] = field(default_factory=dict)
    _stop_checked: tuple[float, bool] = (0.0, False)

    @property
    def search_span(self) -> Span:
        zones = self.bars.zones
        return Span("search", zones.search_start, zones.validation_start, self.config.tested_from)

    def sealed_span(self, zone: str, last: str) -> Span:
        """Return the validation zone, or the lockbox up to the day after its last bar."""
        zones = self.bars.zones
        return Span(zone, zones.validation_start, zones.lockbox_start) if zone == "validation" else Span(zone, zones.lockbox_start, last)

    def search_bars(self, symbol: str) -> Bars:
        """Return an instrument's bars up to the end of the search zone; read and verified once."""
        if symbol not in self._search_bars:
            self._search_bars[symbol] = self.bars.search().bars(symbol, self.config.timeframe)
        return self._search_bars[symbol]

    def market(self, view: BarView, symbols: tuple[str, ...]) -> dict[str, Any]:
        """Return what a job needs of each instrument, those that features read among them: the zone-bound slice's hash and its facts."""
        market = {}
        for symbol in dict.fromkeys((*symbols, *self.config.reads)):
            key, timeframe = (view.zone, symbol), self._timeframes[symbol]
            if key not in self._slices:
                self._slices[key] = view.slice_artifact(symbol, timeframe, self.artifacts)
            market[symbol] = {"slice": self._slices[key], "instrument": asdict(view.snapshot(symbol, timeframe).instrument)}
        return market

    @property
    def _timeframes(self) -> dict[str, str]:
        return {ref["instrument"]: ref.get("timeframe", self.config.timeframe) for ref in self.campaign.data}

    def emit(self, kind: str, body: Mapping[str, Any]) -> None:
        """Say how the campaign goes; watchers see it live and later."""
        self.stores.campaigns.emit(self.campaign.id, kind, body)

    def cancelled(self) -> bool:
        """Return whether the campaign should stop now; asks the ledger at most twice a second."""
        if self.interrupted():
            return True
        checked, answer = self._stop_checked
        now = time.monotonic()
        if now - checked > 0.5:
            answer = self.stores.campaigns.get(self.campaign.id).stop_requested
            self._stop_checked = (now, answer)
        return answer

    def check(self) -> None:
        """Raise CancelledError if the campaign should stop; called where a node begins."""
        if self.cancelled():
            raise CancelledError("the campaign was stopped; `nullalpha research resume` goes on from here")

    def spent_seconds(self) -> float:
        """Return the wall-clock time spent on the campaign, earlier sessions included."""
        return self.campaign.seconds + time.monotonic() - self.started

    def out_of_time(self) -> bool:
        """Return whether the wall-clock budget is gone."""
        return self.config.budget_seconds is not None and self.spent_seconds() >= self.config.budget_seconds

    def run(self, requests: list[OperationRequest]) -> list[Outcome]:
        """Run operations of this campaign, exactly once each."""
        return self.operations.run(
            requests,
            campaign_id=self.campaign.id if self.config.designer != "person" else None,
            cancelled=self.cancelled,
            progress=lambda body: self.emit("progress", body),
        )
