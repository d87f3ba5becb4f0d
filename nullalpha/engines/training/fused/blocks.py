"""What all kernels of the compiled engine agree on: the rows of a block, and how freely sums may be taken."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]

ROWS = 128
"""Rows of a block: with fewer, beginning and ending loops costs as much as they do; with more, a network's values leave the near caches."""
FAST = {"reassoc", "contract", "nsz", "arcp"}
"""Sums in any order, products and sums as one; NaN and infinity stay what they are."""
