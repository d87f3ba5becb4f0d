"""A synthetic market: its bars, what is true of it, and the recipe that makes it again."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv

from nullalpha.core.errors import UsageError
from nullalpha.core.fingerprint import canonical_json
from nullalpha.data.bars import Bars, FloatArray, IntArray, TimeArray
from nullalpha.data.instruments import Costs, FillBasis, Instrument
from nullalpha.data.snapshots import Derivation
from nullalpha.data.sources.series import RawSeries
from nullalpha.data.timeframes import is_daily

SOURCE = "synthetic"


@dataclass(frozen=True)
class Venue:
    """Where a synthetic market trades.

    Attributes:
        symbol, timeframe: of its bars; `1d`, or intraday such as `1h`.
        calendar: an `exchange_calendars` code: its sessions are the market's.
        first: ISO date; the first session is on or after it.
        fill_basis, sessions_per_year, costs: as of any instrument; a planted edge earns its Sharpe ratio net of these costs.
        start_price: the close before the first bar.
    Raises:
        UsageError: if any of them is none.
    """

    symbol: str = "SYN"
    timeframe: str = "1d"
    calendar: str = "XNYS"
    first: str = "1990-01-02"
    fill_basis: FillBasis = "open"
    sessions_per_year: int = 252
    costs: Costs = field(default_factory=partial(Costs, 0.0001, 1.0, 1.0))
    start_price: float = 100.0

    def __post_init__(self) -> None:
        self.instrument("checked")
        try:
            np.datetime64(self.first, "D")
        except ValueError as error:
            raise UsageError(
                f"first is {self.first!r}", path="first", value=self.first, suggestion="use an ISO date, e.g. 1990-01-02"
            ) from error
        if not (math.isfinite(self.start_price) and self.start_price > 0):
            raise UsageError(
                f"start_price is {self.start_price}", path="start_price", value=self.start_price, suggestion="use a number above 0"
            )

    def instrument(self, name: str) -> Instrument:
        """Return the description of a market at this venue."""
        return Instrument(
            self.symbol,
            name,
            self.calendar,
            "USD",
            self.fill_basis,
            self.sessions_per_year,
            self.costs,
            SOURCE,
            kind="synthetic",
        )

    @property
    def cost_a_side(self) -> float:
        """What one side of a trade costs, as a fraction of notional."""
        return self.costs.commission + (self.costs.half_spread_bps + self.costs.slippage_bps) * 1e-4


@dataclass(frozen=True)
class Truth:
    """What is true of a market, and cannot be seen in its bars.

    Attributes:
        parameters: of its process, by name; of a planted edge also `edge`, the mean gain of a bar that the oracle holds.
        position: (n_bars,) what the oracle wants at the close of each bar, -1, 0 or 1; None where nothing was planted.
        warmup_bars: how many first bars the oracle has no view on.
        stated_sharpe: the annual net Sharpe ratio that the oracle has in the long run, at the venue's costs and fill basis.
        realised_sharpe: the same over these bars, after the warm-up.
        state: (n_bars,) the hidden state in which each bar was made, or None.
    """

    parameters: dict[str, float]
    position: FloatArray | None = None
    warmup_bars: int = 0
    stated_sharpe: float | None = None
    realised_sharpe: float | None = None
    state: IntArray | None = None


@dataclass(frozen=True)
class SyntheticMarket:
    """Attributes:
    bars: consistent bars on the sessions of the venue's calendar, volumes above 0 (those made of real bars: as in these).
    session: (n_bars,) datetime64[ns] at midnight: the session of each bar.
    recipe: kind, seed, number of bars, options and venue: what makes the market again.
    """

    kind: str
    venue: Venue
    bars: Bars = field(repr=False)
    session: TimeArray = field(repr=False)
    truth: Truth = field(repr=False)
    recipe: dict[str, object]

    @property
    def instrument(self) -> Instrument:
        return self.venue.instrument(f"Synthetic market ({self.kind}, seed {self.recipe['seed']})")

    def raw_series(self, made_of: tuple[str, ...] = ()) -> RawSeries:
        """Return the market as a catalogue takes it in; the bytes kept are a CSV of the bars.

        Args:
            made_of: ids of the snapshots whose bars the recipe was given.
        """
        bars = self.bars
        daily = is_daily(bars.timeframe)
        columns = {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}
        time = self.session if daily else pd.DatetimeIndex(bars.time).tz_localize("UTC")
        frame = pd.DataFrame({"time": time, **columns})
        written = self.session.astype("datetime64[D]") if daily else np.char.add(bars.time.astype("datetime64[s]").astype(str), "Z")
        sink = io.BytesIO()
        csv.write_csv(pa.table({"time": pa.array(written), **columns}), sink, csv.WriteOptions(quoting_style="none"))
        derived_from = Derivation(made_of, canonical_json(self.recipe))
        return RawSeries(self.instrument, bars.timeframe, frame, f"{SOURCE} {self.kind}", sink.getvalue(), "csv", derived_from=derived_from)
