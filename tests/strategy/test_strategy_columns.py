"""Features as a graph: operators on series, transforms, other timeframes and instruments, and what is refused of them."""

from __future__ import annotations

from typing import Any

import pytest

from nullalpha.core.errors import SpecError
from nullalpha.strategy.columns import node_key, node_warmup_bars, uses_longer_bars
from nullalpha.strategy.compile import canonical_document, compile_strategy
from nullalpha.strategy.plan import FeaturePlan, Plan, nodes_of
from nullalpha.strategy.validate import parse_strategy
from nullalpha.strategy.vocabulary import Vocabulary

Json = dict[str, Any]


def document_of(features: Json, *, timeframe: str = "1d", instruments: tuple[str, ...] = ("SPX", "IXIC")) -> Json:
    """A strategy whose one rule names the last feature."""
    last = list(features)[-1]
    return {
        "nullalpha": 1,
        "name": "columns",
        "hypothesis": "none",
        "instruments": list(instruments),
        "timeframe": timeframe,
        "features": features,
        "sets": {last: {"high": {"sigmoid": [0.5, 2.0]}}},
        "model": {"kind": "rules", "rules": [f"if {last} is high then long 1.0"]},
        "decision": {"long_above": 0.2},
    }


def plan_of(features: Json, vocabulary: Vocabulary, **more: Any) -> Plan:
    spec, _ = parse_strategy(document_of(features, **more), vocabulary)
    return compile_strategy(spec, vocabulary)


def column_of(features: Json, vocabulary: Vocabulary, **more: Any) -> FeaturePlan:
    (column,) = plan_of(features, vocabulary, **more).features
    return column


def issue_of(features: Json, vocabulary: Vocabulary, **more: Any) -> tuple[str, str, str | None]:
    with pytest.raises(SpecError) as caught:
        parse_strategy(document_of(features, **more), vocabulary)
    first = caught.value.issues[0]
    assert len(caught.value.issues) == 1, caught.value.issues
    return first.path, first.code, first.suggestion


def test_a_transform_is_the_operator_that_it_names(vocabulary: Vocabulary) -> None:
    written = column_of({"r": {"indicator": "roc", "period": 5, "transform": {"zscore": 100}}}, vocabulary)
    spelled = {"r": {"indicator": "roc", "period": 5}, "z": {"indicator": "zscore", "period": 100, "input": "r"}}
    assert written == column_of(spelled, vocabulary)
    assert plan_of({"r": {"indicator": "roc", "period": 5, "transform": [{"zscore": 100}]}}, vocabulary).features == (written,)
    assert [node.indicator for node in nodes_of(written)] == ["roc", "zscore"]
    assert written.unit == "deviations"


def test_transforms_follow_one_another(vocabulary: Vocabulary) -> None:
    column = column_of({"c": {"indicator": "mean", "period": 5, "transform": [{"log": True}, {"mean": 3}, {"zscore": 50}]}}, vocabulary)
    assert [(node.indicator, dict(node.params)) for node in nodes_of(column)] == [
        ("mean", {"period": 5}),
        ("log", {}),
        ("mean", {"period": 3}),
        ("zscore", {"period": 50}),
    ]


def test_an_operator_has_its_inputs_unit_and_default(vocabulary: Vocabulary) -> None:
    assert column_of({"m": {"indicator": "mean"}}, vocabulary).unit == "price"
    assert column_of({"m": {"indicator": "mean"}}, vocabulary) == column_of({"n": {"indicator": "mean", "input": "close"}}, vocabulary)
    assert column_of({"m": {"indicator": "mean", "input": "volume"}}, vocabulary).unit == "volume"
    assert column_of({"r": {"indicator": "rsi"}, "m": {"indicator": "mean", "input": "r"}}, vocabulary).unit == "bounded_0_100"


def test_equal_sub_expressions_are_one_node_whatever_they_are_called(vocabulary: Vocabulary) -> None:
    features = {
        "a": {"indicator": "roc", "period": 5},
        "b": {"indicator": "roc", "period": 5},
        "m": {"indicator": "mean", "period": 4, "input": "a"},
        "n": {"indicator": "mean", "period": 4, "input": "b"},
        "c": {"indicator": "corr", "period": 9, "input": ["m", "n"]},
    }
    plan = plan_of(features, vocabulary)
    nodes = canonical_document(plan)["nodes"]
    assert [node[0] for node in nodes] == ["roc", "mean", "corr"]  # type: ignore[attr-defined]
    assert nodes[2][-1] == [1, 1]  # type: ignore[index]


def test_symmetric_inputs_may_be_swapped_and_others_may_not(vocabulary: Vocabulary) -> None:
    def column(indicator: str, first: str, second: str) -> FeaturePlan:
        return column_of({"x": {"indicator": indicator, "input": [first, second]}}, vocabulary)

    assert column("corr", "high", "volume") == column("corr", "volume", "high")
    assert column("ratio", "high", "volume") != column("ratio", "volume", "high")
    assert node_key(column("ratio", "high", "volume")) != node_key(column("ratio", "volume", "high"))


def test_a_feature_of_the_only_instrument_is_a_feature_of_what_is_traded(vocabulary: Vocabulary) -> None:
    features = {"r": {"indicator": "rsi", "of": "SPX"}}
    assert column_of(features, vocabulary, instruments=("SPX",)).instrument == ""
    plan = plan_of(features, vocabulary, instruments=("SPX", "IXIC"))
    assert plan.features[0].instrument == "SPX"
    assert plan.other_instruments == ("SPX",)


def test_warm_ups_add_up_along_the_inputs_and_wait_for_longer_bars(vocabulary: Vocabulary) -> None:
    chain = {"r": {"indicator": "roc", "period": 5}, "m": {"indicator": "mean", "period": 10, "input": "r", "transform": {"zscore": 20}}}
    assert node_warmup_bars(column_of(chain, vocabulary), "1d", vocabulary) == 5 + 9 + 19
    returns = column_of({"m": {"indicator": "mean", "period": 10, "input": "returns"}}, vocabulary)
    assert node_warmup_bars(returns, "1d", vocabulary) == 1 + 9
    weekly = column_of({"r": {"indicator": "roc", "period": 5, "timeframe": "1w"}}, vocabulary)
    assert node_warmup_bars(weekly, "1d", vocabulary) == (5 + 2) * 5
    assert uses_longer_bars(weekly, "1d")
    hourly = column_of({"r": {"indicator": "roc", "period": 5, "timeframe": "1d"}}, vocabulary, timeframe="1h")
    assert node_warmup_bars(hourly, "1h", vocabulary) == (5 + 2) * 7


def test_an_operator_reads_weekly_values_on_weekly_bars_or_joined_to_the_base(vocabulary: Vocabulary) -> None:
    weekly = {"r": {"indicator": "roc", "period": 5, "timeframe": "1w"}}
    native = column_of({**weekly, "m": {"indicator": "mean", "period": 4, "timeframe": "1w", "input": "r"}}, vocabulary)
    joined = column_of({**weekly, "m": {"indicator": "mean", "period": 4, "input": "r"}}, vocabulary)
    assert (native.timeframe, joined.timeframe) == ("1w", "1d")
    assert node_key(native) != node_key(joined)


REFUSED: list[tuple[Json, str, str, str]] = [
    ({"m": {"indicator": "mean", "input": "clse"}}, "features.m.input", "unknown_input", "close"),
    ({"m": {"indicator": "rsi", "input": "close"}}, "features.m.input", "wrong_inputs", "remove input"),
    ({"m": {"indicator": "corr", "input": "close"}}, "features.m.input", "wrong_inputs", "input: [close, volume]"),
    ({"m": {"indicator": "mean", "input": "m"}}, "features.m.input", "circular_input", "let one of them read a field of the bars"),
    ({"m": {"indicator": "roc", "transform": {"macd": 3}}}, "features.m.transform.macd", "unknown_transform", "mean"),
    ({"m": {"indicator": "roc", "transform": {"zscore": 5}}}, "features.m.transform.zscore", "out_of_range", "10"),
    ({"m": {"indicator": "roc", "transform": [{"log": True}, {"mean": "x"}]}}, "features.m.transform.1.mean", "wrong_type", "20"),
    ({"m": {"indicator": "roc", "transform": {"log": 2}}}, "features.m.transform.log", "wrong_type", "true"),
    ({"m": {"indicator": "crossing", "fast": 30, "slow": 30}}, "features.m.fast", "parameters_cross", "fast: 12"),
    ({"m": {"indicator": "crossing", "slow": 12}}, "features.m.slow", "parameters_cross", "fast: 12"),
]


@pytest.mark.parametrize(("features", "path", "code", "fix"), REFUSED, ids=[f"{code}-{path}" for _, path, code, _ in REFUSED])
def test_what_means_nothing_is_refused_with_its_place_and_fix(
    features: Json, path: str, code: str, fix: str, vocabulary: Vocabulary
) -> None:
    found = issue_of(features, vocabulary)
    assert found[:2] == (path, code)
    assert found[2] is not None
    assert found[2].startswith(fix) or code == "unknown_transform"


def test_a_circle_is_named_all_the_way_round(vocabulary: Vocabulary) -> None:
    features = {
        "a": {"indicator": "mean", "input": "c"},
        "b": {"indicator": "mean", "input": "a"},
        "c": {"indicator": "mean", "input": "b"},
    }
    with pytest.raises(SpecError) as caught:
        parse_strategy(document_of(features), vocabulary)
    assert "a -> c -> b -> a" in caught.value.issues[0].message


def test_a_feature_with_a_fields_name_cannot_be_an_input(vocabulary: Vocabulary) -> None:
    features = {"volume": {"indicator": "obv"}, "m": {"indicator": "mean", "input": "volume"}}
    assert issue_of(features, vocabulary)[1:] == ("ambiguous_input", "rename the feature volume")


def test_features_read_one_another_six_deep_and_no_deeper(vocabulary: Vocabulary) -> None:
    def chain(n: int) -> Json:
        return {f"f{i}": {"indicator": "corr", "input": [f"f{i - 1}", f"f{i - 1}"] if i else ["close", "volume"]} for i in range(n)}

    assert len(nodes_of(column_of(chain(6), vocabulary))) == 6
    assert issue_of(chain(7), vocabulary)[1] == "input_too_deep"


@pytest.mark.parametrize("below", [{"timeframe": "1w", "transform": {"zscore": 10}}, {}, {"of": "VIX", "timeframe": "1w"}])
def test_a_weekly_operator_reads_weekly_features_alone(below: Json, vocabulary: Vocabulary) -> None:
    features = {"r": {"indicator": "roc", **below}, "m": {"indicator": "mean", "timeframe": "1w", "input": "r"}}
    assert issue_of(features, vocabulary)[1] == "mixed_inputs"


def test_what_repaints_is_named_as_the_label_that_it_can_be(vocabulary: Vocabulary) -> None:
    path, code, fix = issue_of({"z": {"indicator": "zig_zag"}}, vocabulary)
    assert (path, code) == ("features.z.indicator", "unknown_indicator")
    assert fix is not None
    assert "label" in fix
