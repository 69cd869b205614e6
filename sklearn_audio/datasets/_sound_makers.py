"""Synthetic sounds, one function a class, for :func:`make_sound_events`.

A maker is given a :class:`Take` and returns its samples, of arbitrary level. What makes
a source (its bell, its engine) is drawn from ``take.source``, which is the same for all
takes of a recording; what one take does with it is drawn from ``take.rng``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from scipy.signal import butter, fftconvolve, lfilter, sosfilt


@dataclass(frozen=True)
class Take:
    """One clip to be made, and the tools that makers share."""

    n_samples: int
    sample_rate: int
    # Factor on the frequencies of the source.
    pitch: float
    source: RandomState
    rng: RandomState

    @property
    def time(self) -> NDArray:
        """Return the seconds since the onset, one for each sample."""
        return np.arange(self.n_samples) / self.sample_rate

    def frequency(self, low: float, high: float) -> float:
        """Draw the frequency of the source, in Hz, and shift it by the take's pitch."""
        return self.pitch * low * (high / low) ** self.source.uniform()

    def audible(self, frequency: ArrayLike) -> NDArray:
        """Keep frequencies below the Nyquist frequency."""
        return np.minimum(frequency, 0.45 * self.sample_rate)

    def tone(self, frequency: NDArray) -> NDArray:
        """Sine of a frequency that may change with time."""
        cycles = np.cumsum(self.audible(frequency)) / self.sample_rate
        return np.sin(2 * np.pi * cycles)

    def noise(self, low: float, high: float) -> NDArray:
        """Noise between two frequencies, of unit power."""
        high = float(self.audible(high))
        edges = (min(low, high / 2), high)
        sos = butter(1, edges, "bandpass", fs=self.sample_rate, output="sos")
        noise = sosfilt(sos, self.rng.standard_normal(self.n_samples))
        return noise / noise.std()

    def swell(self) -> NDArray:
        """Envelope of a sustained sound: it fades in, lasts, and fades out."""
        t = self.time
        end = self.rng.uniform(0.5, 1) * t[-1]
        rise, fall = self.rng.uniform(0.02, 0.1, 2)
        return np.clip(t / rise, 0, 1) * np.clip((end - t) / fall, 0, 1)

    def drift(self, rate: float) -> NDArray:
        """Random curve of unit size, with so many turns a second."""
        n_knots = 2 + round(rate * self.n_samples / self.sample_rate)
        return np.interp(
            np.linspace(0, n_knots - 1, self.n_samples),
            np.arange(n_knots),
            self.rng.standard_normal(n_knots),
        )

    def ring(self, frequency: float, seconds: float) -> NDArray:
        """Short ring that dies away, to be placed at many times."""
        t = np.arange(max(round(8 * seconds * self.sample_rate), 2)) / self.sample_rate
        return np.sin(2 * np.pi * self.audible(frequency) * t) * np.exp(-t / seconds)

    def place(self, sound: NDArray, places: NDArray, weights: NDArray) -> NDArray:
        """Start a sound at each place, 0 to 1 of the clip, with its weight."""
        train = np.zeros(self.n_samples)
        indices = (places * self.n_samples).astype(int)
        inside = indices < self.n_samples
        np.add.at(train, indices[inside], weights[inside])
        return fftconvolve(train, sound)[: self.n_samples]

    def scatter(self, sound: NDArray, weights: NDArray) -> NDArray:
        """Start a sound at random times, with random signs; unit power in all."""
        signs = self.rng.choice([-1, 1], weights.size)
        places = self.rng.uniform(size=weights.size)
        scattered = self.place(sound, places, signs * weights)
        return scattered / max(scattered.std(), 1e-9)

    def count(self, low: int, high: int) -> int:
        """Draw how often something happens, from the source's rates per second."""
        rate = self.source.randint(low, high)
        return 1 + rate * self.n_samples // self.sample_rate


SoundMaker = Callable[[Take], NDArray]


def _bell(take: Take) -> NDArray:
    """Ring with inharmonic partials, the higher ones dying sooner."""
    ratios = np.array([0.56, 0.92, 1.19, 1.71, 2.0, 2.74, 3.0, 3.76, 4.07])
    frequencies = take.audible(take.frequency(350, 900) * ratios)
    weights = take.source.uniform(0.3, 1.0, ratios.size) / ratios
    weights *= take.rng.uniform(0.5, 1.0, ratios.size)
    decay = take.source.uniform(0.3, 1.0) / ratios
    t = take.time
    rings = np.exp(-t / decay[:, None]) * np.sin(2 * np.pi * frequencies[:, None] * t)
    return weights @ rings


def _pluck(take: Take) -> NDArray:
    """Plucked string (Karplus-Strong): noise in a lossy loop one period long."""
    period = round(take.sample_rate / take.frequency(110, 440))
    noise = take.rng.uniform(-1, 1, min(period, take.n_samples))
    burst = np.zeros(take.n_samples)
    # The loop would keep a mean as an offset.
    burst[: noise.size] = noise - noise.mean()
    loss = take.source.uniform(0.985, 0.999)
    feedback = np.zeros(period + 2)
    feedback[0] = 1
    feedback[-2:] = -loss / 2
    return lfilter([1.0], feedback, burst)


def _drum(take: Take) -> NDArray:
    """Membrane whose pitch falls after the stroke, struck one to four times."""
    t = take.time
    resting = take.frequency(60, 180)
    bend = take.source.uniform(0.5, 2) * np.exp(-t / 0.03)
    skin = take.tone(resting * (1 + bend)) * np.exp(
        -t / take.source.uniform(0.05, 0.25)
    )
    stick = take.rng.standard_normal(t.size) * np.exp(-t / 0.01)
    stroke = skin + take.rng.uniform(0.1, 0.6) * stick
    n_strokes = take.rng.randint(1, 5)
    places = np.arange(n_strokes) * take.rng.uniform(0.1, 0.3)
    return take.place(stroke, places, take.rng.uniform(0.5, 1, n_strokes))


def _engine(take: Take) -> NDArray:
    """Hum: many harmonics of a low, unsteady tone, over some noise."""
    harmonics = np.arange(1, 16)
    f0 = take.frequency(30, 90) * (1 + 0.08 * take.drift(2))
    cycles = np.cumsum(f0) / take.sample_rate
    slope = take.source.uniform(0.2, 0.8)
    weights = take.source.uniform(0.2, 1, harmonics.size) / harmonics**slope
    hum = weights @ np.sin(2 * np.pi * harmonics[:, None] * cycles)
    return hum + take.rng.uniform(0.1, 0.5) * take.noise(100, 1000)


def _whistle(take: Take) -> NDArray:
    """Whistled tone that wavers and glides, with some breath."""
    t = take.time
    f0 = take.frequency(900, 2200)
    rate = take.source.uniform(4, 7)
    waver = take.rng.uniform(0, 0.04) * np.sin(2 * np.pi * rate * t)
    glide = take.rng.uniform(-0.5, 0.5) * t / t[-1]
    breath = take.source.uniform(0.05, 0.4) * take.noise(0.8 * f0, 1.6 * f0)
    return (take.tone(f0 * 2 ** (waver + glide)) + breath) * take.swell()


def _siren(take: Take) -> NDArray:
    """Wail: a tone with harmonics that rises and falls one to four times a second."""
    centre = take.frequency(600, 1100)
    cycles = take.source.uniform(1, 4) * take.time + take.rng.uniform()
    frequency = centre * 2 ** (
        take.source.uniform(0.2, 0.6) * np.sin(2 * np.pi * cycles)
    )
    weights = take.source.uniform(0.3, 1, 3) / (1, 2, 3)
    return weights @ [take.tone(k * frequency) for k in (1, 2, 3)]


def _rain(take: Take) -> NDArray:
    """Hiss with hundreds of drops, each a short ring."""
    drop = take.ring(take.frequency(1500, 3500), 0.004)
    drops = take.scatter(drop, take.rng.exponential(size=take.count(100, 500)))
    hiss = take.noise(take.source.uniform(500, 1500), 0.45 * take.sample_rate)
    return hiss + take.rng.uniform(0.5, 2) * drops


def _clicks(take: Take) -> NDArray:
    """Clicks in a nearly even row, like a ratchet or a clock."""
    click = take.ring(take.frequency(1200, 3500), 0.003)
    rate = take.source.uniform(4, 20) * take.n_samples / take.sample_rate
    row = np.arange(0, rate) + take.rng.uniform(0, 0.1, int(np.ceil(rate)))
    return take.place(click, row / rate, take.rng.uniform(0.6, 1, row.size))


def _beeps(take: Take) -> NDArray:
    """Tone keyed on and off at random, as in Morse code."""
    dot = round(take.source.uniform(0.04, 0.1) * take.sample_rate)
    keys = take.rng.choice([1, 0, 1, 1, 0], -(-take.n_samples // dot))
    keys[0] = 1
    gate = np.repeat(keys, dot)[: take.n_samples].astype(float)
    pitch = np.full(take.n_samples, take.frequency(500, 1800))
    return lfilter([0.02], [1, -0.98], gate) * take.tone(pitch)


def _bird(take: Take) -> NDArray:
    """Trill: short, steep glides in quick succession."""
    lowest = take.frequency(1500, 2500)
    syllable = (take.time * take.source.uniform(6, 16)) % 1
    glide = take.source.choice([-1, 1]) * take.rng.uniform(0.3, 0.7)
    length = take.source.uniform(0.5, 0.9)
    envelope = np.sin(np.pi * np.minimum(syllable / length, 1)) ** 2
    return envelope * take.tone(lowest * 2 ** (glide * syllable))


def _chirp(take: Take) -> NDArray:
    """Sweep, up or down, over two to four octaves."""
    octaves = take.source.uniform(2, 4) * np.linspace(0, 1, take.n_samples)
    frequency = take.frequency(150, 300) * 2**octaves
    if take.rng.randint(2):
        frequency = frequency[::-1]
    return take.tone(frequency) * take.swell()


def _crackle(take: Take) -> NDArray:
    """Fire: irregular snaps, few of them loud, over a soft roar."""
    snap = take.ring(take.frequency(800, 2500), 0.002)
    snaps = take.scatter(snap, take.rng.pareto(1.5, take.count(15, 60)))
    return snaps + take.rng.uniform(0.1, 0.5) * take.noise(50, 400)


def _glass(take: Take) -> NDArray:
    """Shards: dozens of high, short rings that start one after another."""
    n_shards = take.rng.randint(20, 60)
    lowest = take.frequency(1500, 2500)
    frequencies = take.audible(lowest * 2 ** take.rng.uniform(0, 1.5, n_shards))
    t = take.time - take.rng.exponential(0.06, n_shards)[:, None]
    decay = take.rng.uniform(0.01, 0.12, n_shards)
    rings = np.sin(2 * np.pi * frequencies[:, None] * t)
    dying = np.exp(-np.maximum(t, 0) / decay[:, None])
    return np.where(t > 0, rings * dying, 0).sum(axis=0)


def _helicopter(take: Take) -> NDArray:
    """Blades: dull thuds ten to twenty times a second, over the engine's noise."""
    turn = (take.time * take.source.uniform(10, 20) * take.pitch) % 1
    thuds = np.exp(-turn / take.source.uniform(0.15, 0.35)) * take.noise(40, 400)
    return thuds + take.rng.uniform(0.05, 0.3) * take.noise(300, 2000)


def _wind(take: Take) -> NDArray:
    """Gusts: bands of noise that swell one against the other."""
    lowest = take.frequency(60, 120)
    bands = np.array([take.noise(k * lowest, 3 * k * lowest) for k in (1, 3, 8)])
    swells = np.array([0.2 + np.abs(take.drift(3)) for _ in bands])
    return (swells * bands).sum(axis=0)


# Classes for training, then classes that a classifier has not been trained on.
KNOWN_SOUNDS: dict[str, SoundMaker] = {
    "bell": _bell,
    "clicks": _clicks,
    "drum": _drum,
    "engine": _engine,
    "pluck": _pluck,
    "rain": _rain,
    "siren": _siren,
    "whistle": _whistle,
}
OUTLIER_SOUNDS: dict[str, SoundMaker] = {
    "beeps": _beeps,
    "bird": _bird,
    "chirp": _chirp,
    "crackle": _crackle,
    "glass": _glass,
    "helicopter": _helicopter,
    "wind": _wind,
}
