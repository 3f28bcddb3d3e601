"""Noise of a stated colour: its power falls with frequency f as 1 / f^beta.

A body that is pushed to and fro stays where it is; plans that are to go anywhere must push the same way for a
while. beta 0 is white noise, 2 a bounded random walk. Made from its spectrum (Timmer and Koenig 1995).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def coloured(rng: np.random.Generator, count: int, length: int, axes: int, beta: float) -> Floats:
    """Return noise (count, length, axes) of mean 0 and variance 1, coloured along its length.

    What is constant over the whole length has the power of the slowest wave that fits, so that a plan may
    push one way throughout.
    """
    if length == 1:
        return rng.standard_normal((count, 1, axes))
    power = spectrum(length, beta)
    real, imaginary = rng.standard_normal((2, count, axes, len(power)))
    # the constant, and the fastest wave of an even length, have no phase
    single = _single(length)
    wave = np.sqrt(power) * np.where(single, real, (real + 1j * imaginary) / np.sqrt(2))
    return np.moveaxis(np.fft.irfft(wave, n=length, axis=-1), -1, 1)


def spectrum(length: int, beta: float) -> Floats:
    """Return the mean of |rfft(x)|^2 at the frequencies of `np.fft.rfftfreq`, for x of variance 1."""
    frequency = np.fft.rfftfreq(length)
    shape = np.maximum(frequency, 1 / length) ** -beta
    times = np.where(_single(length), 1.0, 2.0)  # all others stand for two, f and -f
    power: Floats = shape * length**2 / (times @ shape)
    return power


def _single(length: int) -> NDArray[np.bool_]:
    single = np.zeros(length // 2 + 1, dtype=bool)
    single[0] = True
    single[-1] |= length % 2 == 0
    return single
