from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nullalpha.memory.stores import Stores


@pytest.fixture
def stores(home: Path) -> Iterator[Stores]:
    """The stores of a new ledger."""
    opened = Stores.open(home / "ledger.db")
    yield opened
    opened.ledger.close()
