"""Identifiers: random ones for what a person starts, derived ones for what follows from it."""

from __future__ import annotations

import secrets
from datetime import datetime

from nullalpha.core.fingerprint import fingerprint

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(prefix: str, now: datetime) -> str:
    """Return e.g. `c-20261120-4f7k2m`: a prefix, the day, and 30 random bits."""
    return f"{prefix}-{now:%Y%m%d}-{''.join(secrets.choice(_ALPHABET) for _ in range(6))}"


def derived_id(prefix: str, *parts: object) -> str:
    """Return an id that the same parts always give, so that a replayed step writes the same row."""
    return f"{prefix}-{fingerprint([str(part) for part in parts])[:12]}"
