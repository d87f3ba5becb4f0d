"""Ports: what the upper layers ask for without knowing who answers. `app` binds them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from nullalpha.core.campaign import CampaignConfig, RunTerms


class Campaigns(Protocol):
    """Starting and stopping campaigns; bound to the home's supervisor."""

    def start(self, config: CampaignConfig, actor: str) -> str:
        """Record a campaign, see to it that something hosts it, and return its id."""
        ...

    def stop(self, campaign_id: str) -> None:
        """Ask the host to stop it at the next safe point; it can be resumed."""
        ...

    def resume(self, campaign_id: str, actor: str) -> None:
        """Queue a stopped or interrupted campaign again and see to it that something hosts it."""
        ...


class SingleRuns(Protocol):
    """Running one thing that a person wants to know of, outside any campaign; it counts as a trial like any other."""

    def run(self, document: Mapping[str, Any], actor: str, terms: RunTerms) -> str:
        """Register, train, backtest and judge a strategy on the search zone; return the experiment's id."""
        ...

    def run_signal(self, path: Path, instrument: str, timeframe: str, actor: str, terms: RunTerms) -> str:
        """Register and backtest target positions from a file on the search zone; return the experiment's id."""
        ...


class Recollection(Protocol):
    """Searching what the lab remembers by meaning."""

    def search(self, query: str, k: int) -> list[tuple[str, str, str, tuple[str, str], float]]:
        """Return up to k of (kind, ref, text, window, similarity), nearest first."""
        ...
