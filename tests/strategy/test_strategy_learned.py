from __future__ import annotations

from typing import Any

from nullalpha.strategy.learned import describe_baselines, describe_learned, describe_prunings, describe_trained_set, needed_rules


def learned_rule(text: str, **changes: Any) -> dict[str, Any]:
    coefficients = [{"feature": "trend", "value": -0.125}, {"feature": "rsi", "value": 0.0}]
    sets = [{"feature": "rsi", "name": "low", "shape": "gaussian", "params": [28.12345, 7.5]}]
    figures = {"firing_share": 0.625, "contribution": 0.5, "lean": 0.02, "bias": 0.4, "coefficients": coefficients, "sets": sets}
    return {"text": text, "member": "", **figures, **changes}


LEARNED = """\
What it learned on SPX, in its last training window:
- if rsi is low then long 1.0: has 62% of the say, makes up 50% of the output, leans long; its answer is 0.4 -0.125 x trend \
(features in standard deviations)
    rsi is low: gaussian [28.12, 7.5]
- (calm) if rsi is high then short 1.0: has 38% of the say, makes up none of the output, leans neither way; its answer is -1
    rsi is low: gaussian [28.12, 7.5]"""


def test_learned_rules_are_told_with_their_say_their_part_and_their_sets() -> None:
    other = {"member": "calm", "firing_share": 0.375, "contribution": None, "lean": 0.0, "bias": -1.0, "coefficients": []}
    rules = [learned_rule("if rsi is low then long 1.0"), learned_rule("if rsi is high then short 1.0", **other)]
    assert describe_learned({"rules": {"SPX": rules}, "set_influences": {"SPX": []}}) == [LEARNED]


def test_what_moves_a_network_is_told_set_by_set_and_instrument_by_instrument() -> None:
    low = {"member": "", "feature": "rsi", "name": "low", "share": 0.75, "lean": 0.1}
    high = {"member": "router", "feature": "rsi", "name": "high", "share": 0.25, "lean": -0.1}
    paragraphs = describe_learned({"rules": {"IXIC": [], "SPX": []}, "set_influences": {"IXIC": [low], "SPX": [low, high]}})
    assert [paragraph.splitlines() for paragraph in paragraphs] == [
        [f"What moves its answer on {symbol}, in its last training window:", *lines]
        for symbol, lines in (
            ("IXIC", ["- rsi is low: 75% of all influence, leans long"]),
            ("SPX", ["- rsi is low: 75% of all influence, leans long", "- (router) rsi is high: 25% of all influence, leans short"]),
        )
    ]


def test_a_result_without_a_model_tells_nothing() -> None:
    assert describe_learned({}) == []
    assert describe_learned({"rules": None}) == []


def step(n_rules: int, **changes: Any) -> dict[str, Any]:
    return {"n_rules": n_rules, "r2": 1.0, "correlation": 1.0, "side_agreement": 1.0, "stop_loss": 0.43, **changes}


def pruning(**changes: Any) -> dict[str, Any]:
    """Seven rules of which three, the first and the last two, say nearly the same."""
    three = step(3, r2=0.974, side_agreement=0.991, stop_loss=0.4312)
    steps = [step(n) for n in (7, 6, 5, 4)] + [three, step(2, r2=0.7), step(1, r2=0.4)]
    least = {"r2": 0.95, "side_agreement": 0.98}
    return {"member": "", "least": least, "kept": [0, 5, 6], "fidelity": three, "steps": steps, "alike": [], **changes}


def test_how_few_rules_say_nearly_the_same_is_told_with_what_it_costs() -> None:
    assert describe_prunings([pruning()]) == [
        "3 of 7 rules give 0.97 of what it says (R2); side agreement 0.99; loss 0.4312, 0.4300 with all",
    ]
    alike = {"feature": "rsi", "first": "low", "second": "lowish", "overlap": 0.934}
    steps = [step(2), step(1, r2=None, side_agreement=0.6, stop_loss=None)]
    assert describe_prunings([pruning(member="calm", kept=[0, 1], fidelity=steps[0], steps=steps, alike=[alike])]) == [
        "(calm) none of its 2 rules can go: without the least of them R2 unknown, side agreement 0.600, where 0.95 and 0.98 are asked",
        "(calm) rsi is low and is lowish could be one set (overlap 0.93)",
    ]
    assert describe_prunings([pruning(kept=[0], fidelity=step(1), steps=[step(1)])]) == []


def test_rules_that_could_go_are_marked_member_by_member() -> None:
    rules = [learned_rule(f"rule {i}", member=member) for i, member in enumerate(["a", "a", "b", "c", "a"])]
    prunings = [pruning(member="a", kept=[0, 2]), pruning(member="b", kept=[])]
    assert needed_rules(rules, prunings) == [True, False, False, True, True]
    assert needed_rules(rules, []) == [True] * 5
    body = {"rules": {"SPX": [learned_rule("rule 0", weight=0.5), learned_rule("rule 1", weight=1.0)]}}
    (text,) = describe_learned(body | {"pruning": {"SPX": [pruning(kept=[0], steps=[step(2), step(1)], fidelity=step(1))]}})
    first, _, second, _, cost = text.splitlines()[1:]
    assert "has 62% of the say, at weight 0.5, makes up" in first
    assert not first.endswith("could go")
    assert second.endswith("(features in standard deviations); it could go")
    assert cost == "- 1 of 2 rules give 1.00 of what it says (R2); side agreement 1.00; loss 0.4300, 0.4300 with all"


def test_a_set_is_told_by_where_it_ended_up_and_warns_when_it_left_its_name() -> None:
    one = {"feature": "rsi", "name": "low", "shape": "gaussian", "params": [58.1234, 7.5]}
    placed = one | {"moved": 0.4, "moved_far": False, "membership": 0.1234, "place": 0.2, "word": "low"}
    assert describe_trained_set(placed) == ("rsi is low: gaussian [58.12, 7.5], now low, true of 12% of its training bars")
    assert describe_trained_set(placed | {"moved": -3.26, "moved_far": True, "word": "very high"}) == (
        "rsi is low: gaussian [58.12, 7.5], now very high, true of 12% of its training bars; "
        "it moved down by 3.3 of its widths, so read its name with care"
    )
    assert describe_trained_set(placed | {"membership": 0.0, "place": None, "word": "nowhere"}) == (
        "rsi is low: gaussian [58.12, 7.5], now nowhere, true of 0% of its training bars"
    )
    network = {"member": "", "share": 0.75, "lean": 0.1, **placed, "moved": 2.0, "moved_far": True}
    (paragraph,) = describe_learned({"set_influences": {"SPX": [network]}})
    assert "moved up by 2.0 of its widths" in paragraph


def test_baselines_are_told_by_how_many_refits_beat_them() -> None:
    def fold(model: float | None, zero: float, boosting: float) -> dict[str, Any]:
        return {"baselines": {"model_loss": model, "zero_loss": zero, "majority_loss": 0.5, "linear_loss": 0.5, "boosting_loss": boosting}}

    folds = [fold(0.4, 0.5, 0.3), fold(0.5, 0.5, 0.3), fold(None, 0.5, 0.6), {"baselines": None}]
    told = (
        "On the rows that chose when to stop, its loss is below that of predicting nothing in 1 of 3; always giving the usual answer in "
        "1 of 3; a linear model in 1 of 3; gradient boosting in 0 of 3 refits."
    )
    assert describe_baselines(folds) == told
    assert describe_learned({"folds": folds}) == [told]
    assert describe_baselines([{"baselines": None}]) == describe_baselines([]) == ""
