"""States of NumPy generators as plain arrays, so that they can be kept in a file and gone on from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_HALF, _MASK = 64, 2**64 - 1


def generator_states(generators: Sequence[np.random.Generator]) -> NDArray[np.uint64]:
    """Return (generators, 6) the states of PCG64 generators, as `numpy.random.default_rng` makes them."""
    out = np.zeros((len(generators), 6), dtype=np.uint64)
    for row, generator in enumerate(generators):
        state = generator.bit_generator.state
        wide = [state["state"]["state"], state["state"]["inc"]]
        halves = [part for one in wide for part in (one >> _HALF, one & _MASK)]
        out[row] = [*halves, state["has_uint32"], state["uinteger"]]
    return out


def restore_generators(generators: Sequence[np.random.Generator], states: NDArray[np.uint64]) -> None:
    """Put generators into states that `generator_states` returned."""
    for generator, row in zip(generators, states.tolist(), strict=True):
        high, low, inc_high, inc_low, has_uint32, uinteger = row
        generator.bit_generator.state = {
            "bit_generator": "PCG64",
            "state": {"state": high << _HALF | low, "inc": inc_high << _HALF | inc_low},
            "has_uint32": has_uint32,
            "uinteger": uinteger,
        }
