from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nullalpha.strategy.document import load_document
from nullalpha.strategy.validate import parse_strategy
from nullalpha.strategy.vocabulary import Vocabulary
from nullalpha.strategy.yaml_form import to_yaml

FORM = """\
nullalpha: 1
name: oversold-in-uptrend
hypothesis: Short-term oversold readings revert while the long trend is up.
prediction: {excess_sharpe: 0.5, p_pass: 0.1, kill_below: 0.0}
instruments: [SPX]
timeframe: 1d
features:
  rsi: {indicator: rsi, period: 14}
  trend: {indicator: distance_from_sma, period: 200}
  slow: {indicator: roc, period: 13, timeframe: 1w}
  vol: {indicator: atr, period: 20, transform: {zscore: 250}}
sets:
  rsi: {low: {gaussian: [25, 8]}, high: {gaussian: [75, 8]}}
  trend: {down: {sigmoid: [-0.02, -80]}, up: {sigmoid: [0.02, 80]}}
  vol: {calm: {trapezoid: [-9, -8, -0.5, 0.5]}, wild: {triangle: [0, 2, 9]}}
model:
  kind: anfis
  rules:
  - if rsi is low and trend is up then long 1.0
  - if rsi is high and not trend is up then short 0.5
  trainable: [sets, consequents]
labels: {kind: forward_return, horizon: 5}
training: {epochs: 60, batch_size: 512, learning_rate: 0.01, patience: 8, loss: huber}
decision:
  long_above: 0.2
  short_below: -0.4
  sizing: {kind: volatility_target, annual: 0.1, max_leverage: 1.0}
  exits: {stop_loss: {atr: 3.0}, take_profit: null, max_bars: 20}
"""


def test_the_example_is_written_in_the_order_of_the_language(example: str) -> None:
    assert to_yaml(load_document(example)) == FORM


def test_the_order_of_keys_does_not_matter(example: str) -> None:
    document = load_document(example)
    backwards = {key: document[key] for key in reversed(document)}
    backwards["decision"] = dict(reversed(document["decision"].items()))  # type: ignore[attr-defined]
    assert to_yaml(backwards) == FORM


def test_a_spec_written_out_and_read_again_is_the_same(example: str, vocabulary: Vocabulary) -> None:
    spec, _ = parse_strategy(example, vocabulary)
    again, _ = parse_strategy(to_yaml(spec.to_document()), vocabulary)
    assert again == spec


@pytest.mark.parametrize(
    "text", ["yes", "null", "~", "1e3", "1e-05", "0x1F", "2020-01-01", ".nan", "", " x ", "a: b", "#x", "- y", "a\nb", "&a", "é"]
)
def test_text_that_looks_like_something_else_stays_text(text: str) -> None:
    assert load_document(to_yaml({"hypothesis": text, text or "k": 1})) == {"hypothesis": text, text or "k": 1}


plain_text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=150)
scalars = st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.floats(allow_nan=False, allow_infinity=False) | plain_text
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(plain_text, inner, max_size=4), max_leaves=12)
keys = st.sampled_from(["name", "hypothesis", "features", "sets", "model", "decision", "extra"])


@given(st.dictionaries(keys, values, min_size=1, max_size=5))
def test_any_plain_document_is_read_back_as_it_was_written(document: dict[str, object]) -> None:
    assert json.dumps(load_document(to_yaml(document)), sort_keys=True) == json.dumps(document, sort_keys=True)
