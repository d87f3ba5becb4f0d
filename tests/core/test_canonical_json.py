"""Canonical JSON and what is derived from it: one text for one value, whatever its spelling."""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nullalpha.core.fingerprint import canonical_json, derive_seed, fingerprint, sha256_hex
from nullalpha.core.ids import derived_id

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12)


def reversed_keys(value: object) -> object:
    if isinstance(value, dict):
        return {key: reversed_keys(item) for key, item in reversed(list(value.items()))}
    return [reversed_keys(item) for item in value] if isinstance(value, list) else value


def tupled(value: object) -> object:
    if isinstance(value, dict):
        return {key: tupled(item) for key, item in value.items()}
    return tuple(tupled(item) for item in value) if isinstance(value, list) else value


@given(VALUES)
def test_canonical_text_reads_back_as_an_equal_value(value: object) -> None:
    assert json.loads(canonical_json(value)) == value


@given(VALUES)
def test_canonical_text_is_its_own_canonical_form(value: object) -> None:
    text = canonical_json(value)
    assert canonical_json(json.loads(text)) == text


@given(VALUES)
def test_neither_the_order_of_keys_nor_tuple_or_list_changes_a_fingerprint(value: object) -> None:
    assert fingerprint(reversed_keys(value)) == fingerprint(value) == fingerprint(tupled(value))


@given(st.integers(min_value=-(2**53) + 1, max_value=2**53 - 1))
def test_an_integral_float_is_written_as_the_integer(number: int) -> None:
    assert canonical_json(float(number)) == str(number)


@given(VALUES, VALUES)
def test_different_values_have_different_fingerprints(one: object, other: object) -> None:
    assert (fingerprint(one) == fingerprint(other)) == (canonical_json(one) == canonical_json(other))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [True, None]}, '{"a":[true,null],"b":1}'),
        (-0.0, "0"),
        (1e-7, "1e-07"),
        (0.1, "0.1"),
        ("ü", '"ü"'),
        ({1: "x"}, '{"1":"x"}'),
        (True, "true"),
    ],
)
def test_canonical_text_by_hand(value: object, text: str) -> None:
    assert canonical_json(value) == text


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_without_a_canonical_form_are_refused_at_any_depth(number: float) -> None:
    with pytest.raises(ValueError, match="no canonical JSON form"):
        canonical_json({"figures": [1.0, number]})


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", object(), 1j])
def test_what_is_no_json_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="is not JSON"):
        canonical_json([value])


def test_a_text_hashes_as_its_utf8_bytes() -> None:
    assert sha256_hex("ü") == sha256_hex("ü".encode()) == hashlib.sha256("ü".encode()).hexdigest()


@given(st.lists(st.integers() | st.text(), min_size=1, max_size=4))
def test_derived_seeds_fit_every_library(parts: list[object]) -> None:
    assert 0 <= derive_seed(*parts) < 2**31


def test_derived_seeds_and_ids_tell_parts_apart() -> None:
    assert derive_seed("a", "bc") != derive_seed("ab", "c")
    assert derived_id("e", "a", "bc") != derived_id("e", "ab", "c")


def test_derivations_are_the_same_in_another_process() -> None:
    program = (
        "from nullalpha.core.fingerprint import derive_seed, fingerprint\nfrom nullalpha.core.ids import derived_id\n"
        "print(fingerprint({'b': 1.0, 'a': 'ü'}), derive_seed(7, 'x'), derived_id('e', 'c-1', 0))"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert printed == [fingerprint({"a": "ü", "b": 1}), str(derive_seed(7, "x")), derived_id("e", "c-1", 0)]
