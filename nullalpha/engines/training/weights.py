"""Weights as bytes and back: safetensors, never pickle."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from nullalpha.core.errors import ArtifactError
from nullalpha.data.bars import FloatArray


def weights_to_bytes(weights: Mapping[str, FloatArray]) -> bytes:
    """Return weights as a safetensors file; equal weights give equal bytes."""
    data: bytes = save({name: np.ascontiguousarray(weights[name], dtype=np.float64) for name in sorted(weights)})
    return data


def weights_from_bytes(data: bytes) -> dict[str, FloatArray]:
    """Return the weights in a safetensors file.

    Raises:
        ArtifactError: if the bytes are no such file or hold anything but float64.
    """
    try:
        weights: dict[str, FloatArray] = load(data)
    except SafetensorError as error:
        raise ArtifactError(f"weights are not a safetensors file: {error}", suggestion="train the strategy again") from error
    for name, array in weights.items():
        if array.dtype != np.float64:
            raise ArtifactError(f"weights {name!r} are {array.dtype}, not float64", path=name, value=array.dtype)
    return weights
