from __future__ import annotations

import copy
import random
import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nullalpha.core.errors import Issue, SpecError
from nullalpha.strategy.document import load_document
from nullalpha.strategy.validate import parse_strategy
from nullalpha.strategy.vocabulary import Vocabulary

Json = dict[str, Any]


def issues_of(document: object, vocabulary: Vocabulary) -> tuple[Issue, ...]:
    with pytest.raises(SpecError) as caught:
        parse_strategy(document, vocabulary)  # type: ignore[arg-type]
    return caught.value.issues


def test_the_example_of_the_language_is_valid(example: str, vocabulary: Vocabulary) -> None:
    spec, warnings = parse_strategy(example, vocabulary)
    assert spec.name == "oversold-in-uptrend"
    assert {issue.code for issue in warnings} == {"unused_feature", "unused_set"}
    assert spec.to_document() == load_document(example)


def test_defaults_are_those_that_the_language_states(example: str, vocabulary: Vocabulary) -> None:
    document = load_document(example)
    for key in ("prediction", "timeframe", "labels", "training"):
        del document[key]
    document["decision"] = {"long_above": 0.2}
    spec, _ = parse_strategy(document, vocabulary)
    assert (spec.timeframe, spec.prediction, spec.decision.short_below) == ("1d", None, None)
    labels = {
        "kind": "forward_return",
        "horizon": 5,
        "volatility_bars": 60,
        "barrier": 1.0,
        "of": "trend",
        "cusum": None,
        "weights": "none",
    }
    assert spec.labels.model_dump() == labels
    assert (spec.training.epochs, spec.training.batch_size, spec.training.patience, spec.training.loss) == (60, 512, 8, "huber")
    assert (spec.decision.sizing.kind, spec.decision.sizing.size) == ("fixed", 1.0)
    assert spec.decision.exits.model_dump() == {"stop_loss": None, "trailing_stop": None, "take_profit": None, "max_bars": None}


def put(path: str, value: object) -> Callable[[Json], None]:
    def change(document: Json) -> None:
        *parents, last = path.split(".")
        place: Any = document
        for part in parents:
            place = place[int(part)] if isinstance(place, list) else place[part]
        place[int(last) if isinstance(place, list) else last] = value

    return change


def drop(path: str) -> Callable[[Json], None]:
    def change(document: Json) -> None:
        *parents, last = path.split(".")
        place = document
        for part in parents:
            place = place[part]
        del place[last]

    return change


BROKEN = [
    (drop("nullalpha"), "nullalpha", "missing", "add `nullalpha`"),
    (put("nullalpha", 2), "nullalpha", "unknown_value", "known values: 1"),
    (put("nullalpha", True), "nullalpha", "wrong_type", None),
    (put("name", "ähnlich/wie"), "name", "bad_name", "ahnlich-wie"),
    (put("hypothesis", "  "), "hypothesis", "empty_text", "say why it should work"),
    (put("hypotesis", "x"), "hypotesis", "unknown_key", "hypothesis"),
    (put("costs", 0.1), "costs", "unknown_key", "leave it out: it belongs to the campaign, not to a strategy"),
    (put("rules", []), "rules", "unknown_key", "it belongs at model.rules"),
    (put("prediction.p_pass", 1.5), "prediction.p_pass", "out_of_range", "1.0"),
    (put("instruments", ["spx"]), "instruments.0", "bad_name", "SPX"),
    (put("instruments", []), "instruments", "too_few", None),
    (put("instruments", ["SPX", "SPX"]), "instruments", "repeated_value", "give each once"),
    (put("instruments", "SPX"), "instruments", "wrong_type", None),
    (put("timeframe", "2d"), "timeframe", "unknown_value", "1d"),
    (put("features.rsi.indicator", "rsii"), "features.rsi.indicator", "unknown_indicator", "rsi"),
    (put("features.rsi.indicator", "zzz"), "features.rsi.indicator", "unknown_indicator", "known indicators: aroon, atr, "),
    (drop("features.rsi.indicator"), "features.rsi.indicator", "missing", "add `indicator`"),
    (put("features.rsi.perod", 3), "features.rsi.perod", "unknown_parameter", "period"),
    (put("features.rsi.period", 101), "features.rsi.period", "out_of_range", "100"),
    (put("features.rsi.period", 1), "features.rsi.period", "out_of_range", "2"),
    (put("features.rsi.period", 10**30), "features.rsi.period", "out_of_range", "100"),
    (put("features.rsi.period", 14.5), "features.rsi.period", "wrong_type", "14"),
    (put("features.rsi.period", "14"), "features.rsi.period", "wrong_type", "14"),
    (put("features.rsi.period", True), "features.rsi.period", "wrong_type", "14"),
    (put("features.rsi.period", float("nan")), "features.rsi.period", "not_finite", "give a finite number"),
    (put("features.rsi.output", "rsl"), "features.rsi.output", "unknown_output", "rsi"),
    (put("features.slow.timeframe", "1M"), "features.slow.timeframe", "bad_timeframe", "1d or 1w"),
    (put("features.vol.transform", {"zscore": 5}), "features.vol.transform.zscore", "out_of_range", "10"),
    (put("features.vol.transform", {"zcore": 50}), "features.vol.transform.zcore", "unknown_transform", "zscore"),
    (put("features.Vol", {"indicator": "atr"}), "features.Vol", "bad_name", "vol"),
    (put("features.then", {"indicator": "atr"}), "features.then", "reserved_name", "then_"),
    (put("features", {}), "features", "too_few", None),
    (put("features", []), "features", "wrong_type", None),
    (put("sets.rsj", {"low": {"gaussian": [1, 2]}}), "sets.rsj", "unknown_feature", "rsi"),
    (put("sets.rsi.low", {"gausian": [25, 8]}), "sets.rsi.low.gausian", "unknown_key", "gaussian"),
    (put("sets.rsi.low", {}), "sets.rsi.low", "set_shape", "gaussian: [centre, width]"),
    (put("sets.rsi.low", {"gaussian": [1, 2], "sigmoid": [1, 2]}), "sets.rsi.low", "set_shape", "gaussian: [centre, width]"),
    (put("sets.rsi.low", {"gaussian": [25, 0]}), "sets.rsi.low", "set_numbers", "gaussian: [centre, width]"),
    (put("sets.rsi.low", {"gaussian": [25]}), "sets.rsi.low", "set_numbers", "gaussian: [centre, width]"),
    (put("sets.rsi.low", {"gaussian": [25, "8"]}), "sets.rsi.low.gaussian.1", "wrong_type", "8 without quotes"),
    (put("sets.rsi.low", {"gaussian": [25, 1e16]}), "sets.rsi.low.gaussian.1", "out_of_range", "1000000000000000.0"),
    (put("sets.rsi.low", {"sigmoid": [25, 0.0]}), "sets.rsi.low", "set_numbers", "sigmoid: [centre, slope]"),
    (put("sets.rsi.low", {"triangle": [3, 2, 9]}), "sets.rsi.low", "set_numbers", "triangle: [a, b, c]"),
    (put("sets.rsi.low", {"triangle": [2, 2, 2]}), "sets.rsi.low", "set_numbers", "triangle: [a, b, c]"),
    (put("sets.rsi.low", {"trapezoid": [1, 2, 4, 3]}), "sets.rsi.low", "set_numbers", "trapezoid: [a, b, c, d]"),
    (put("model.kind", "fuzzy_gro"), "model.kind", "unknown_value", "fuzzy_gru"),
    (put("model.rules", []), "model.rules", "too_few", None),
    (put("model.rules.0", "if rsi is low then lng 1"), "model.rules.0", "rule_syntax", "long"),
    (put("model.rules.0", "if rsj is low then long 1"), "model.rules.0", "unknown_feature", "rsi"),
    (put("model.rules.0", "if rsi is lo then long 1"), "model.rules.0", "unknown_set", "low"),
    (put("model.rules.0", "if slow is low then long 1"), "model.rules.0", "unknown_set", "there are no sets of slow"),
    (put("model.rules.0", 7), "model.rules.0", "wrong_type", None),
    (put("model.trainable", ["sets", "sets"]), "model.trainable", "repeated_value", "give each once"),
    (put("model.trainable", ["weights"]), "model.trainable.0", "unknown_value", "sets"),
    (put("labels.kind", "zig_zag"), "labels.kind", "unknown_value", "zigzag"),
    (put("labels.horizon", 41), "labels.horizon", "out_of_range", "40"),
    (put("labels.horizon", 0), "labels.horizon", "out_of_range", "1"),
    (put("labels.horizon", 5.5), "labels.horizon", "wrong_type", None),
    (put("labels.volatility_bars", 4), "labels.volatility_bars", "out_of_range", "5"),
    (put("training.learning_rate", 0), "training.learning_rate", "out_of_range", "1e-05"),
    (put("training.loss", "hubber"), "training.loss", "unknown_value", "huber"),
    (put("training.loss", "crossentropy"), "training.loss", "unknown_value", "cross_entropy"),
    (put("training.class_band", 3), "training.class_band", "out_of_range", "2.97"),
    (put("training.class_band", 0.5), "training", "foreign_part", "remove class_band, or loss: cross_entropy"),
    (put("training.focal_gamma", 2), "training", "foreign_part", "remove focal_gamma, or loss: focal"),
    (put("training.risk_aversion", 1), "training", "foreign_part", "remove risk_aversion, or loss: utility"),
    (put("training", {"loss": "utility", "class_weights": "none"}), "training", "foreign_part", "remove class_weights, or loss: cross_"),
    (put("training", {"class_band": 0.1, "risk_aversion": 1}), "training", "foreign_part", "remove class_band, risk_aversion"),
    (put("training", {"loss": "focal", "focal_gamma": 0}), "training.focal_gamma", "out_of_range", "0.1"),
    (
        put("training", {"loss": "focal", "class_weights": "equal"}),
        "training.class_weights",
        "unknown_value",
        "known values: none, balanced",
    ),
    (put("training", {"loss": "utility", "risk_aversion": -1}), "training.risk_aversion", "out_of_range", "0"),
    (put("training.schedule", "cosin"), "training.schedule", "unknown_value", "cosine"),
    (put("training.warmup_epochs", 2.5), "training.warmup_epochs", "wrong_type", "0"),
    (put("training.warmup_epochs", -1), "training.warmup_epochs", "out_of_range", "0"),
    (put("training.clip_norm", 0), "training.clip_norm", "out_of_range", "0.01"),
    (put("training.clip", 1), "training.clip", "unknown_key", "clip_norm"),
    (drop("decision"), "decision", "missing", "add `decision`"),
    (put("decision", {"long_above": None, "short_below": None}), "decision", "no_side", "long_above: 0.2"),
    (put("decision.short_below", 0.5), "decision", "thresholds_cross", "short_below: -0.2 and long_above: 0.2, say"),
    (put("decision.long_above", 1), "decision.long_above", "out_of_range", None),
    (put("decision.sizing.kind", "kely"), "decision.sizing.kind", "unknown_value", "kelly"),
    (put("decision.sizing.annual", 10), "decision.sizing.annual", "out_of_range", "1.0"),
    (put("decision.exits.stop_loss", {}), "decision.exits.stop_loss", "distance", "{atr: 3.0}, or null for none"),
    (put("decision.exits.stop_loss", {"atr": 2, "fraction": 0.1}), "decision.exits.stop_loss", "distance", "{atr: 3.0}, or null for none"),
    (put("decision.exits.stop_loss", {"atr": -1}), "decision.exits.stop_loss.atr", "out_of_range", "0.1"),
    (put("decision.exits.stop_loss", 3), "decision.exits.stop_loss", "wrong_type", None),
    (put("decision.exits.max_bars", 0), "decision.exits.max_bars", "out_of_range", "1"),
]


@pytest.mark.parametrize(("change", "path", "code", "suggestion"), BROKEN)
def test_each_error_tells_its_place_its_kind_and_the_nearest_fix(
    change: Callable[[Json], None], path: str, code: str, suggestion: str | None, example: str, vocabulary: Vocabulary
) -> None:
    document = load_document(example)
    change(document)
    issues = issues_of(document, vocabulary)
    found = [issue for issue in issues if (issue.path, issue.code) == (path, code)]
    assert len(found) == 1, issues
    assert found[0].message
    assert (found[0].suggestion or "").startswith(suggestion or "")
    assert suggestion is None or found[0].suggestion


def test_every_error_comes_at_once_whatever_its_kind(example: str, vocabulary: Vocabulary) -> None:
    broken = (
        example.replace("period: 200", "period: .nan")
        .replace("indicator: rsi,", "indicator: rsj,")
        .replace("horizon: 5", "horizon: 50")
        .replace("if rsi is high", "if rsi is hihg")
        .replace("[25, 8]", "[25, -8]")
        .replace("patience: 8", "patiense: 8")
        .replace("name: oversold", "name: one\nname: oversold")
    )
    codes = [issue.code for issue in issues_of(broken, vocabulary)]
    assert sorted(codes) == sorted(
        ["duplicate_key", "not_finite", "unknown_indicator", "out_of_range", "unknown_set", "set_numbers", "unknown_key"]
    )


def test_a_refused_value_is_not_reported_a_second_time(example: str, vocabulary: Vocabulary) -> None:
    issues = issues_of(example.replace("horizon: 5", "horizon: .inf"), vocabulary)
    assert [(issue.path, issue.code) for issue in issues] == [("labels.horizon", "not_finite")]


def test_an_error_in_a_rule_tells_the_column(example: str, vocabulary: Vocabulary) -> None:
    (issue,) = issues_of(example.replace("trend is up then long", "trend is upp then long"), vocabulary)
    assert (issue.path, issue.value, issue.suggestion) == ("model.rules.0", "upp", "up")
    assert issue.message.startswith("column 19:")


def test_thousands_of_errors_are_cut_short(vocabulary: Vocabulary) -> None:
    issues = issues_of({f"key{i}": i for i in range(5000)}, vocabulary)
    assert len(issues) == 101
    assert issues[-1].code == "too_many_errors"


def test_the_error_as_json_holds_every_issue(vocabulary: Vocabulary) -> None:
    with pytest.raises(SpecError) as caught:
        parse_strategy({"nullalpha": 1, "hypotesis": "x"}, vocabulary)
    errors = caught.value.to_dict()["errors"]
    assert isinstance(errors, list)
    assert set(errors[0]) == {"path", "code", "message", "value", "suggestion"}
    assert len(errors) > 5


@pytest.mark.parametrize(
    ("base", "own", "allowed"),
    [("1d", "1h", "1d or 1w"), ("4h", "1h", "4h or 1d or 1w"), ("1w", "1d", "1w"), ("15m", "5m", "15m or 30m or 1h or 4h or 1d or 1w")],
)
def test_a_feature_is_on_the_strategys_timeframe_or_a_longer_one(
    base: str, own: str, allowed: str, example: str, vocabulary: Vocabulary
) -> None:
    document: Json = load_document(example)
    document["timeframe"] = base
    document["features"]["slow"]["timeframe"] = own  # type: ignore[index]
    (issue,) = issues_of(document, vocabulary)
    assert (issue.path, issue.code, issue.suggestion) == ("features.slow.timeframe", "bad_timeframe", allowed)


def test_whole_numbers_may_be_written_as_floats(example: str, vocabulary: Vocabulary) -> None:
    spec, _ = parse_strategy(example.replace("horizon: 5", "horizon: 5.0").replace("nullalpha: 1", "nullalpha: 1.0"), vocabulary)
    assert spec.labels.horizon == 5


GARBAGE: list[object] = [
    None,
    True,
    "",
    "x",
    -1,
    0,
    10**25,
    1e308,
    [],
    {},
    [[]],
    {"x": {}},
    "if",
    [None],
    {"indicator": 3},
    ["rsi"] * 50,
    "é" * 600,
]


def places(node: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    here = [path] if path else []
    pairs = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
    return here + [deep for key, value in pairs for deep in places(value, (*path, key))]


def mutated(document: Json, rng: random.Random) -> Json:
    changed = copy.deepcopy(document)
    for _ in range(rng.randint(1, 4)):
        *parents, last = rng.choice(places(changed))
        parent: Any = changed
        for part in parents:
            parent = parent[part]
        action = rng.choice(["replace", "replace", "delete", "add"])
        if action == "replace":
            parent[last] = copy.deepcopy(rng.choice(GARBAGE))
        elif action == "delete":
            del parent[last]
        elif isinstance(parent, dict):
            parent[rng.choice(["", "x", "indicator", "Rules", "if", "gaussian", "1"])] = copy.deepcopy(rng.choice(GARBAGE))
        if not changed:
            break
    return changed


def refusals(documents: Iterable[Json | bytes], vocabulary: Vocabulary) -> list[SpecError]:
    found = []
    for document in documents:
        try:
            parse_strategy(document, vocabulary)
        except SpecError as error:
            found.append(error)
    return found


def test_mutated_documents_are_valid_or_refused_with_a_typed_error(example: str, vocabulary: Vocabulary) -> None:
    document, rng = load_document(example), random.Random(7)
    errors = refusals((mutated(document, rng) for _ in range(600)), vocabulary)
    assert len(errors) > 300
    assert all(issue.path and issue.code and issue.message for error in errors for issue in error.issues)


def damaged(data: bytes, rng: random.Random) -> bytes:
    broken = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(broken))
        broken[at : at + rng.randint(0, 3)] = bytes(rng.choice(b"{}[]:,&*!|>'\"%@`#-\n\t \x00\xff9a") for _ in range(rng.randint(0, 3)))
    return bytes(broken)


def test_texts_with_broken_bytes_are_valid_or_refused_with_a_typed_error(example: str, vocabulary: Vocabulary) -> None:
    rng = random.Random(11)
    errors = refusals((damaged(example.encode(), rng) for _ in range(300)), vocabulary)
    assert len(errors) > 100
    assert all(issue.path and issue.message for error in errors for issue in error.issues)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=15,
)
KEYS = ["nullalpha", "name", "features", "sets", "model", "labels", "training", "decision", "prediction", "instruments", "timeframe"]


@given(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), json_values, max_size=8))
def test_any_mapping_is_refused_with_a_typed_error(vocabulary: Vocabulary, values: Json) -> None:
    with pytest.raises(SpecError) as caught:
        parse_strategy(values, vocabulary)
    assert caught.value.issues


def test_the_language_imports_nothing_heavy() -> None:
    modules = "validate, explain, schema, drafting, yaml_form, lint, compile"
    code = f"import sys; from nullalpha.strategy import {modules}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"numpy", "pandas", "torch", "scipy", "talib", "numba", "sqlalchemy", "httpx"}
    assert heavy.isdisjoint(done.stdout.split())
