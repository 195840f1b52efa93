"""Kubernetes quantities: `500m`, `1.5Gi`, `1e3`; exact to a nano unit, printed canonically.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from functools import lru_cache

NANO = 10**9
LARGEST = (2**63 - 1) * NANO
LONGEST_TEXT = 256

_FORMAT_ERROR = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"  # Kubernetes' words
)
_SHAPE = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)")
_EXPONENT = re.compile(r"[eE]([-+]?[0-9]+)")
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL.items()}


class Notation(Enum):
    """Which suffixes a quantity was written with, and is printed with."""

    DECIMAL = "DecimalSI"
    BINARY = "BinarySI"
    EXPONENT = "DecimalExponent"


class QuantityError(ValueError):
    """A text that is no quantity, in Kubernetes' words."""


@dataclass(frozen=True, slots=True)
class Amount:
    """A parsed quantity: billionths of the unit, and the notation to print it in."""

    nanos: int
    notation: Notation

    def __str__(self) -> str:
        if self.notation is Notation.BINARY and self.nanos % NANO == 0 and abs(self.nanos) >= 1024 * NANO:
            return _binary_text(self.nanos // NANO)
        return _decimal_text(self.nanos, self.notation)

    def scaled_up(self, per_unit: int) -> int:
        """How many `1/per_unit` parts, rounded up away from zero as Kubernetes does: per_unit 1000 is milli."""
        parts = -(-abs(self.nanos) * per_unit // NANO)
        return parts if self.nanos >= 0 else -parts


@lru_cache(maxsize=4096)
def parse(text: str) -> Amount:
    """Read a quantity; more than 2^63-1 is cut to that. QuantityError: in Kubernetes' words."""
    found = _SHAPE.fullmatch(text) if len(text) <= LONGEST_TEXT else None
    if not found or not text:
        raise QuantityError(_FORMAT_ERROR)
    sign, whole, fraction, suffix = found[1], found[2], found[3] or "", found[4]
    factor, notation = _factor(suffix)
    if not whole and not fraction:
        raise QuantityError("unable to parse numeric part of quantity")
    exact = Fraction(int(whole + fraction), 10 ** len(fraction)) * factor * NANO
    nanos = min(-(-exact.numerator // exact.denominator), LARGEST)
    return Amount(-nanos if sign == "-" else nanos, notation)


def canonical(text: str) -> str:
    """The text that Kubernetes prints for it: 0.5 is 500m, 1024Ki is 1Mi."""
    return str(parse(text))


def milli_cpu(text: str) -> int:
    """CPU in thousandths, rounded up."""
    return parse(text).scaled_up(1000)


def bytes_value(text: str) -> int:
    """Memory or storage in bytes, rounded up."""
    return parse(text).scaled_up(1)


def from_milli_cpu(milli: int) -> str:
    """The quantity for so many thousandths of a CPU."""
    return str(Amount(milli * NANO // 1000, Notation.DECIMAL))


def from_bytes(count: int) -> str:
    """The quantity for so many bytes, with binary suffixes."""
    return str(Amount(count * NANO, Notation.BINARY))


def _factor(suffix: str) -> tuple[Fraction, Notation]:
    if suffix in _DECIMAL:
        return Fraction(10) ** _DECIMAL[suffix], Notation.DECIMAL
    if suffix in _BINARY:
        return Fraction(2 ** _BINARY[suffix]), Notation.BINARY
    if exponent := _EXPONENT.fullmatch(suffix):
        # Beyond these every amount is cut to the largest or rounded up to a billionth anyway.
        bounded = max(-2 * LONGEST_TEXT, min(int(exponent[1]), 2 * LONGEST_TEXT))
        return Fraction(10) ** bounded, Notation.EXPONENT
    raise QuantityError("unable to parse quantity's suffix")


def _binary_text(units: int) -> str:
    suffix = ""
    for candidate, bits in _BINARY.items():
        if units % (1 << bits):
            break
        suffix = candidate
    return f"{units >> _BINARY.get(suffix, 0)}{suffix}" if units > 0 else f"-{_binary_text(-units)}"


def _decimal_text(nanos: int, notation: Notation) -> str:
    if nanos == 0:
        return "0"
    exponent = -9
    while nanos % 1000 == 0 and exponent < 18:
        nanos //= 1000
        exponent += 3
    if notation is Notation.EXPONENT:
        return f"{nanos}e{exponent}" if exponent else str(nanos)
    return f"{nanos}{_DECIMAL_SUFFIX[exponent]}"
