"""A member's rows as kernels read them: columns of numbers over a series, and for each row its place, label, weight and cost."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nullalpha.data.bars import FloatArray, IntArray
from nullalpha.engines.training.fused.blocks import ROWS, Float32Array
from nullalpha.engines.training.targets import Targets

Int64Array = NDArray[np.int64]
_CACHE_LINE = 16
"""Numbers of a line of the cache."""


class MemberRows(NamedTuple):
    """Rows to learn from, or to stop by.

    Attributes:
        columns: (n_columns, n_series) what the model reads, oldest first: standardised features, or what is made of them once and for all.
        at: (n_rows,) where each row lies in the series; the `lookback - 1` places before it are its own past.
        label, weight, cost: (n_rows,) as of `targets.Targets`; weights are 1 where all rows count alike.
    """

    columns: Float32Array
    at: Int64Array
    label: Float32Array
    weight: Float32Array
    cost: Float32Array


class BlockRows(NamedTuple):
    """One block's rows: where each lies in its series (ROWS,), and its label, weight and cost."""

    at: Int64Array
    label: Float32Array
    weight: Float32Array
    cost: Float32Array


def member_rows(columns: Float32Array, at: IntArray, targets: Targets) -> MemberRows:
    """Return rows as kernels read them.

    Args:
        columns: (n_columns, n_series).
        at: (n_rows,) places in the series.
        targets: of the rows.
    """
    weight = np.ones(len(at)) if targets.relative is None else targets.relative
    label, weights, cost = (np.ascontiguousarray(one, dtype=np.float32) for one in (targets.label, weight, targets.cost))
    return MemberRows(columns, at.astype(np.int64), label, weights, cost)


def columns_of(x: FloatArray) -> Float32Array:
    """Return (n_columns, n_series) the columns of x (n_series, n_columns), each a stretch of memory."""
    return np.ascontiguousarray(x.T, dtype=np.float32)


@njit(nogil=True, cache=True)
def aligned_nb(n_columns: int) -> Float32Array:
    """Return (n_columns, ROWS) not yet filled, beginning at a cache line: a vector that lies across two takes twice as long to read."""
    numbers = np.empty(n_columns * ROWS + _CACHE_LINE, np.float32)
    start = -(numbers.ctypes.data // numbers.itemsize) % _CACHE_LINE
    return numbers[start : start + n_columns * ROWS].reshape((n_columns, ROWS))


@njit(nogil=True, cache=True)
def empty_block_nb() -> BlockRows:
    """Return a block's rows, not yet filled."""
    return BlockRows(np.empty(ROWS, np.int64), np.empty(ROWS, np.float32), np.empty(ROWS, np.float32), np.empty(ROWS, np.float32))


@njit(nogil=True, cache=True, error_model="numpy")
def take_block_nb(rows: MemberRows, order: Int64Array, start: int, stop: int, share: float, block: BlockRows) -> None:
    """Fill a block from the rows order[start:stop], at most ROWS; what is past them repeats the last one with weight 0.

    Args:
        rows: the member's.
        order: indices into them.
        start, stop: which of `order` the block takes.
        share: of one row in the mean: its weight is multiplied by it.
        block: overwritten.
    """
    for place in range(ROWS):
        row = order[min(start + place, stop - 1)]
        block.at[place] = rows.at[row]
        block.label[place] = rows.label[row]
        block.cost[place] = rows.cost[row]
        block.weight[place] = rows.weight[row] * np.float32(share) if start + place < stop else np.float32(0)


@njit(nogil=True, cache=True, error_model="numpy")
def gather_nb(columns: Float32Array, at: Int64Array, lag: int, out: Float32Array) -> None:
    """Fill out (n_columns, ROWS) with the columns (n_columns, n_series) as they were `lag` places before each place of `at`."""
    for column in range(len(out)):
        for place in range(ROWS):
            out[column, place] = columns[column, at[place] - lag]
