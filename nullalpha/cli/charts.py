"""Charts in the terminal."""

from __future__ import annotations

import shutil

import numpy as np

from nullalpha.data.bars import Bars

WIDTH, HEIGHT = 100, 20
MOST_POINTS = 2000
N_PRICES = 5


def draw_closes(bars: Bars) -> str:
    """Return a line chart of closes against time as text without colours; without bars, a sentence."""
    import plotext

    if not len(bars):
        return f"{bars.instrument} {bars.timeframe}: no bars in the search zone to draw"
    step = -(-len(bars) // MOST_POINTS)
    times = bars.time[::step].astype("datetime64[s]").tolist()
    figure = plotext.figure
    figure.clear()
    figure.plot_size(min(WIDTH, shutil.get_terminal_size((WIDTH, HEIGHT)).columns), HEIGHT)
    figure.date().activate(form="%Y-%m-%d")
    figure.draw(figure.signal(times, bars.close[::step].tolist(), marker="braille").lines())
    figure.title(
        f"{bars.instrument} {bars.timeframe}: closes, {bars.time[0].astype('datetime64[D]')} to {bars.time[-1].astype('datetime64[D]')}"
    )
    prices = np.linspace(bars.close.min(), bars.close.max(), N_PRICES).tolist()
    figure.ruler("y").ticks(prices, [f"{price:,.5g}" for price in prices])
    drawn: str = plotext.uncolorize(str(figure.build()))
    return drawn
