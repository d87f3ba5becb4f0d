"""Out of memory, in whatever words a library says it."""

from __future__ import annotations

import torch

_TORCH_ALLOCATORS = ("can't allocate memory", "not enough memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED")


def release_memory(device: str) -> None:
    """Give back what torch keeps on a GPU for later."""
    if device.startswith("cuda"):
        torch.cuda.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory ran out: of NumPy or Python, of torch on a CPU, or of a GPU."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _TORCH_ALLOCATORS)
