from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from nullalpha.data.catalogue import Catalogue, ensure_samples
from nullalpha.data.instruments import Costs, Instrument


@pytest.fixture
def acme() -> Instrument:
    return Instrument("ACME", "Acme Corp", "XNYS", "USD", "open", 252, Costs(0.0001, 1.0, 1.0), "csv")


@pytest.fixture
def frame() -> pd.DataFrame:
    """Six good bars: the sessions of the New York Stock Exchange from 2 to 9 January 2024."""
    return pd.DataFrame(
        {
            "time": ["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09"],
            "open": [10.0, 10.5, 10.2, 10.4, 10.1, 10.3],
            "high": [10.6, 10.8, 10.5, 10.6, 10.4, 10.9],
            "low": [9.9, 10.1, 10.0, 10.0, 9.8, 10.2],
            "close": [10.5, 10.2, 10.4, 10.1, 10.3, 10.8],
            "volume": [100.0, 110.0, 120.0, 130.0, 140.0, 150.0],
        }
    )


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """A catalogue that holds both sample indices; tests only read it."""
    catalogue = Catalogue(tmp_path_factory.mktemp("home") / "data", now=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    ensure_samples(catalogue)
    return catalogue


@pytest.fixture
def files_under() -> Callable[[Path], dict[str, bytes]]:
    """All files under a folder, by relative path."""
    return lambda root: {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
