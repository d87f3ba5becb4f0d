"""A network as the compiled engine's kernels take it: where its parameters lie, and the room that blocks of rows are worked out in.

A block's nodes lie below one another: what the dense layers read (memberships of a fuzzy_mlp, the last state of a recurrent kind), the
hidden units of each layer, the output; after each of them but the last a node that is always 1. Slopes lie in the same places.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nullalpha.engines.training.fused.blocks import ROWS, Float32Array
from nullalpha.engines.training.fused.maths import ONE
from nullalpha.engines.training.fused.recurrent import gru_numbers, lstm_numbers
from nullalpha.engines.training.fused.rows import BlockRows, aligned_nb, empty_block_nb
from nullalpha.engines.training.fused.sets import SetTable, set_table
from nullalpha.engines.training.structure import RuleStructure
from nullalpha.strategy.network_size import Layout, network_layout
from nullalpha.strategy.plan import NETWORK_KINDS, Plan

Int64Array = NDArray[np.int64]
MLP, GRU, LSTM = range(len(NETWORK_KINDS))
GROUP = 4
"""Blocks whose parameter slopes are summed together: to begin and to end a sum costs as much as a block's part of it."""


class NetworkTable(NamedTuple):
    """A plan's network.

    Attributes:
        kind: its place in `NETWORK_KINDS`.
        sets: the sets, in the order of `Plan.sets`.
        lookback: rows that a window has.
        n_features, n_set_parameters: sizes.
        recurrent: (2,) where a recurrent kind's parameters begin and end.
        layers: (n_dense, 3) of each dense layer, the output's among them: where its weights begin, its inputs, its units. Its biases
            follow its weights.
        dropout: share of hidden units dropped.
        train_sets: whether sets move.
    """

    kind: int
    sets: SetTable
    lookback: int
    n_features: int
    n_set_parameters: int
    recurrent: Int64Array
    layers: Int64Array
    dropout: float
    train_sets: bool


def network_table(plan: Plan, structure: RuleStructure, n_set_parameters: int) -> NetworkTable:
    """Return the table of a plan whose kind is one of the networks.

    Args:
        plan: the plan.
        structure: its sets'.
        n_set_parameters: of the sets' code, which lies before the network's arrays; 0 where sets stay as they are.

    Raises:
        ValueError: if it is none.
    """
    kind, network = next((one for one in NETWORK_KINDS if one == plan.model), None), plan.network
    if kind is None or network is None:
        raise ValueError(f"{plan.model} is no network")
    layout = network_layout(kind, len(plan.sets), network)
    starts = dict(zip([name for name, _ in layout], _starts(layout, n_set_parameters), strict=True))
    layers = [(starts[name], shape[0], shape[1] if len(shape) > 1 else 1) for name, shape in layout if name.endswith("weight")]
    return NetworkTable(
        kind=NETWORK_KINDS.index(kind),
        sets=set_table(plan.sets, structure, range(len(plan.sets))),
        lookback=network.lookback,
        n_features=len(plan.features),
        n_set_parameters=n_set_parameters,
        recurrent=np.array([n_set_parameters, layers[0][0]], np.int64),
        layers=np.array(layers, np.int64),
        dropout=network.dropout,
        train_sets="sets" in plan.trainable,
    )


def _starts(layout: Layout, first: int) -> Sequence[int]:
    return [first + int(start) for start in np.cumsum([0, *(prod(shape) for _, shape in layout)])[:-1]]


class NetworkWork(NamedTuple):
    """What blocks of rows become on their way: of the present block, and of `GROUP` blocks whose parameter slopes are summed together.

    Attributes:
        rows: the present block's.
        x, log_truth: (lookback, columns, ROWS) features, and logs of memberships; empty where sets stay as they are.
        inputs, by_inputs: (lookback, n_sets, ROWS) memberships and their slopes, of a recurrent kind.
        nodes, slopes: (GROUP, n_nodes, ROWS).
        kept: (n_hidden, ROWS) factors of hidden units: 0 for a dropped one, 1 / (1 - dropout) for the others; empty without dropout.
        work: of the recurrent kernels.
    """

    rows: BlockRows
    x: Float32Array
    log_truth: Float32Array
    inputs: Float32Array
    by_inputs: Float32Array
    nodes: Float32Array
    slopes: Float32Array
    kept: Float32Array
    work: Float32Array


@njit(nogil=True, cache=True, error_model="numpy")
def empty_work_nb(table: NetworkTable, group: int) -> NetworkWork:
    """Return room for the present block and for a group of so many; but for the nodes that are 1, what is in it means nothing yet."""
    n_sets, n_read, recurs = len(table.sets.shape), table.layers[0, 1], table.kind != MLP
    n_nodes, n_hidden = (table.layers[:, 1] + 1).sum() + 1, table.layers[1:, 1].sum() + (n_read if recurs else 0)
    nodes = aligned_nb(group * n_nodes).reshape((group, n_nodes, ROWS))
    one = -1
    for layer in range(len(table.layers)):
        one += table.layers[layer, 1] + 1
        nodes[:, one] = ONE
    window, with_sets = table.lookback if recurs else 0, table.lookback if table.train_sets else 0
    numbers = 0
    if recurs:
        numbers = gru_numbers(window, n_sets, n_read) if table.kind == GRU else lstm_numbers(window, n_sets, n_read)
    return NetworkWork(
        empty_block_nb(),
        aligned_nb(with_sets * table.n_features).reshape((with_sets, table.n_features, ROWS)),
        aligned_nb(with_sets * n_sets).reshape((with_sets, n_sets, ROWS)),
        aligned_nb(window * n_sets).reshape((window, n_sets, ROWS)),
        aligned_nb(min(window, with_sets) * n_sets).reshape((min(window, with_sets), n_sets, ROWS)),
        nodes,
        aligned_nb(group * n_nodes).reshape((group, n_nodes, ROWS)),
        aligned_nb(n_hidden if table.dropout > 0 else 0),
        np.empty(numbers, np.float32),
    )
