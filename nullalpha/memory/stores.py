"""All stores of one ledger, opened together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nullalpha.memory.audit import AuditStore
from nullalpha.memory.campaigns import CampaignStore
from nullalpha.memory.experiments import ExperimentStore
from nullalpha.memory.ledger import Ledger
from nullalpha.memory.lessons import LessonStore
from nullalpha.memory.looks import LookStore
from nullalpha.memory.memories import MemoryStore
from nullalpha.memory.operations import OperationStore


@dataclass(frozen=True)
class Stores:
    ledger: Ledger
    campaigns: CampaignStore
    experiments: ExperimentStore
    looks: LookStore
    lessons: LessonStore
    operations: OperationStore
    memories: MemoryStore
    audit: AuditStore

    @classmethod
    def open(cls, path: Path) -> Stores:
        """Open the ledger at `path`.

        Raises:
            HomeError: if it cannot be opened or made.
        """
        ledger = Ledger.open(path)
        return cls(
            ledger,
            CampaignStore(ledger),
            ExperimentStore(ledger),
            LookStore(ledger),
            LessonStore(ledger),
            OperationStore(ledger),
            MemoryStore(ledger),
            AuditStore(ledger),
        )
