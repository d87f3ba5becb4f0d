"""What a generator is given, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nullalpha.data.bars import Bars, FloatArray, IntArray
from nullalpha.data.synthetic.clock import Clock
from nullalpha.data.synthetic.market import Venue
from nullalpha.data.synthetic.shapes import Moves


@dataclass(frozen=True)
class Recipe:
    """Attributes:
    options: every option of the kind; None where it was not given and has no default.
    like: real bars to fit or resample, if given.
    """

    clock: Clock
    venue: Venue
    rng: np.random.Generator
    options: dict[str, float | None]
    like: Bars | None

    @property
    def n_bars(self) -> int:
        return len(self.clock)

    def number(self, name: str) -> float:
        """Return an option that has a value.

        Raises:
            KeyError: if it has none.
        """
        value = self.options[name]
        if value is None:
            raise KeyError(name)
        return value


@dataclass(frozen=True)
class Drawn:
    """Moves and what is true of them; the fields are those of `Truth`.

    `start_price` is the close before the first bar where the moves are a real market's.
    """

    moves: Moves
    parameters: dict[str, float]
    state: IntArray | None = None
    position: FloatArray | None = None
    warmup_bars: int = 0
    stated_sharpe: float | None = None
    start_price: float | None = field(default=None)
