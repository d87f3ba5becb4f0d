"""Tiles against NumPy's own products in float64, for shapes that leave every kind of rest."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nullalpha.engines.training.fused.blocks import ROWS
from nullalpha.engines.training.fused.tiles import add_outputs_nb, add_weight_slopes_nb

counts = st.integers(0, 11)
seeds = st.integers(0, 2**32 - 1)


def _some(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


@settings(deadline=None)
@given(n_outputs=counts, n_inputs=counts, beside=st.integers(0, 3), seed=seeds)
def test_outputs_equal_numpys(n_outputs: int, n_inputs: int, beside: int, seed: int) -> None:
    """`beside` weights of another layer lie between one input's weights and the next one's."""
    rng = np.random.default_rng(seed)
    weights, inputs, outputs = _some(rng, n_inputs, n_outputs + beside), _some(rng, n_inputs, ROWS), _some(rng, n_outputs, ROWS)
    expected = outputs + weights[:, :n_outputs].T.astype(np.float64) @ inputs
    add_outputs_nb(weights.reshape(-1), (1, n_outputs + beside), (n_outputs, n_inputs), inputs.reshape(-1), outputs.reshape(-1))
    np.testing.assert_allclose(outputs, expected, atol=2e-5)


@settings(deadline=None)
@given(n_outputs=counts, n_inputs=counts, seed=seeds)
def test_the_way_back_reads_the_same_weights_across(n_outputs: int, n_inputs: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights, by_outputs, by_inputs = _some(rng, n_inputs, n_outputs), _some(rng, n_outputs, ROWS), _some(rng, n_inputs, ROWS)
    expected = by_inputs + weights.astype(np.float64) @ by_outputs
    add_outputs_nb(weights.reshape(-1), (n_outputs, 1), (n_inputs, n_outputs), by_outputs.reshape(-1), by_inputs.reshape(-1))
    np.testing.assert_allclose(by_inputs, expected, atol=2e-5)


@settings(deadline=None)
@given(n_steps=st.integers(0, 4), n_outputs=counts, n_inputs=counts, beside=st.integers(0, 3), seed=seeds)
def test_slopes_of_weights_add_up_over_steps_and_rows(n_steps: int, n_outputs: int, n_inputs: int, beside: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    inputs, by_outputs = _some(rng, n_steps, n_inputs + 1, ROWS), _some(rng, n_steps, n_outputs + 2, ROWS)
    by_weights = _some(rng, n_inputs, n_outputs + beside)
    expected = by_weights.astype(np.float64)
    expected[:, :n_outputs] += np.einsum("sir,sor->io", inputs[:, :n_inputs].astype(np.float64), by_outputs[:, :n_outputs])
    steps = (n_steps, (n_inputs + 1) * ROWS, (n_outputs + 2) * ROWS)
    width = n_outputs + beside
    add_weight_slopes_nb(inputs.reshape(-1), by_outputs.reshape(-1), steps, (n_inputs, n_outputs), width, by_weights.reshape(-1))
    np.testing.assert_allclose(by_weights, expected, atol=2e-4)
