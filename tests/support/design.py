"""A design context over the real indicators, for tests of designers."""

from __future__ import annotations

from nullalpha.agents.port import DesignContext
from nullalpha.engines.features.indicators.registry import DRAFT_VOCABULARY


def design_context(**changes: object) -> DesignContext:
    """Return a context of two instruments with nothing known, with some fields changed."""
    fields: dict[str, object] = {
        "campaign_seed": 11,
        "generation": 0,
        "instruments": ("SPX", "IXIC"),
        "timeframe": "1d",
        "vocabulary": DRAFT_VOCABULARY,
    }
    return DesignContext(**{**fields, **changes})  # type: ignore[arg-type]
