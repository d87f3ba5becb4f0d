"""Indicators: one registry of computations, and the language's view of it."""

from nullalpha.engines.features.indicators.contract import Indicator
from nullalpha.engines.features.indicators.registry import INDICATORS, VOCABULARY

__all__ = ["INDICATORS", "VOCABULARY", "Indicator"]
