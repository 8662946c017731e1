"""Canonical signed digits: a constant as the fewest signed powers of two."""

from __future__ import annotations


def signed_digits(constant: int) -> tuple[tuple[int, bool], ...]:
    """The canonical signed digits of ``constant`` as ``(shift, negative)``, lowest first; none for zero.

    The constant is the sum of ``-(2**shift)`` if ``negative`` else ``2**shift``; no two digits are adjacent, so their
    number is minimal.

    Source: G. W. Reitwiesner, "Binary Arithmetic", Advances in Computers 1 (1960) 231.
    """
    digits = []
    rest, shift = constant, 0
    while rest:
        if rest & 1:
            digit = 2 - (rest & 3)
            digits.append((shift, digit < 0))
            rest -= digit
        rest >>= 1
        shift += 1
    return tuple(digits)
