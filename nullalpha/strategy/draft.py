"""Drafts: what a designer decides, as bounded integers and words; a person or a file writes a full document instead.

A draft says which indicators, rules and horizons to try and never a set's position: the lab places the sets at quantiles of
each feature over the first training window, so that no set is dead and nothing of a test fold is used. Any draft whose rules name
features that it has becomes a valid strategy. One schema serves the optimiser, the random baseline and a model's constrained decoding
(whose grammars hold integer bounds and enums but no bounds of real numbers).
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_DRAFT_FEATURES = 3
MAX_DRAFT_RULES = 4


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DraftFeature(_Closed):
    """One indicator; `period` sets its first parameter (clipped to that parameter's range)."""

    indicator: str
    period: int = Field(ge=2, le=250)
    standardised: bool = Field(description="trailing z-score over 250 bars; always on for indicators in price or volume units")


class DraftCondition(_Closed):
    """`feature` counts from 1 in the draft's own list."""

    feature: int = Field(ge=1, le=MAX_DRAFT_FEATURES)
    level: Literal["low", "middle", "high"]
    negated: bool


class DraftRule(_Closed):
    join: Literal["and", "or"]
    conditions: list[DraftCondition] = Field(min_length=1, max_length=2)
    direction: Literal["long", "short"]
    strength_tenths: int = Field(ge=1, le=10)


class Draft(_Closed):
    """A strategy in outline. Thresholds are hundredths of the signal (-1..1); distances are tenths of ATR(14), 0 for none."""

    hypothesis: str = Field(min_length=1, max_length=200)
    instruments: list[str] = Field(min_length=1, max_length=2)
    features: list[DraftFeature] = Field(min_length=1, max_length=MAX_DRAFT_FEATURES)
    set_shape: Literal["gaussian", "triangle", "trapezoid", "sigmoid"]
    rules: list[DraftRule] = Field(min_length=1, max_length=MAX_DRAFT_RULES)
    model: Literal["rules", "anfis"]
    train_sets: bool
    label: Literal["forward_return", "triple_barrier"]
    horizon_bars: int = Field(ge=1, le=20)
    long_above_hundredths: int = Field(ge=0, le=60)
    allow_short: bool
    short_below_hundredths: int = Field(ge=0, le=60, description="the short threshold is minus this")
    sizing: Literal["fixed", "volatility_target"]
    annual_volatility_percent: int = Field(ge=5, le=25)
    stop_atr_tenths: int = Field(ge=0, le=80)
    target_atr_tenths: int = Field(ge=0, le=120)
    max_holding_bars: int = Field(ge=0, le=60, description="0 for none")
    prediction_excess_sharpe_hundredths: int = Field(ge=-100, le=200)
    prediction_pass_percent: int = Field(ge=0, le=100)

    @model_validator(mode="after")
    def _rules_name_features_that_exist(self) -> Draft:
        for i, rule in enumerate(self.rules):
            for j, condition in enumerate(rule.conditions):
                if condition.feature > len(self.features):
                    raise ValueError(
                        f"rules.{i}.conditions.{j}.feature is {condition.feature}, but there are only {len(self.features)} features; "
                        f"use 1 to {len(self.features)}"
                    )
        return self
