"""Inputs of the vectors of score/, from a 32-bit linear congruential generator that the tests have too
(tests/unit/score/made.c): state = state * 1664525 + 1013904223, from the state `seed` on, one step before each value."""

import numpy as np


def states(seed, n):
    with np.errstate(over="ignore"):
        power = np.cumprod(np.full(n, 1664525, np.uint32), dtype=np.uint32)  # a, a^2, ...
        before = np.concatenate([[1], power[:-1]]).astype(np.uint32)  # 1, a, ...
        return power * np.uint32(seed) + np.uint32(1013904223) * np.cumsum(before, dtype=np.uint32)


def pixels(seed, width, height):
    """8-bit RGB [height, width, 3], smooth in part and noisy in part, so that rounding and clipping both happen."""
    i = np.arange(width * height * 3)
    noise = (states(seed, i.size) >> 24).astype(np.int64)
    return np.where((i // 97) % 2, noise, (i * 5 // (width + 1)) & 255).astype(np.uint8).reshape(height, width, 3)


def floats(seed, *shape):
    """float32 in 0..1 with 24 bits."""
    n = int(np.prod(shape))
    return ((states(seed, n) >> 8).astype(np.float32) * np.float32(2.0**-24)).reshape(shape)
