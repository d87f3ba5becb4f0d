"""What decides the values of a node: the node with all below it, the columns of bars that they read, and the code that computes."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np

from nullalpha.core.fingerprint import fingerprint, sha256_hex
from nullalpha.data.bars import Bars, SessionTable
from nullalpha.engines.features.indicators.registry import INDICATORS
from nullalpha.strategy.plan import FeaturePlan, nodes_of
from nullalpha.strategy.vocabulary import BAR_FIELD_COLUMNS, BarField


class NodeKeys:
    """The keys of nodes over one set of bars; each column of bars is hashed at most once."""

    def __init__(self, bars: Bars, others: Mapping[str, Bars]) -> None:
        self._bars = bars
        self._others = others
        self._hashes: dict[tuple[str, str], str] = {}

    def of(self, node: FeaturePlan) -> str:
        """Return the SHA-256 of all that decides a node's values on its own bars: it and those below, what they read, the code."""
        reads: dict[str, set[str]] = {}
        for below in nodes_of(node):
            columns = reads.setdefault(below.instrument, set())
            columns |= set(_columns_read(below))
            if (below.timeframe, below.instrument) != (self._bars.timeframe, "") or "session" in columns:
                for symbol in ("", below.instrument):
                    reads.setdefault(symbol, set()).update(("time", "sessions"))
        contents = {
            symbol: [self._of(symbol).timeframe, *([name, self._hash(symbol, name)] for name in sorted(columns))]
            for symbol, columns in reads.items()
        }
        return fingerprint([code_version(), self._bars.timeframe, _canonical(node), contents])

    def _of(self, symbol: str) -> Bars:
        return self._others[symbol] if symbol else self._bars

    def _hash(self, symbol: str, name: str) -> str:
        if (symbol, name) not in self._hashes:
            value = getattr(self._of(symbol), name)
            arrays = (value.open, value.close) if isinstance(value, SessionTable) else () if value is None else (value,)
            digest = hashlib.sha256()
            for array in arrays:
                digest.update(f"{array.dtype} {len(array)} ".encode())
                digest.update(np.ascontiguousarray(array).view(np.uint8).data)
            self._hashes[symbol, name] = digest.hexdigest()
        return self._hashes[symbol, name]


@cache
def code_version() -> str:
    """Return the hash of the source that computes, down to what a bar and a timeframe are, and of the versions of the libraries that do."""
    package = Path(__file__).parents[2]
    folders = (Path(__file__).parent, package / "data", package / "strategy")
    sources = sorted(path for folder in folders for path in folder.rglob("*.py"))
    versions = [importlib.metadata.version(library) for library in ("numpy", "numba")]
    return fingerprint([[[path.name, sha256_hex(path.read_bytes())] for path in sources], versions])


def _columns_read(node: FeaturePlan) -> tuple[str, ...]:
    """Return the columns of bars that a node reads by itself."""
    given = [field for field in node.inputs if isinstance(field, str)] if node.inputs else INDICATORS[node.indicator].fields
    return tuple(column for field in given for column in BAR_FIELD_COLUMNS.get(cast(BarField, field), (field,)) if column != "session")


def _canonical(node: FeaturePlan) -> list[object]:
    inputs = [_canonical(given) if isinstance(given, FeaturePlan) else given for given in node.inputs]
    return [node.indicator, [list(pair) for pair in node.params], node.output, node.timeframe, node.instrument, inputs]
