"""Sets and complements of a block against the tensor engine's, slopes against autograd, and what holds them legible against its rule."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.engines.training.fused.adam import keep_legible_nb, set_limits
from nullalpha.engines.training.fused.blocks import ROWS
from nullalpha.engines.training.fused.sets import add_set_slopes_nb, log_memberships_nb, set_table
from nullalpha.engines.training.legible import legible, set_rule
from nullalpha.engines.training.membership import encode_sets, set_bank, set_params
from nullalpha.engines.training.structure import RuleStructure
from nullalpha.strategy.plan import SetPlan

SETS = (
    SetPlan(0, "fall", "sigmoid", (0.3, -2.0)),
    SetPlan(1, "middle", "gaussian", (0.1, 0.8)),
    SetPlan(0, "peak", "triangle", (-1.2, 0.0, 1.9)),
    SetPlan(1, "round", "bell", (-0.4, 0.7, 1.6)),
    SetPlan(2, "plateau", "trapezoid", (-1.5, -0.4, 0.6, 2.0)),
    SetPlan(2, "upright", "trapezoid", (-0.8, -0.8, 0.2, 1.1)),
    SetPlan(0, "rise", "sigmoid", (-0.2, 3.0)),
    SetPlan(2, "low", "triangle", (-1.0, 0.9, 0.9)),
)
WITH_COMPLEMENTS = RuleStructure((1,), (3,), (0, 6), (2, 4, 5, 7), (0,), (0,), (1,), (0, 2), groups=(), outputs=())
MEAN, SCALE = np.zeros(3), np.ones(3)
CODE = encode_sets(SETS, WITH_COMPLEMENTS, set_params(SETS), MEAN, SCALE)


def _rows(seed: int) -> np.ndarray:
    x = 1.3 * np.random.default_rng(seed).standard_normal((3, ROWS))
    x[0, 0], x[1, 1] = 30.0, -30.0  # far from every set
    return x.astype(np.float32)


def test_memberships_and_complements_equal_the_tensor_engines() -> None:
    order = WITH_COMPLEMENTS.set_order
    x = _rows(1)
    log_truth = np.full((len(order) + WITH_COMPLEMENTS.n_negated, ROWS), np.nan, np.float32)
    log_memberships_nb(set_table(SETS, WITH_COMPLEMENTS, order), CODE.astype(np.float32), x, log_truth)
    bank = set_bank(SETS, WITH_COMPLEMENTS, torch.device("cpu"), torch.float64)
    x_sets = torch.tensor(x[[SETS[i].feature for i in order]].T[None], dtype=torch.float64)
    expected = bank.log_memberships(torch.tensor(CODE[None]), x_sets)[0].numpy().T
    np.testing.assert_allclose(log_truth, expected, rtol=5e-6, atol=2e-6)


def test_slopes_equal_autograds() -> None:
    order = WITH_COMPLEMENTS.set_order
    x, rng = _rows(2), np.random.default_rng(5)
    x[0, 0], x[1, 1] = 1.0, -1.0
    table, code = set_table(SETS, WITH_COMPLEMENTS, order), CODE.astype(np.float32)
    log_truth = np.zeros((len(order) + WITH_COMPLEMENTS.n_negated, ROWS), np.float32)
    by_log = rng.standard_normal(log_truth.shape).astype(np.float32)
    gradient = np.ones(len(code), np.float32)
    log_memberships_nb(table, code, x, log_truth)
    by_log[np.abs(log_truth) > 5] = 0  # near a corner float32 leaves the log of a truth few digits, and at its floor it is a constant
    wide = torch.tensor(code[None], dtype=torch.float64, requires_grad=True)
    bank = set_bank(SETS, WITH_COMPLEMENTS, torch.device("cpu"), torch.float64)
    x_sets = torch.tensor(x[[SETS[i].feature for i in order]].T[None], dtype=torch.float64)
    (expected,) = torch.autograd.grad(bank.log_memberships(wide, x_sets), wide, torch.tensor(by_log.T[None], dtype=torch.float64))
    add_set_slopes_nb(table, code, x, log_truth, by_log.copy(), gradient)
    np.testing.assert_allclose(gradient - 1, expected[0].numpy(), rtol=5e-5, atol=5e-4)


def test_a_set_reads_its_own_numbers_whatever_the_order_of_columns() -> None:
    """A gaussian at 0.1 of width 0.8 is e^-0.5 true 0.8 away from its centre, first column or last."""
    x = np.full((3, ROWS), 0.9, np.float32)
    plain = RuleStructure((1,), (3,), (0, 6), (2, 4, 5, 7), (), (), (), (), groups=(), outputs=())
    log_truth = np.zeros((len(SETS), ROWS), np.float32)
    log_memberships_nb(set_table(SETS, plain, range(len(SETS))), CODE.astype(np.float32), x, log_truth)
    np.testing.assert_allclose(log_truth[1], -0.5, rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-12, 12, width=32), min_size=len(CODE), max_size=len(CODE)), st.floats(0, 1))
def test_a_code_is_put_back_within_its_rule_as_the_rule_says(moves: list[float], how_far: float) -> None:
    rule = set_rule(SETS, WITH_COMPLEMENTS, CODE)
    moved = (CODE + how_far * np.array(moves)).astype(np.float32)
    kept = moved.copy()
    keep_legible_nb(kept, set_limits(rule), np.zeros(len(SETS), np.float32), np.zeros(len(SETS), np.float32))
    expected = legible(moved.astype(np.float64), rule)
    np.testing.assert_allclose(kept, expected, atol=1e-4, rtol=1e-4)


def test_a_code_that_keeps_its_rule_stays_as_it_is_to_the_bit() -> None:
    rule = set_rule(SETS, WITH_COMPLEMENTS, CODE)
    code = CODE.astype(np.float32)
    kept = code.copy()
    keep_legible_nb(kept, set_limits(rule), np.zeros(len(SETS), np.float32), np.zeros(len(SETS), np.float32))
    within = np.isfinite(rule.least) & ((code < rule.least) | (code > rule.most))
    assert (kept == code)[~within].all()


def test_without_trained_sets_nothing_is_put_back() -> None:
    numbers = np.array([1e9, -1e9], np.float32)
    keep_legible_nb(numbers[:0], set_limits(None), np.zeros(0, np.float32), np.zeros(0, np.float32))
    assert numbers.tolist() == [1e9, -1e9]
