"""Canonical JSON, content hashes and derived seeds: what makes two computations the same one."""

from __future__ import annotations

import hashlib
import json
import math


def canonical_json(value: object) -> str:
    """Return JSON with sorted keys and no spaces; -0.0 becomes 0, integral floats become integers.

    Raises:
        ValueError: on NaN or an infinity, which have no canonical form.
        TypeError: on a value that is not JSON.
    """
    return json.dumps(_normal(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _normal(value: object) -> object:
    if isinstance(value, bool) or value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} has no canonical JSON form")
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, dict):
        return {str(key): _normal(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_normal(item) for item in value]
    raise TypeError(f"{type(value).__name__} is not JSON")


def sha256_hex(data: bytes | str) -> str:
    """Return the SHA-256 of bytes (or of a string's UTF-8) as 64 hex digits."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def fingerprint(value: object) -> str:
    """Return the SHA-256 of a value's canonical JSON."""
    return sha256_hex(canonical_json(value))


def derive_seed(*parts: object) -> int:
    """Return a seed in [0, 2**31) that depends on every part and on nothing else."""
    return int(fingerprint([str(part) for part in parts])[:8], 16) % 2**31
