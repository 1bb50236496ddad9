"""Exponential and logarithm without branches and calls: compilers turn loops over them into vector instructions.

In such loops some ten times as fast as those of the mathematics library, which are exact to more digits.
"""

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from skymist.reco.kernels import compiled

ROUND = 1.5 * 2.0**52
"""Added to a small number, this leaves the nearest integer in the last bits."""

ROUND_BITS = int(np.float64(ROUND).view(np.int64))
ROOT_HALF_BITS = int(np.float64(math.sqrt(0.5)).view(np.int64))
LOG2_E = math.log2(math.e)
LN2, LN2_REST = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # the first has zeros in its last 20 bits


def _cast(given: Any, wanted: Any) -> Any:
    """Return a function that takes the 64 bits of one type as those of another."""

    def cast(_typing: Any, _value: Any) -> tuple[Any, Any]:
        return wanted(given), lambda context, builder, _, values: builder.bitcast(
            values[0], context.get_value_type(wanted)
        )

    return intrinsic(cast)


_bits, _number = _cast(types.float64, types.int64), _cast(types.int64, types.float64)


@compiled()
def exp(x: float) -> float:
    """Return e**x within 3e-13 of itself; x beyond 700 counts as that."""
    x = min(max(x, -700.0), 700.0)
    shifted = x * LOG2_E + ROUND
    n = shifted - ROUND
    r = (x - n * LN2) - n * LN2_REST
    tail = 1 / 120 + r * (1 / 720 + r * (1 / 5040 + r * (1 / 40320 + r * (1 / 362880 + r / 3628800))))
    part = 1 + r * (1 + r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * tail))))
    result: float = _number(_bits(part) + (_bits(shifted) << 52))
    return result


@compiled()
def ln(x: float) -> float:
    """Return the natural logarithm of a positive number within 2e-14."""
    bits = _bits(x)
    exponent = (bits - ROOT_HALF_BITS) >> 52
    part = _number(bits - (exponent << 52))
    z = (part - 1) / (part + 1)
    w = z * z
    tail = 1 / 7 + w * (1 / 9 + w * (1 / 11 + w * (1 / 13 + w / 15)))
    n = _number(exponent + ROUND_BITS) - ROUND
    result: float = n * LN2 + (n * LN2_REST + 2 * z * (1 + w * (1 / 3 + w * (1 / 5 + w * tail))))
    return result
