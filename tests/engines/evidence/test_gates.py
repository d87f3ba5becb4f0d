"""Gates and choice: verdicts, their order, and reasons that cite figures."""

import math
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nullalpha.core.errors import UsageError
from nullalpha.engines.evidence.gates import Assessment, EvidenceFigures, GateThresholds, judge, judge_validation
from nullalpha.engines.evidence.selection import Candidate, choose_k_best, rank_key

GOOD = EvidenceFigures(
    diverged=False,
    lookahead_clean=True,
    lookahead_findings=0,
    n_trades=150,
    n_entry_days=120,
    n_sessions=1700,
    n_parameters=20,
    n_independent_samples=400.0,
    sharpe=0.9,
    sharpe_se=0.3,
    excess_sharpe=0.6,
    excess_sharpe_se=0.28,
    random_entry_p=0.04,
    psr=0.97,
    min_track_sessions=900.0,
)
THRESHOLDS = GateThresholds()


def test_passing_every_gate_makes_a_candidate_never_a_shortlist() -> None:
    assessment = judge(GOOD, THRESHOLDS)
    assert (assessment.verdict, assessment.failed_gates) == ("iterate", ())
    assert assessment.reasons == (
        "excess Sharpe 0.60 (se 0.28) over 150 trades, random-entry p 0.040: passed the search gates, a candidate for validation",
    )


@pytest.mark.parametrize(
    ("change", "verdict", "gate", "cited"),
    [
        ({"diverged": True}, "reject", "training", "training diverged"),
        ({"lookahead_clean": False, "lookahead_findings": 7}, "reject", "lookahead", "7 attacks"),
        ({"lookahead_clean": None}, "iterate", "lookahead", "attack was not made"),
        (
            {"n_entry_days": 29},
            "reject",
            "trades",
            "29 trades out of sample opened on different days; at least 30 are needed for any claim",
        ),
        ({"n_entry_days": 1}, "reject", "trades", "1 trade out of sample opened"),
        ({"n_entry_days": None}, "reject", "trades", "opened on different days is not known"),
        (
            {"excess_sharpe": -0.21, "excess_sharpe_se": 0.24},
            "reject",
            "excess_sharpe",
            "excess Sharpe -0.21 (se 0.24) is not above 0: holding the instrument at the same exposure did better",
        ),
        ({"excess_sharpe": 0.0}, "reject", "excess_sharpe", "did as well"),
        ({"excess_sharpe": math.nan}, "reject", "excess_sharpe", "undefined"),
        ({"excess_sharpe": None}, "reject", "excess_sharpe", "undefined"),
        ({"random_entry_p": 0.35}, "iterate", "random_entry", "p 0.350 above 0.2"),
        ({"random_entry_p": None}, "iterate", "random_entry", "unproven"),
        ({"n_parameters": 60}, "iterate", "complexity", "60 trained parameters on 400 independent samples leave 6.7"),
        ({"n_independent_samples": None}, "iterate", "complexity", "unjudged"),
    ],
)
def test_each_gate_fails_alone_with_its_figures(change: dict[str, object], verdict: str, gate: str, cited: str) -> None:
    assessment = judge(replace(GOOD, **change), THRESHOLDS)
    assert (assessment.verdict, assessment.failed_gates) == (verdict, (gate,))
    assert cited in assessment.reasons[0]


def test_thresholds_are_the_boundaries_that_they_say() -> None:
    edge = replace(GOOD, n_entry_days=30, random_entry_p=0.2, n_parameters=40)
    assert judge(edge, THRESHOLDS).failed_gates == ()
    assert judge(replace(GOOD, excess_sharpe=0.5), replace(THRESHOLDS, kill_below=0.5)).failed_gates == ("excess_sharpe",)
    assert judge(replace(GOOD, n_parameters=0, n_independent_samples=None), THRESHOLDS).failed_gates == ()


def test_reasons_come_in_the_order_of_the_gates_and_the_worst_decides() -> None:
    bad = replace(GOOD, n_entry_days=4, excess_sharpe=-1.0, random_entry_p=0.9, n_parameters=999)
    assessment = judge(bad, THRESHOLDS)
    assert assessment.verdict == "reject"
    assert assessment.failed_gates == ("trades", "excess_sharpe", "random_entry", "complexity")
    assert len(assessment.reasons) == 4


def test_a_signal_that_reads_the_future_is_judged_by_nothing_else() -> None:
    assessment = judge(replace(GOOD, lookahead_clean=False, n_entry_days=0), THRESHOLDS)
    assert assessment.failed_gates == ("lookahead",)


def test_nothing_at_all_is_rejected_with_a_reason_for_each_missing_figure() -> None:
    assessment = judge(EvidenceFigures(), THRESHOLDS)
    assert assessment.verdict == "reject"
    assert assessment.failed_gates == ("lookahead", "trades", "excess_sharpe", "random_entry", "complexity")


@given(psr=st.none() | st.floats(0, 1), track=st.none() | st.floats(1, 1e6))
def test_the_probabilistic_ratio_and_the_track_it_needs_gate_nothing(psr: float | None, track: float | None) -> None:
    assessment = judge(replace(GOOD, psr=psr, min_track_sessions=track), THRESHOLDS)
    assert (assessment.verdict, assessment.failed_gates) == ("iterate", ())


_BEATS = ("beats_baseline", "beats_majority", "beats_linear", "beats_boosting")


def test_doubts_about_the_model_are_annotations() -> None:
    doubtful = replace(GOOD, collapsed=True, n_sessions=500, **dict.fromkeys(_BEATS, False))
    assessment = judge(doubtful, THRESHOLDS)
    assert assessment.verdict == "iterate"
    assert assessment.annotations == (
        "in more than half of its refits every signal of the test had the same sign",
        "in no more than half of its refits was the loss below that of always predicting 0, on the very rows by which early stopping "
        "chose the model",
        "in no more than half of its refits was the loss below that of always giving the usual answer, on the very rows by which early "
        "stopping chose the model",
        "in no more than half of its refits was the loss below that of a linear model, on the very rows by which early stopping chose "
        "the model",
        "in no more than half of its refits was the loss below that of gradient boosting, on the very rows by which early stopping chose "
        "the model",
        "500 sessions are short for this raw Sharpe ratio: it takes 900 to tell it from 0 at 95 %",
    )


def test_many_trades_on_few_days_are_few_bets() -> None:
    together = judge(replace(GOOD, n_trades=58, n_entry_days=29), THRESHOLDS)
    assert together.failed_gates == ("trades",)
    assert "29 trades" in together.reasons[0]


def test_every_figure_is_optional() -> None:
    assert all(getattr(EvidenceFigures(), field.name) is None for field in fields(EvidenceFigures))


@pytest.mark.parametrize(
    ("p", "verdict", "cited"),
    [
        (0.04, "shortlist", "excess Sharpe 0.50 on the validation zone with p 0.040 over all that was validated there is within q 0.10"),
        (0.1, "shortlist", "is within q 0.10"),
        (0.3, "reject", "p 0.300 over all that was validated there is not within q 0.10"),
        (None, "reject", "no p-value"),
        (math.nan, "reject", "no p-value"),
    ],
)
def test_only_the_joint_p_value_makes_a_shortlist(p: float | None, verdict: str, cited: str) -> None:
    assessment = judge_validation(judge(GOOD, THRESHOLDS), 0.5, p, 0.1)
    assert assessment.verdict == verdict
    assert cited in assessment.reasons[0]
    assert ("validation" in assessment.failed_gates) == (verdict == "reject")
    assert assessment.reasons[1:] == judge(GOOD, THRESHOLDS).reasons


def test_validation_does_not_revive_the_rejected() -> None:
    rejected = Assessment("reject", ("3 trades",), ("trades",))
    assert judge_validation(rejected, 2.0, 0.001, 0.1) == rejected


def candidate(name: str, excess: float, parameters: int = 5, verdict: str = "iterate", fingerprint: str = "") -> Candidate:
    return Candidate(name, fingerprint or name, verdict, excess, parameters)  # type: ignore[arg-type]


def test_the_best_are_by_excess_then_simplicity_then_fingerprint() -> None:
    field = [
        candidate("a", 0.5, 9),
        candidate("b", 0.5, 3),
        candidate("c", 0.7),
        candidate("d", 0.5, 3, fingerprint="a0"),
        candidate("e", 9.9, verdict="reject"),
        candidate("f", math.nan),
        candidate("g", 0.6, fingerprint="c"),
    ]
    assert [c.experiment_id for c in choose_k_best(field, 9)] == ["c", "d", "b", "a"]
    assert [c.experiment_id for c in choose_k_best(field, 2)] == ["c", "d"]
    assert choose_k_best(field, 0) == ()
    with pytest.raises(UsageError, match="k is -1"):
        choose_k_best(field, -1)


@given(st.permutations([candidate(str(i), (i * 7 % 5) / 10, i % 3) for i in range(12)]), st.integers(0, 14))
def test_the_choice_does_not_depend_on_the_order_of_arrival(field: list[Candidate], k: int) -> None:
    assert choose_k_best(field, k) == tuple(sorted(field, key=rank_key))[:k]
