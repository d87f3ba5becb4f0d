"""A real llama.cpp server with a tiny random model made on the spot: proves the plumbing, never quality.

The model is a two-layer llama with a byte vocabulary and seeded random weights, biased so that constrained answers end soon. A megabyte,
ready in under a second, no download.
"""

from __future__ import annotations

import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase

import gguf
import numpy as np
from numpy.typing import NDArray

WIDTH, LAYERS, HEADS, INNER, CONTEXT = 64, 2, 4, 128, 32_768
SPECIAL = ("<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>")
END = SPECIAL.index("<|im_end|>")
WORDS = ["the", "of", "and", "momentum", "reversion", "volatility", "price", "trend", "risk", "window"]
CHAT_TEMPLATE = (
    "{%- for message in messages -%}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' -}}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)
_NEVER, _PUNCTUATION = -30.0, {'"': 3.0, "}": 2.5, "]": 1.5, ",": 1.0, ".": 0.0, "-": -1.0}
_SERVE = """
import sys, time, xllamacpp
p = xllamacpp.CommonParams()
p.model.path = sys.argv[1]
p.model_alias = {"tiny"}
p.hostnames = ["127.0.0.1"]
p.port = int(sys.argv[2])
p.n_ctx, p.n_parallel, p.n_predict = 32768, 1, 2048
p.warmup, p.use_jinja, p.offline, p.verbosity = False, True, True, 0
p.cpuparams.n_threads = 1
server = xllamacpp.Server(p)
print("READY", server.listening_address, flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class TinyModel:
    """A running server: `api_base` speaks OpenAI's chat endpoint; the model is called `tiny`."""

    api_base: str


@contextmanager
def tiny_model_server(folder: Path, seed: int = 7, port: int = 0) -> Iterator[TinyModel]:
    """Write the model into a folder and serve it on a port of loopback (0: any free one) until the block ends."""
    path = folder / "tiny.gguf"
    write_tiny_model(path, seed)
    command = [sys.executable, "-c", _SERVE, str(path), str(port)]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        yield TinyModel(f"{_address(process, folder)}/v1")
    finally:
        process.kill()
        process.communicate()


def _address(process: subprocess.Popen[str], folder: Path) -> str:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], 60)
    line = process.stdout.readline() if ready else ""
    if not line.startswith("READY "):
        raise RuntimeError(f"the server did not start: {line!r} {(folder / 'server.log').read_text()[-2000:]}")
    return line.split()[1].rstrip("/")


def write_tiny_model(path: Path, seed: int) -> None:
    """Write the random model as GGUF; the same seed writes the same weights."""
    rng = np.random.default_rng(seed)
    tokens, kinds = _vocabulary()
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name("tiny-random")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([token.encode() for token in tokens])
    writer.add_token_scores([-1.0 / len(token) for token in tokens])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(END)
    writer.add_unk_token_id(0)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHAT_TEMPLATE)
    for name, weights in _weights(rng, tokens):
        writer.add_tensor(name, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _vocabulary() -> tuple[list[str], list[gguf.TokenType]]:
    kind = gguf.TokenType
    characters = [chr(code) for code in range(33, 127)] + ["\u2581"]
    words = [f"\u2581{word}" for word in WORDS]
    pairs = [a + b for a in ascii_lowercase for b in ascii_lowercase]  # read, never written: they halve the length of a prompt
    tokens = [*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), *characters, *words, *pairs]
    kinds = [kind.UNKNOWN] + [kind.CONTROL] * 4 + [kind.BYTE] * 256 + [kind.NORMAL] * (len(characters) + len(words) + len(pairs))
    return tokens, kinds


def _bias(token: str, index: int) -> float:
    if index == END or (len(token) > 1 and token.startswith("\u2581")):
        return 2.0
    if index < len(SPECIAL) + 256:
        return -6.0 if token == "<0x0A>" else _NEVER
    if token == "\u2581":
        return -3.0
    if len(token) > 1:
        return _NEVER
    return 0.0 if token.isalnum() else _PUNCTUATION.get(token, -4.0)


def _weights(rng: np.random.Generator, tokens: list[str]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    def random(*shape: int, scale: float = 0.05) -> NDArray[np.float32]:
        return (rng.standard_normal(shape) * scale).astype(np.float32)

    embedding = random(len(tokens), WIDTH, scale=1.0)
    embedding[:, 0] = 8.0  # a constant channel that no layer writes to: the head's bias
    head = random(len(tokens), WIDTH, scale=0.15)
    head[:, 0] = np.array([_bias(token, index) for index, token in enumerate(tokens)], dtype=np.float32) / 5.7
    yield "token_embd.weight", embedding
    yield "output_norm.weight", np.ones(WIDTH, dtype=np.float32)
    yield "output.weight", head
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        mix, down = random(WIDTH, WIDTH), random(WIDTH, INNER)
        mix[0], down[0] = 0.0, 0.0
        for name in ("attn_norm", "ffn_norm"):
            yield f"{block}{name}.weight", np.ones(WIDTH, dtype=np.float32)
        for name in ("attn_q", "attn_k", "attn_v"):
            yield f"{block}{name}.weight", random(WIDTH, WIDTH)
        yield f"{block}attn_output.weight", mix
        yield f"{block}ffn_gate.weight", random(INNER, WIDTH)
        yield f"{block}ffn_up.weight", random(INNER, WIDTH)
        yield f"{block}ffn_down.weight", down
