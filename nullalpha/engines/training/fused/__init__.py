"""Training on a CPU by compiled float32 loops, one member at a time: forward, backward and Adam of a batch without leaving the cache.

What a member becomes depends on its plan and task alone: members share nothing, so neither companions nor the number of threads matter.
Up to rounding it is what the tensor engine makes of the same member: same first numbers, orders, draws, steps.

Conventions of the kernels (`*_nb`, compiled with `nogil=True, cache=True`)
- Numbers are float32. A member's parameters are one flat array: where sets are trained their code (`membership`), then the arrays of
  `strategy.network_size.network_layout`, each row-major, or of anfis the coefficients (rules, n_features) and the biases.
- Rows come last, so that loops run along them: a batch is taken in blocks of `blocks.ROWS` rows, and what is known of a block's rows
  is an array (columns, ROWS). A block's columns past its last row repeat a real row with weight 0: kernels treat all alike.
- Forward kernels fill their outputs; backward kernels take the slope of those outputs, ADD to a flat gradient laid out as the parameters,
  and overwrite the slopes of their inputs where somebody reads them.
- Nothing is allocated in loops: a kernel that walks over rows makes its room once, beginning at a cache line, and backward reads in it
  what forward left there.
- Recurrent kinds (`recurrent`), for gru and lstm alike, `parameters` and `gradient` beginning at `recurrent_input` and ending after
  `recurrent_bias`:
      gru_numbers(lookback, n_sets, units) -> int                        of `work`, a flat array
      gru_forward_nb(inputs, parameters, state, work) -> None            fills state (units, ROWS), the last one
      gru_backward_nb(inputs, parameters, by_state, gradient, by_inputs, work) -> None
  `inputs` (lookback, n_sets, ROWS) are memberships, oldest first; `by_state` (units, ROWS) is used up; `by_inputs`, shaped as the
  inputs, is filled, unless its first dimension is 0.
- Loops that multiply and add have the fast-math flags of `blocks.FAST`: sums may be taken in any order, NaN and infinity stay what they
  are, since a diverged member must be seen. What `maths` computes keeps its order.
"""

from nullalpha.engines.training.fused.epochs import FusedEpochs, supports

__all__ = ["FusedEpochs", "supports"]
