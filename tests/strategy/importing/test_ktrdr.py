"""KTRDR strategies as documents: golden translations, every indicator, and what cannot be carried."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from nullalpha.engines.features.indicators.registry import VOCABULARY
from nullalpha.strategy.importing import Imported, import_ktrdr
from nullalpha.strategy.importing.ktrdr_indicators import KTRDR_INDICATORS, Target
from nullalpha.strategy.validate import parse_strategy

FILES = Path(__file__).parents[1] / "ktrdr"
CARRIED = ("dip_buyer_mlp", "three_frames_lstm", "edge_gru", "indicator_parade")


def imported(name: str) -> Imported:
    return import_ktrdr((FILES / f"{name}.yaml").read_bytes(), VOCABULARY)


def small(**changes: Any) -> dict[str, Any]:
    """A whole strategy of version 3 with nothing remarkable, and changes of its sections."""
    return {
        "name": "small",
        "version": "3.0",
        "hypothesis": "It may.",
        "training_data": {
            "symbols": {"mode": "single", "symbol": "EURUSD"},
            "timeframes": {"mode": "single", "timeframe": "1d"},
        },
        "indicators": {"one": {"type": "rsi", "period": 14}},
        "fuzzy_sets": {"zone": {"indicator": "one", "low": [0, 20, 40], "high": [60, 80, 100]}},
        "nn_inputs": [{"fuzzy_set": "zone", "timeframes": "all"}],
        "model": {"type": "mlp", "architecture": {"hidden_layers": [8], "dropout": 0.1}},
        "decisions": {"output_format": "classification", "confidence_threshold": 0.6, "filters": {"min_signal_separation": 48}},
        "training": {
            "labels": {"source": "forward_return", "horizon": 5},
            "epochs": 20,
            "batch_size": 64,
            "learning_rate": 0.01,
            "loss": "huber",
            "early_stopping": {"patience": 5},
        },
    } | changes


def translate(document: Mapping[str, Any]) -> Imported:
    return import_ktrdr(yaml.safe_dump(dict(document), sort_keys=False), VOCABULARY)


def errors_of(result: Imported) -> dict[str, str]:
    return {error.path: error.code for error in result.errors}


def notes_at(result: Imported, path: str) -> str:
    return " | ".join(note.message for note in result.notes if note.path == path)


def test_a_mean_reversion_classifier_becomes_this_document() -> None:
    result = imported("dip_buyer_mlp")
    assert result.errors == ()
    assert result.document == {
        "nullalpha": 1,
        "name": "dip_buyer",
        "hypothesis": "Buys short dips of a slow uptrend and leaves them when the oscillators agree that the bounce is over.",
        "instruments": ["EURUSD"],
        "timeframe": "1h",
        "features": {
            "rsi_9": {"indicator": "rsi", "period": 9},
            "willr_21": {"indicator": "williams_r", "period": 21},
            "roc_12": {"indicator": "roc", "period": 12},
        },
        "sets": {
            "rsi_9": {
                "oversold": {"triangle": [0, 18, 36]},
                "neutral": {"triangle": [30, 50, 70]},
                "over_bought": {"triangle": [64, 82, 100]},
            },
            "willr_21": {"low": {"trapezoid": [-1, -1, -0.9, -0.75]}, "high": {"trapezoid": [-0.25, -0.1, 0, 0]}},
            "roc_12": {"falling": {"gaussian": [-0.008, 0.005]}, "rising": {"gaussian": [0.008, 0.005]}},
        },
        "model": {"kind": "fuzzy_mlp", "hidden": [24, 12], "dropout": 0.15},
        "labels": {"kind": "zigzag", "horizon": 24, "barrier": 1.0},
        "training": {"epochs": 80, "batch_size": 64, "learning_rate": 0.002, "patience": 12, "loss": "huber"},
        "decision": {"long_above": 0.4, "short_below": None, "long_exit_below": -0.4, "separation": 6},  # (3 x 0.6 - 1) / 2
    }


def test_every_change_of_it_is_noted_where_it_happens() -> None:
    result = imported("dip_buyer_mlp")
    assert "multiplied by 0.01" in notes_at(result, "indicators.willr_21")
    assert "multiplied by 0.01" in notes_at(result, "indicators.roc_12")
    assert "becomes the set over_bought" in notes_at(result, "fuzzy_sets.rsi_zone.over-bought")
    assert "not at 0.02 of the price" in notes_at(result, "training.labels.zigzag_threshold")
    assert "no short position" in notes_at(result, "decisions.confidence_threshold")
    for place in ("start_date", "end_date", "history_required"):
        assert "campaign" in notes_at(result, f"training_data.{place}")
    for place in ("deployment", "training.data_split", "model.architecture.activation", "model.training.optimizer"):
        assert "left out" in notes_at(result, place)


def test_timeframes_and_markets_are_carried_and_sets_of_one_quantity_share_a_feature() -> None:
    result = imported("three_frames_lstm")
    assert result.errors == ()
    document = result.document
    assert document is not None
    assert document["instruments"] == ["EURUSD", "GBPUSD", "USDJPY"]
    assert document["timeframe"] == "1h"
    assert document["features"] == {
        "rsi_14": {"indicator": "rsi", "period": 14},
        "rsi_14_4h": {"indicator": "rsi", "period": 14, "timeframe": "4h"},
        "trend": {"indicator": "adx", "period": 20},
        "trend_4h": {"indicator": "adx", "period": 20, "timeframe": "4h"},
        "trend_1d": {"indicator": "adx", "period": 20, "timeframe": "1d"},
        "trend_plus_di_1d": {"indicator": "adx", "period": 20, "output": "plus_di", "timeframe": "1d"},
        "macd_main_histogram_4h": {"indicator": "macd", "fast": 8, "slow": 30, "signal": 7, "output": "histogram", "timeframe": "4h"},
    }
    sets: Any = document["sets"]
    assert sets["rsi_14"] == {
        "low": {"triangle": [10, 25, 40]},
        "high": {"triangle": [60, 75, 90]},
        "rsi_slow_low": {"triangle": [20, 30, 45]},
        "rsi_slow_high": {"triangle": [55, 70, 80]},
    }
    assert sets["rsi_14_4h"] == {"low": {"triangle": [20, 30, 45]}, "high": {"triangle": [55, 70, 80]}}
    assert document["model"] == {"kind": "fuzzy_lstm", "hidden": [48], "lookback": 24, "dropout": 0.25}
    assert "one recurrent layer" in notes_at(result, "model.architecture.num_layers")
    assert "no input reads it" in notes_at(result, "fuzzy_sets.idle")
    assert "no fuzzy set" in notes_at(result, "indicators.spare_sma")


def test_triple_barriers_are_rescaled_and_sampling_and_weights_are_carried() -> None:
    result = imported("three_frames_lstm")
    assert result.document is not None
    assert result.document["labels"] == {
        "kind": "triple_barrier",
        "horizon": 36,
        "barrier": 0.3333,  # 2 volatilities of a bar over sqrt(36)
        "volatility_bars": 40,
        "weights": "uniqueness",
        "cusum": 1.0,  # twice KTRDR's multiplier
    }
    assert result.document["training"] == {
        "epochs": 150,
        "batch_size": 128,
        "learning_rate": 0.0015,
        "patience": 18,
        "loss": "focal",
        "focal_gamma": 2.0,
    }
    assert "focal becomes focal" in notes_at(result, "training.loss")


def test_barriers_in_ranges_become_volatilities_by_the_range_of_a_brownian_motion() -> None:
    labels = {"source": "triple_barrier", "pt_multiplier": 3.0, "sl_multiplier": 1.0, "max_holding_period": 16, "vol_span": 20}
    result = translate(small(training={**small()["training"], "labels": labels}))
    assert result.document is not None
    assert result.document["labels"] == {"kind": "triple_barrier", "horizon": 16, "barrier": 0.7979, "volatility_bars": 20}
    assert math.isclose(2 * math.sqrt(8 / math.pi) / 4, 0.7979, abs_tol=5e-5)  # mean of 3 and 1, ranges to volatilities, over sqrt(16)
    assert "3 above and 1 below" in notes_at(result, "training.labels")


def test_a_regression_reads_another_market_and_trades_both_sides() -> None:
    result = imported("edge_gru")
    assert result.errors == ()
    document = result.document
    assert document is not None
    assert document["features"] == {
        "own_rsi": {"indicator": "rsi", "period": 10},
        "other_rsi": {"indicator": "rsi", "period": 10, "of": "GBPUSD"},
        "stretch": {"indicator": "distance_from_ema", "period": 40},
    }
    sets: Any = document["sets"]
    assert sets["stretch"] == {"below": {"triangle": [-0.03, -0.015, 0]}, "above": {"triangle": [0, 0.015, 0.03]}}
    assert document["model"] == {"kind": "fuzzy_gru", "hidden": [32], "lookback": 12, "dropout": 0.1}
    assert document["labels"] == {"kind": "forward_return", "horizon": 10}
    training: Any = document["training"]
    assert (training["loss"], training["patience"]) == ("mse", 60)
    assert document["decision"] == {"long_above": 0.0, "short_below": 0.0, "separation": 2}  # 8 hours of 4-hour bars
    assert "campaign" in notes_at(result, "decisions.cost_model.round_trip_cost")
    assert "imported as data" in notes_at(result, "context_data.1")


def test_sixteen_quantities_come_with_our_parameters_outputs_and_units() -> None:
    result = imported("indicator_parade")
    assert result.errors == ()
    document: Any = result.document
    deviations = 2.0519567  # 2 sqrt(20 / 19): bands of the sample's deviation
    assert document["features"] == {
        "stoch_d": {"indicator": "stochastic", "period": 10, "smooth_k": 2, "smooth_d": 4, "output": "d"},
        "cci_30": {"indicator": "cci", "period": 30},
        "aroon_20": {"indicator": "aroon", "period": 20},
        "fisher_12": {"indicator": "fisher", "period": 12, "smoothing": 4},
        "vigor_signal": {"indicator": "rvi", "period": 12, "signal": 5, "output": "signal"},
        "flow": {"indicator": "cmf", "period": 15},
        "mfi_10": {"indicator": "mfi", "period": 10},
        "width": {"indicator": "bollinger_width", "period": 20, "deviations": deviations},
        "bands": {"indicator": "bollinger", "period": 20, "deviations": deviations},
        "channel": {"indicator": "keltner", "period": 30, "atr_period": 12, "multiplier": 1.5},
        "breakout_lower": {"indicator": "donchian", "period": 55, "output": "lower"},
        "turn_direction": {"indicator": "supertrend", "period": 12, "multiplier": 2.5, "output": "direction"},
        "stop": {"indicator": "psar", "acceleration": 0.03, "maximum": 0.3},
        "cloud_senkou_a": {
            "indicator": "ichimoku",
            "tenkan": 8,
            "kijun": 24,
            "senkou": 48,
            "displacement": 24,
            "output": "senkou_a",
        },
        "squeeze": {
            "indicator": "squeeze_intensity",
            "period": 20,
            "deviations": deviations,
            "keltner_period": 20,
            "atr_period": 10,
            "multiplier": 1.5,
        },
        "traded": {"indicator": "volume_ratio", "period": 30},
    }
    assert document["sets"]["aroon_20"] == {"fresh": {"triangle": [0.6, 1, 1]}}
    assert document["sets"]["squeeze"] == {"tight": {"triangle": [0.2, 0.6, 1.0]}}  # of half the channel
    assert document["labels"] == {"kind": "regime", "of": "trend", "horizon": 20, "volatility_bars": 120}
    assert document["decision"] == {"long_above": 0.55, "short_below": None, "long_exit_below": -0.1}  # 0.7 to buy, 0.4 to sell


@pytest.mark.parametrize(
    ("kind", "output"), [(kind, output) for kind, one in KTRDR_INDICATORS.items() for output in one.outputs], ids=lambda part: part or "-"
)
def test_each_output_of_each_indicator_is_carried_or_refused_by_name(kind: str, output: str) -> None:
    reference = f"one.{output}" if output else "one"
    changes = {"indicators": {"one": {"type": kind}}, "fuzzy_sets": {"zone": {"indicator": reference, "low": [0, 1, 2]}}}
    result = translate(small(**changes))
    target = KTRDR_INDICATORS[kind].outputs[output]
    if isinstance(target, Target):
        assert errors_of(result) == {}
        assert result.document is not None
        feature = next(iter(result.document["features"].values()))  # type: ignore[attr-defined]
        assert feature["indicator"] == target.indicator
        written = {name for name in feature if name not in ("indicator", "output")}
        assert written == set(target.parameters)
    else:
        assert errors_of(result) == {"indicators.one": "unsupported"}
        assert target in result.errors[0].message


@pytest.mark.parametrize("spelling", ["RSI", "rsi", "Rsi", "RSIIndicator"])
def test_types_are_read_in_any_spelling(spelling: str) -> None:
    assert translate(small(indicators={"one": {"type": spelling, "period": 14}})).errors == ()


def test_an_indicator_of_another_price_is_carried_where_ours_takes_an_input() -> None:
    result = translate(small(indicators={"one": {"type": "sma", "period": 20, "source": "high"}}))
    assert result.document is not None
    assert result.document["features"] == {"one": {"indicator": "sma", "period": 20, "input": "high"}}
    refused = translate(small(indicators={"one": {"type": "cci", "period": 20, "source": "open"}}))
    assert errors_of(refused) == {"indicators.one.source": "unsupported"}


def test_all_that_cannot_be_carried_is_an_error_at_its_place() -> None:
    result = imported("beyond_reach")
    assert result.document is None
    assert errors_of(result) == {
        "training_data.symbols.selection_criteria": "unsupported",
        "training_data.timeframes.list": "bad_timeframe",
        "fuzzy_sets.round_set.low.type": "unknown_shape",
        "fuzzy_sets.round_set.high": "set_numbers",
        "indicators.long_rsi.window": "unknown_key",
        "indicators.hull.type": "unknown_indicator",
        "indicators.vw.use_typical_price": "unsupported",
        "indicators.swing": "unsupported",
        "nn_inputs.0.timeframes": "shorter_timeframe",
        "nn_inputs.1.timeframes": "shorter_timeframe",
        "nn_inputs.1.fuzzy_set": "unknown_fuzzy_set",
        "nn_inputs.2.raw_indicator": "unsupported",
        "model.type": "unsupported",
        "training.method": "unsupported",
        "training.labels.source": "unsupported",
        "training.epochs": "out_of_range",
        "training.loss": "unsupported",
        "decisions.confidence_threshold": "out_of_range",
        "decisions.position_awareness": "unsupported",
        "decisions.filters.volume_filter": "unsupported",
        "decisions.filters.news_filter": "unknown_key",
        "experimental": "unknown_key",
    }
    assert "changes after the fact" in next(error.message for error in result.errors if error.path == "indicators.swing")


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({"indicators": [{"name": "rsi"}]}, "indicators", "not_version_3"),
        ({"nn_inputs": None}, "nn_inputs", "not_version_3"),
        ({"name": None}, "name", "missing"),
        ({"model": None}, "model", "missing"),
        ({"indicators": {"one": {"type": "rsi", "period": 5000}}}, "indicators.one.period", "out_of_range"),
        ({"indicators": {"one": {"type": "rsi", "period": 14.5}}}, "indicators.one.period", "out_of_range"),
        ({"indicators": {"one": {"type": "macd", "fast": 12, "fast_period": 8}}}, "indicators.one.fast_period", "conflict"),
        ({"indicators": {"one": {"type": "parabolicsar", "initial_af": 0.01}}}, "indicators.one.initial_af", "unsupported"),
        ({"indicators": {"one": {"type": "rsi", "data_source": "DGS2"}}}, "indicators.one.data_source", "unsupported"),
        ({"fuzzy_sets": {"zone": {"indicator": "two", "low": [0, 1, 2]}}}, "fuzzy_sets.zone.indicator", "unknown_indicator"),
        ({"fuzzy_sets": {"zone": {"indicator": "one.line", "low": [0, 1, 2]}}}, "fuzzy_sets.zone.indicator", "unknown_output"),
        ({"fuzzy_sets": {"zone": {"indicator": "one", "low": [0, 1]}}}, "fuzzy_sets.zone.low", "set_numbers"),
        ({"fuzzy_sets": {"zone": {"indicator": "one", "low": ["a", 1, 2]}}}, "fuzzy_sets.zone.low", "wrong_type"),
        ({"fuzzy_sets": {"zone": {"indicator": "one"}}}, "fuzzy_sets.zone", "missing"),
        ({"nn_inputs": [{"fuzzy_set": "zone", "timeframes": ["1w", "1h"]}]}, "nn_inputs.0.timeframes", "unknown_timeframe"),
        ({"nn_inputs": "zone"}, "nn_inputs", "wrong_type"),
        ({"model": {"type": "lstm", "architecture": {"dropout": 0.1}}}, "model.architecture.sequence_length", "missing"),
        ({"model": {"type": "mlp", "architecture": {"hidden_layers": [9, 9, 9, 9]}}}, "model.architecture.hidden_layers", "too_many"),
        ({"decisions": {"output_format": "signal"}}, "decisions.output_format", "unsupported"),
        ({"decisions": {"confidence_threshold": "high"}}, "decisions.confidence_threshold", "wrong_type"),
        ({"context_data": {"provider": "ib"}}, "context_data", "wrong_type"),
    ],
)
def test_a_broken_part_is_named_by_its_path(changes: dict[str, Any], path: str, code: str) -> None:
    result = translate(small(**changes))
    assert result.document is None
    assert errors_of(result)[path] == code


def test_an_error_says_the_nearest_fix() -> None:
    result = translate(small(indicators={"one": {"type": "rsi", "period": 5000}}))
    error = result.errors[0]
    assert error.value == "5000"
    assert error.suggestion == f"{VOCABULARY['rsi'].parameters[0].high:g}"


def test_more_than_nine_sets_of_one_quantity_become_two_features() -> None:
    sets = {f"zone{i}": {"indicator": "one", **{f"level{j}": [10 * j, 10 * j + 5, 10 * j + 10] for j in range(5)}} for i in range(2)}
    result = translate(small(fuzzy_sets=sets, nn_inputs=[{"fuzzy_set": name, "timeframes": ["1d"]} for name in sets]))
    assert result.document is not None
    features: Any = result.document["features"]
    assert list(features) == ["one", "one_2"]
    assert features["one"] == features["one_2"]


def test_hours_between_trades_become_bars_of_the_base_timeframe() -> None:
    def separation(hours: float, frame: str) -> object:
        data = {"symbols": {"symbol": "EURUSD"}, "timeframes": {"mode": "single", "timeframe": frame}}
        decisions = {"confidence_threshold": 0.5, "filters": {"min_signal_separation": hours}}
        document = translate(small(training_data=data, decisions=decisions)).document
        assert document is not None
        return document["decision"].get("separation")  # type: ignore[attr-defined]

    assert separation(4, "15m") == 16
    assert separation(5, "4h") == 2
    assert separation(4, "1d") is None
    assert separation(48, "1d") == 2


@pytest.mark.parametrize("name", CARRIED)
def test_what_is_carried_is_a_valid_strategy(name: str) -> None:
    document = imported(name).document
    assert document is not None
    spec, _ = parse_strategy(document, VOCABULARY)
    assert spec.model.kind.startswith("fuzzy_")


@pytest.mark.parametrize("name", CARRIED)
def test_the_same_file_gives_the_same_document(name: str) -> None:
    assert imported(name) == imported(name)


def test_a_text_that_is_no_document_is_an_error_and_not_a_traceback() -> None:
    for text in ("", "- 1", "a: &b 1", "!!python/object/apply:os.system ['true']", b"\xff\xfe\x00", "{" * 2000, "a: 1\na: 2"):
        result = import_ktrdr(text, VOCABULARY)
        assert result.document is None
        assert result.errors
        assert all(error.path and error.code and error.message for error in result.errors)
