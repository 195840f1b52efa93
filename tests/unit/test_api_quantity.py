"""Quantities: what is read, how it is printed, how it is rounded."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podrun.api import quantity


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0", "0"), ("0m", "0"), ("0.5", "500m"), (".5", "500m"), ("5.", "5"), ("1000m", "1"), ("1500m", "1500m"),
        ("1024Ki", "1Mi"), ("0.5Gi", "512Mi"), ("1.5Gi", "1536Mi"), ("0.1Ki", "102400m"), ("512", "512"),
        ("1000", "1k"), ("1234567", "1234567"), ("1e3", "1e3"), ("12E6", "12e6"), ("1e-3", "1e-3"), ("100e1", "1e3"),
        ("-1.5", "-1500m"), ("-1024Ki", "-1Mi"), ("+3k", "3k"), ("1.0000000001", "1000000001n"), ("1023", "1023"),
        ("1Ki", "1Ki"), ("0.5Ki", "512"), ("100E", "9223372036854775807"), ("1e999999999", "9223372036854775807e0"),
    ],
)  # fmt: skip
def test_a_quantity_is_printed_as_kubernetes_prints_it(text: str, canonical: str) -> None:
    assert quantity.canonical(text) == canonical.removesuffix("e0")


@pytest.mark.parametrize("text", ["", " 1", "1 ", "abc", "1.2.3", "1Mi1x", "٣", "1" * 300])
def test_what_is_no_quantity_is_refused_with_the_expression(text: str) -> None:
    with pytest.raises(quantity.QuantityError, match="quantities must match the regular expression"):
        quantity.parse(text)


@pytest.mark.parametrize("text", ["1i", "1mi", "1K1", "1e", "1e-", "3MiMi"])
def test_an_unknown_suffix_is_refused(text: str) -> None:
    with pytest.raises(quantity.QuantityError, match="unable to parse quantity's suffix"):
        quantity.parse(text)


@pytest.mark.parametrize("text", ["Mi", ".", "-", "+k"])
def test_a_quantity_without_digits_is_refused(text: str) -> None:
    with pytest.raises(quantity.QuantityError, match="numeric part"):
        quantity.parse(text)


def test_cpu_and_bytes_are_rounded_up() -> None:
    assert quantity.milli_cpu("0.0001") == 1
    assert quantity.milli_cpu("2") == 2000
    assert quantity.bytes_value("100m") == 1
    assert quantity.bytes_value("1.5Ki") == 1536
    assert quantity.milli_cpu("-0.0001") == -1


def test_amounts_of_this_machine_become_quantities() -> None:
    assert quantity.from_bytes(16_384_256 * 1024) == "16384256Ki"
    assert quantity.from_bytes(2**33) == "8Gi"
    assert quantity.from_milli_cpu(2000) == "2"
    assert quantity.from_milli_cpu(250) == "250m"


suffixes = st.sampled_from(["", "n", "u", "m", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti", "e3", "E-3"])


@given(st.decimals(min_value=-(10**6), max_value=10**6, places=4, allow_nan=False), suffixes)
def test_printing_keeps_the_amount_and_is_stable(number: object, suffix: str) -> None:
    amount = quantity.parse(f"{number}{suffix}")
    once = quantity.canonical(str(amount))  # a binary amount may be shown without a suffix, and is decimal when read
    assert quantity.parse(str(amount)).nanos == quantity.parse(once).nanos == amount.nanos
    assert quantity.canonical(once) == once


@given(st.text(max_size=30))
def test_any_text_is_a_quantity_or_the_typed_error(text: str) -> None:
    with contextlib.suppress(quantity.QuantityError):
        quantity.parse(text)
