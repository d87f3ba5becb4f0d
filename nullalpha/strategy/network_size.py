"""The arrays of a network and how many numbers they hold: what the compiler counts is what training moves.

Dense layers: tanh(inputs @ weight + bias), the last one linear. GRU: gates reset, update, new side by side,
h' = (1 - update) * new + update * h with new = tanh(x + reset * (h @ state + its bias)); reset and update have one bias each, new one
before the reset and one within it. LSTM: gates input, forget, output, candidate side by side, one bias each.
Source: Cho et al. (2014), EMNLP (the GRU); Hochreiter & Schmidhuber (1997), Neural Computation 9(8), with Gers et al. (2000), ibid. 12(10).
"""

from __future__ import annotations

from itertools import pairwise
from math import prod

from nullalpha.strategy.plan import NetworkKind, NetworkPlan

GATES: dict[NetworkKind, int] = {"fuzzy_mlp": 0, "fuzzy_gru": 3, "fuzzy_lstm": 4}
GATE_BIASES: dict[NetworkKind, int] = {"fuzzy_mlp": 0, "fuzzy_gru": 4, "fuzzy_lstm": 4}
Layout = tuple[tuple[str, tuple[int, ...]], ...]


def network_layout(kind: NetworkKind, n_inputs: int, network: NetworkPlan) -> Layout:
    """Return name and shape of each array of a network, in the order in which its parameters lie.

    Recurrent kinds begin with `recurrent_input` (n_inputs, gates x units), `recurrent_state` (units, gates x units) and `recurrent_bias`.
    Then come `hidden_<i>_weight` (inputs, units) and `hidden_<i>_bias` of each dense layer, `i` counting `NetworkPlan.hidden` (of a
    recurrent kind from 1, as 0 is the state), and `output_weight` (units,) and `output_bias` (1,).

    Args:
        kind: which network.
        n_inputs: memberships that it reads.
        network: its sizes.
    """
    first, gates = network.hidden[0], GATES[kind]
    layout: list[tuple[str, tuple[int, ...]]] = []
    if gates:
        layout += [
            ("recurrent_input", (n_inputs, gates * first)),
            ("recurrent_state", (first, gates * first)),
            ("recurrent_bias", (GATE_BIASES[kind] * first,)),
        ]
    dense = network.hidden if gates else (n_inputs, *network.hidden)
    for index, (inputs, units) in enumerate(pairwise(dense), start=1 if gates else 0):
        layout += [(f"hidden_{index}_weight", (inputs, units)), (f"hidden_{index}_bias", (units,))]
    return (*layout, ("output_weight", (network.hidden[-1],)), ("output_bias", (1,)))


def network_parameters(kind: NetworkKind, n_inputs: int, network: NetworkPlan) -> int:
    """Return how many numbers a network has; the sets' own, where they are trained, come on top."""
    return sum(prod(shape) for _, shape in network_layout(kind, n_inputs, network))
