from __future__ import annotations

from typing import Any

from nullalpha.strategy.compile import compile_strategy
from nullalpha.strategy.document import load_document
from nullalpha.strategy.explain import explain
from nullalpha.strategy.validate import parse_strategy
from nullalpha.strategy.vocabulary import Vocabulary

EXPLAINED = """\
oversold-in-uptrend trades SPX on 1d bars. Its hypothesis: Short-term oversold readings revert while the long trend is up.

It looks at trend (distance_from_sma with period 200) and rsi (rsi with period 14).

It reasons by these rules, each as far as it holds:
- when trend is up and rsi is low, lean long with strength 1
- when rsi is high and trend is not up, lean short with strength 0.5

In these rules:
- trend is up: above 0.02, fully some 0.0625 beyond
- rsi is low: around 25, fading over 8
- rsi is high: around 75, fading over 8

It learns what each rule answers (a linear function of the features) and the place and width of the sets, 12 numbers in all, to predict \
the return over the next 5 bars, in units of the volatility of the last 60 bars. Training makes at most 60 passes in batches of 512 (huber \
loss, learning rate 0.01) and stops after 8 passes without progress on held-out bars.

It goes long when the signal (-1 to 1) is above 0.2 and goes short when the signal (-1 to 1) is below -0.4. A position is sized for 0.1 \
volatility a year, by that of the last 60 bars, and is at most 1 times equity. It leaves when the signal no longer asks for the position, \
when price has moved 3 ATR against it (stop loss) or after 20 bars.

It needs 200 bars of history before its first signal."""


def explained(document: object, vocabulary: Vocabulary) -> str:
    spec, _ = parse_strategy(document, vocabulary)  # type: ignore[arg-type]
    return explain(spec, vocabulary)


def test_the_example_reads_as_english(example: str, vocabulary: Vocabulary) -> None:
    assert explained(example, vocabulary) == EXPLAINED


def test_a_plan_and_its_spec_are_explained_alike(example: str, vocabulary: Vocabulary) -> None:
    spec, _ = parse_strategy(example, vocabulary)
    assert explain(compile_strategy(spec, vocabulary), vocabulary) == explain(spec, vocabulary)


def test_every_part_of_the_language_has_words(example: str, vocabulary: Vocabulary) -> None:
    document: dict[str, Any] = load_document(example)
    document["features"] = {
        "vol": {"indicator": "macd", "output": "histogram", "transform": {"zscore": 250}},
        "slow": {"indicator": "roc", "timeframe": "1w"},
        "flow": {"indicator": "obv"},
    }
    document["sets"] = {
        "vol": {"calm": {"trapezoid": [-9, -8, -0.5, 0.5]}},
        "slow": {"wild": {"triangle": [0, 2, 9]}},
        "flow": {"down": {"sigmoid": [0, -2]}},
    }
    document["model"]["rules"] = ["if not (vol is calm or slow is not wild) and flow is down then short 0.5"]
    document["labels"] = {"kind": "triple_barrier", "horizon": 1, "barrier": 1.5}
    document["decision"] = {"short_below": -0.1, "exits": {"take_profit": {"fraction": 0.05}, "max_bars": 1}}
    text = explained(document, vocabulary)
    for words in (
        "the histogram of macd with period 12, signal 9 and slow 26, as a z-score over the last 250 bars",
        "on 1w bars once each is complete",
        "slow is wild",
        "vol is not calm",
        "fully from -8 to -0.5, not at all outside -9 to 0.5",
        "most at 2, not at all outside 0 to 9",
        "below 0, fully some 2.5 beyond",
        "which comes first within 1 bar: a rise or a fall of 1.5 times the volatility",
        "never buys and goes short when",
        "A position is 1 times equity.",
        "moved 0.05 of the entry price in its favour (take profit) or after 1 bar.",
    ):
        assert words in text


def test_plain_rules_learn_nothing(example: str, vocabulary: Vocabulary) -> None:
    assert "It learns nothing" in explained(example.replace("kind: anfis", "kind: rules"), vocabulary)


def test_each_label_each_sizing_and_each_exit_has_words(example: str, vocabulary: Vocabulary) -> None:
    document: dict[str, Any] = load_document(example)
    document["labels"] = {"kind": "zigzag", "horizon": 8, "barrier": 0.5, "cusum": 2, "weights": "uniqueness"}
    exits = {"trailing_stop": {"atr": 2}, "stop_loss": {"fraction": 0.03}}
    document["decision"] = {"long_above": 0.2, "long_exit_below": 0.0, "separation": 5, "exits": exits}
    text = explained(document, vocabulary)
    for words in (
        "how far the price goes, within 8 bars, before it turns by 0.5 times the volatility of the last 60 bars over that horizon.",
        "It learns only from bars that end a cumulated move of 2 volatilities. Labels that overlap others count less.",
        "stays long until it is below 0.",
        "Entries are at least 5 bars apart.",
        "moved 0.03 of the entry price against it (stop loss) or when price has moved 2 ATR back from its best since the entry",
    ):
        assert words in text
    for labels, words in (
        ({"kind": "regime", "horizon": 10}, "how straight the price moves over the next 10 bars, up (1) or down (-1)"),
        ({"kind": "regime", "of": "volatility"}, "whether the next 5 bars are wilder or calmer than the volatility of the last 60 bars"),
    ):
        assert words in explained(document | {"labels": labels}, vocabulary)
    kelly = {"long_above": 0.2, "sizing": {"kind": "kelly", "fraction": 0.5}}
    assert "A position is 0.5 of what would grow fastest" in explained(document | {"labels": {}, "decision": kelly}, vocabulary)


def test_a_feature_of_a_feature_is_told_whole(example: str, vocabulary: Vocabulary) -> None:
    document: dict[str, Any] = load_document(example)
    document["features"]["rsi"] = {"indicator": "corr", "period": 30, "input": ["slow", "volume"]}
    document["features"]["slow"] |= {"of": "VIX"}
    weekly = "[roc with period 13, of VIX, on 1w bars once each is complete]"
    assert f"rsi (corr with period 30 of {weekly} and volume)" in explained(document, vocabulary)
