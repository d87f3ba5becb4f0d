"""What scikit-learn answers on the same rows: gradient boosting, of values and of classes, and logistic regression. Baselines alone.

Small and well restrained, as suits labels that are mostly noise, and fixed: no setting depends on the rows it is judged on, so every model
meets the same opponent. One thread and no random choice: the same rows give the same bits on any number of cores. scikit-learn is
imported when first asked (ADR 17).
Source: Friedman (2001), Annals of Statistics 29(5); Ke et al. (2017), LightGBM, NeurIPS, for the histograms.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nullalpha.data.bars import FloatArray

N_TREES = 50
N_LEAVES = 8
LEARNING_RATE = 0.05
LEAST_SHARE_OF_A_LEAF = 0.05
LEAST_ROWS_OF_A_LEAF = 20
L2 = 50.0
"""Added to the rows, or the curvature, behind each leaf's value."""
N_BINS = 64
"""A feature's values are told apart by so many quantiles of the training rows."""
LOGISTIC_PENALTY = 1.0
"""Half the sum of squared coefficients, times this, beside the summed loss; the intercepts are free."""


def boosted_values(x: FloatArray, y: FloatArray, weight: FloatArray | None, asked: FloatArray) -> FloatArray:
    """Return (n_asked,) values of boosted regression trees of squared error.

    Args:
        x: (n_rows, n_features) finite features of the rows to learn from.
        y: (n_rows,) their values.
        weight: (n_rows,) > 0; None where all rows count alike.
        asked: (n_asked, n_features) finite features of the rows to answer.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415 - a second to import
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - comes with scikit-learn

    edges = _bin_edges(x)
    with threadpool_limits(1):
        model = HistGradientBoostingRegressor(**_settings(len(x))).fit(_binned(x, edges), y, sample_weight=weight)
        values: FloatArray = model.predict(_binned(asked, edges))
    return values


def boosted_chances(x: FloatArray, classes: FloatArray, weight: FloatArray | None, asked: FloatArray) -> FloatArray:
    """Return (n_asked, 3) chances of down, flat and up by boosted classification trees; `classes` are -1, 0 or 1, all else as above."""
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    if len(np.unique(classes)) == 1:
        return _certain(classes, asked)
    edges = _bin_edges(x)
    with threadpool_limits(1):
        model = HistGradientBoostingClassifier(**_settings(len(x))).fit(_binned(x, edges), classes, sample_weight=weight)
        return _by_class(model, _binned(asked, edges))


def logistic_chances(x: FloatArray, classes: FloatArray, weight: FloatArray | None, asked: FloatArray) -> FloatArray:
    """Return (n_asked, 3) chances of down, flat and up by a penalised logistic regression on standardised features."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    if len(np.unique(classes)) == 1:
        return _certain(classes, asked)
    with threadpool_limits(1):
        model = LogisticRegression(C=1 / LOGISTIC_PENALTY, max_iter=1000).fit(x, classes, sample_weight=weight)
        return _by_class(model, asked)


def _settings(n_rows: int) -> dict[str, Any]:
    return {
        "max_iter": N_TREES,
        "max_leaf_nodes": N_LEAVES,
        "learning_rate": LEARNING_RATE,
        "min_samples_leaf": max(LEAST_ROWS_OF_A_LEAF, int(LEAST_SHARE_OF_A_LEAF * n_rows)),
        "l2_regularization": L2,
        "early_stopping": False,
        "random_state": 0,
    }


def _bin_edges(x: FloatArray) -> list[FloatArray]:
    """Return each feature's inner quantiles, increasing; each row counts once, whatever its weight."""
    return [np.unique(column) for column in np.quantile(x, np.arange(1, N_BINS) / N_BINS, axis=0).T]


def _binned(x: FloatArray, edges: list[FloatArray]) -> FloatArray:
    """Return (n_rows, n_features) the number of edges below each value.

    Trees split between bins either way; scikit-learn's own quantiles of weighted rows take ten times as long as its trees.
    """
    return np.stack([np.searchsorted(own, column) for own, column in zip(edges, x.T, strict=True)], axis=1).astype(np.float64)


def _certain(classes: FloatArray, asked: FloatArray) -> FloatArray:
    """Return chances where all rows to learn from are of one class."""
    chances = np.zeros((len(asked), 3))
    chances[:, int(classes[0]) + 1] = 1.0
    return chances


def _by_class(model: Any, asked: FloatArray) -> FloatArray:
    chances = np.zeros((len(asked), 3))
    chances[:, model.classes_.astype(np.int64) + 1] = model.predict_proba(asked)
    return chances
