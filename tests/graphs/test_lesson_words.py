"""What lessons compare of a strategy's document, and the words in which they speak of it."""

from __future__ import annotations

import pytest

from nullalpha.engines.features.indicators.registry import VOCABULARY
from nullalpha.graphs.learning import factors_of, subject_of
from nullalpha.memory.experiments import ExperimentRow


def row(document: dict[str, object], rules: list[dict[str, object]]) -> ExperimentRow:
    return ExperimentRow("e-1", "c-1", 0, 0, 0, "search", "a", "n", "h", "f", "r", ["SPX"], document=document, draft={"rules": rules})


def rule(level: str, direction: str, negated: bool = False) -> dict[str, object]:
    return {"conditions": [{"feature": 1, "level": level, "negated": negated}], "direction": direction}


@pytest.mark.parametrize(
    ("kind", "level", "words"),
    [
        ("indicator", "roc", "Strategies that use roc (rate of change)"),
        ("indicator", "williams_r", "Strategies that use williams_r (Williams %R as a fraction)"),
        ("indicator", "volume_ratio", "Strategies that use volume_ratio (volume over its average of the last period bars)"),
        ("model", "anfis", "ANFIS strategies"),
        ("instrument", "SPX", "Strategies on SPX"),
        ("direction", "long only", "Long-only strategies"),
        ("label", "triple_barrier", "Strategies trained on triple_barrier labels"),
        ("horizon", "over 5 bars", "Strategies whose labels look over 5 bars ahead"),
        ("stop", "with a stop", "Strategies with a stop"),
        ("idea", "momentum", "Momentum (trend following) strategies"),
    ],
)
def test_a_level_is_spoken_of_in_plain_words(kind: str, level: str, words: str) -> None:
    assert subject_of(kind, level, VOCABULARY) == words


@pytest.mark.parametrize(
    ("rules", "ideas"),
    [
        ([rule("high", "long")], {"momentum"}),
        ([rule("low", "long")], {"mean reversion"}),
        ([rule("low", "short")], {"momentum"}),
        ([rule("high", "long"), rule("high", "short")], {"momentum", "mean reversion"}),
        ([rule("middle", "long"), rule("low", "long", negated=True)], set()),
    ],
)
def test_the_idea_is_read_from_what_the_rules_bet_on(rules: list[dict[str, object]], ideas: set[str]) -> None:
    assert factors_of(row({"features": {}}, rules))["idea"] == ideas
