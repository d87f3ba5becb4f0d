"""KTRDR's `training_data`: which instruments and timeframes a strategy reads. Dates and history belong to the campaign here."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nullalpha.strategy.importing.imported import Report
from nullalpha.strategy.importing.names import legal_symbol
from nullalpha.strategy.importing.sections import Section
from nullalpha.strategy.spec import MAX_SYMBOL
from nullalpha.strategy.timeframes import MINUTES, TIMEFRAMES, longer_timeframes

MAX_INSTRUMENTS = 20
_WHOLE_DAYS = {"1d": 24.0, "1w": 168.0}
_CAMPAIGN = "dates, warm-up and history belong to the campaign"


@dataclass(frozen=True)
class TrainingData:
    """What a strategy is trained on: symbols, the base timeframe, and all timeframes that its features may use."""

    instruments: tuple[str, ...]
    timeframe: str
    timeframes: tuple[str, ...]

    @property
    def bar_hours(self) -> float:
        """The length of a base bar in hours of the clock."""
        return _WHOLE_DAYS.get(self.timeframe) or MINUTES[self.timeframe] / 60


def training_data(root: Section) -> TrainingData | None:
    """Return the data of a strategy as far as they can be read, or None without a timeframe; errors are reported."""
    root.require("training_data", "training_data: {symbols: {mode: single, symbol: EURUSD}, timeframes: {mode: single, timeframe: 1h}}")
    section = root.section("training_data")
    symbols = _symbols(section.section("symbols"), section)
    frames = _timeframes(section.section("timeframes"), section)
    section.leave(("start_date", "end_date", "date_range", "history_required"), _CAMPAIGN)
    section.finish("training_data")
    if frames is None:
        return None
    return TrainingData(symbols, frames[0], frames[1])


def _symbols(section: Section, parent: Section) -> tuple[str, ...]:
    parent.require("symbols", "symbols: {mode: single, symbol: EURUSD}")
    report = section.report
    _mode(section, ("single", "multi_symbol"))
    single, listed = section.text("symbol"), section.words("list")
    if section.has("selection_criteria"):
        fix = "name the symbols in a list"
        report.refuse(section.place("selection_criteria"), "unsupported", "symbols are named here, not selected", None, fix)
        section.take("selection_criteria")
    section.finish("training_data.symbols")
    given = [*([single] if single else []), *(listed or [])]
    if not given and parent.has("symbols"):
        report.refuse(section.path, "missing", "no symbol is given", None, "symbol: EURUSD")
    symbols = [symbol for text in given if (symbol := read_symbol(text, section.path, report))]
    unique = tuple(dict.fromkeys(symbols))
    if len(unique) < len(symbols):
        report.note(section.path, "a symbol that is named twice is read once")
    if len(unique) > MAX_INSTRUMENTS:
        report.refuse(section.path, "too_many", f"a strategy has at most {MAX_INSTRUMENTS} instruments", len(unique), str(MAX_INSTRUMENTS))
    return unique


def read_symbol(text: str, path: str, report: Report) -> str | None:
    """Return a legal symbol; what changed is noted, what cannot be one is an error."""
    symbol = legal_symbol(text)
    if symbol is None:
        message = f"a symbol is at most {MAX_SYMBOL} upper-case letters, digits and . _ ^ = -"
        report.refuse(path, "bad_symbol", message, text, re.sub(r"[^A-Z0-9]+", "", text.upper())[:MAX_SYMBOL] or "EURUSD")
    elif symbol != text:
        report.note(path, f"{text[:40]!r} becomes {symbol}: symbols are upper-case here")
    return symbol


def read_timeframe(text: str, path: str, report: Report) -> str | None:
    """Return a timeframe of the language; `1D` is 1d, and `1M`, a month, is none."""
    if text in TIMEFRAMES:
        return text
    frame = text.strip().lower()
    if frame in TIMEFRAMES and not (text.endswith("M") and frame.endswith("m")):
        report.note(path, f"{text[:20]!r} becomes {frame}")
        return frame
    report.refuse(path, "bad_timeframe", "no timeframe of the language", text, f"one of {', '.join(TIMEFRAMES)}")
    return None


def _timeframes(section: Section, parent: Section) -> tuple[str, tuple[str, ...]] | None:
    """Return the base timeframe and all of them."""
    parent.require("timeframes", "timeframes: {mode: single, timeframe: 1h}")
    report = section.report
    _mode(section, ("single", "multi_timeframe"))
    single, listed, base_text = section.text("timeframe"), section.words("list"), section.text("base_timeframe")
    section.finish("training_data.timeframes")
    given = [*([single] if single else []), *(listed or [])]
    if not given:
        if parent.has("timeframes"):
            report.refuse(section.path, "missing", "no timeframe is given", None, "timeframe: 1h")
        return None
    read = [read_timeframe(text, section.place("list" if listed else "timeframe"), report) for text in given]
    frames = tuple(dict.fromkeys(frame for frame in read if frame))
    base = (
        read_timeframe(base_text, section.place("base_timeframe"), report) if base_text else min(frames, key=TIMEFRAMES.index, default=None)
    )
    if base is None:
        return None
    if base not in frames:
        fix = f"one of {', '.join(frames)}"
        report.refuse(section.place("base_timeframe"), "unknown_timeframe", "the base timeframe is not in the list", base, fix)
        return None
    if not base_text and len(frames) > 1:
        report.note(section.path, f"no base_timeframe is given; decisions are taken on the shortest, {base}")
    return base, frames


def check_timeframe(frame: str, data: TrainingData, path: str, report: Report) -> bool:
    """Return whether features can be computed on a timeframe; report why not."""
    if frame not in data.timeframes:
        fix = f"one of {', '.join(data.timeframes)}"
        report.refuse(path, "unknown_timeframe", "the timeframe is not in training_data.timeframes", frame, fix)
        return False
    if frame != data.timeframe and frame not in longer_timeframes(data.timeframe):
        message = f"features are computed on the base timeframe ({data.timeframe}) or on longer bars made of its own"
        report.refuse(path, "shorter_timeframe", message, frame, f"base_timeframe: {frame}, or leave {frame} out")
        return False
    return True


def _mode(section: Section, modes: tuple[str, ...]) -> None:
    mode = section.text("mode")
    if mode is not None and mode not in modes:
        section.report.refuse(section.place("mode"), "unknown_value", f"must be one of {', '.join(modes)}", mode, modes[0])
