"""What tools work with: the lab's ports and stores, bound by the composition root."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nullalpha.core.artifacts import ArtifactStore
from nullalpha.core.ports import Campaigns, Recollection, SingleRuns
from nullalpha.strategy.vocabulary import Vocabulary

if TYPE_CHECKING:  # a desk for tools that only read a document needs none of these loaded
    from nullalpha.data.catalogue import Catalogue
    from nullalpha.memory.stores import Stores


@dataclass
class Desk:
    """Access for one actor.

    Attributes:
        actor: who calls, for the audit: `cli`, `mcp`, `agent:designer`, ...
        person: whether a person reads the answers; agents never see a figure from the validation zone or the lockbox.
        path_root: files named in arguments must lie under it.
        stores, catalogue, campaigns, runs, recollection: opened on first use, so that tools that need none start at once.
        validation_from: returns where the settings have the first campaign's validation zone begin, if they say so.
    """

    actor: str
    person: bool
    home: Path
    path_root: Path
    vocabulary: Vocabulary
    open_stores: Callable[[], Stores]
    open_catalogue: Callable[[], Catalogue]
    open_campaigns: Callable[[], Campaigns]
    open_runs: Callable[[], SingleRuns]
    open_recollection: Callable[[], Recollection]
    validation_from: Callable[[], str | None]

    @property
    def stores(self) -> Stores:
        return self.open_stores()

    @property
    def artifacts(self) -> ArtifactStore:
        return ArtifactStore(self.home / "artifacts")

    @property
    def catalogue(self) -> Catalogue:
        return self.open_catalogue()

    @property
    def campaigns(self) -> Campaigns:
        return self.open_campaigns()

    @property
    def runs(self) -> SingleRuns:
        return self.open_runs()

    @property
    def recollection(self) -> Recollection:
        return self.open_recollection()
