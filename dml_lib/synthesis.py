"""Units become samples: the author's grains, and ours, stretches of sound joined where their waves agree.

Source
------
Grains: thesis-era original code. Alignment of waves at joins by cross-correlation: Verhelst and Roelands 1993, "An
overlap-add technique based on waveform similarity (WSOLA)". Chapter 06.
"""

import numpy as np
import scipy.signal

from .selection import STEP_FRAMES, runs

GRAIN_S = 0.5
PEAK = 0.9
SILENT_PEAK = 1e-4  # -80 dB: below it a grain is noise, not sound
FADE_S = 0.25  # of a join, shorter where a stretch is shorter
SEARCH_S = 0.0125  # how far a stretch is moved to agree with the wave before it: half a period of 40 Hz
EDGE_S = 0.02  # fade at the end of each sound and of the whole, and at its start unless that is an attack: against clicks
LEVEL_DB = 3.0  # most that a stretch's loudness is changed to meet its neighbor


def overlap_add(grains, hop):
    """Add Hann-windowed grains at steps of `hop` samples.

    Parameters
    ----------
    grains : np.ndarray, (n_grains, n_samples), float32
    hop : int

    Returns
    -------
    np.ndarray, ((n_grains - 1) * hop + n_samples,), float32
    """
    n, size = grains.shape
    window = np.hanning(size + 1)[:size].astype(np.float32)  # periodic: windows at half steps add to one
    y = np.zeros((n - 1) * hop + size, np.float32)
    for i, grain in enumerate(grains):
        y[i * hop:i * hop + size] += grain * window
    return y


def cut(y, first, n):
    """`n` samples from `first` on, zero beyond either end of `y`, (n,), float32."""
    out = np.zeros(n, np.float32)
    low, high = max(first, 0), min(first + n, len(y))
    if high > low:
        out[low - first:high - first] = y[low:high]
    return out


def fade_out(y, n):
    """A copy of sound that goes to zero, linearly, over its last `n` samples or all that it has."""
    y, n = y.copy(), min(n, len(y))
    y[len(y) - n:] *= np.linspace(1, 0, n, dtype=np.float32)
    return y


def grains(chosen, units, audio):
    """Half-second grains around units, half overlapping, each divided by half its peak; peak 0.9 in all.

    Parameters
    ----------
    chosen : np.ndarray, (n_steps,), int
    units : Units
    audio : AudioCache

    Returns
    -------
    np.ndarray, ((n_steps + 1) * 0.25 s,), float32

    Source
    ------
    Thesis-era original code, without alignment or any cost of joins. Our choice: a silent grain stays silent, and the
    whole is scaled to a peak below full scale, which his sum exceeds.
    """
    size = 2 * round(GRAIN_S * audio.sr / 2)
    played = np.stack([cut(audio(units.sound[i]), round(units.frame[i] * units.frame_s * audio.sr) - size // 2, size) for i in chosen])
    peak = np.abs(played).max(axis=1, keepdims=True)
    y = overlap_add(np.where(peak > SILENT_PEAK, played / np.maximum(peak / 2, SILENT_PEAK / 2), 0), size // 2)
    return y * np.float32(PEAK / max(float(np.abs(y).max()), 1e-9))


def crossfade(n, likeness):
    """Gains out and in over `n` samples, of constant power for two sounds that correlate by `likeness`, each (n,), float32.

    Linear for one and the same sound, equal power for sounds that have nothing in common.
    """
    rise = np.sin(np.pi / 2 * (np.arange(n) + 0.5) / n) ** 2
    power = np.sqrt(rise**2 + (1 - rise) ** 2 + 2 * max(likeness, 0.0) * rise * (1 - rise))
    return ((1 - rise) / power).astype(np.float32), (rise / power).astype(np.float32)


def align(before, y, first, reach):
    """Where around `first` the wave of `y` agrees best with `before`, and by how much.

    Parameters
    ----------
    before : np.ndarray, (n,), float32
    y : np.ndarray, (n_samples,), float32
    first, reach : int
        Samples.

    Returns
    -------
    shift : int
        -reach .. reach.
    likeness : float
        Normalized cross-correlation there, -1 .. 1.
    """
    around = cut(y, first - reach, len(before) + 2 * reach).astype(float)
    dot = scipy.signal.correlate(around, before.astype(float), mode="valid")
    power = np.cumsum(np.concatenate([[0], around**2]))
    power = np.maximum(power[len(before):] - power[:-len(before)], 0)
    likeness = dot / np.sqrt(np.maximum(power * float(np.square(before, dtype=float).sum()), 1e-12))
    best = int(likeness.argmax())
    return best - reach, float(np.clip(likeness[best], -1, 1))


def splice(chosen, units, audio, n_samples):
    """Play stretches one after another, joined where their waves agree.

    Parameters
    ----------
    chosen : np.ndarray, (n_steps,), int
        From `selection.viterbi`.
    units : Units
    audio : AudioCache
    n_samples : int

    Returns
    -------
    y : np.ndarray, (n_samples,), float32
        At the mean level of the files; scaled down where it would exceed a peak of 0.9.
    moved : np.ndarray, (n_runs,), int64
        By how many samples later in its sound each of the `runs` begins than its unit, so that its wave meets the one before.

    Source
    ------
    Our choice: alignment as in WSOLA, gains of constant power, loudness that meets halfway at a join.
    """
    sr, found, y = audio.sr, runs(chosen, units), np.zeros(n_samples, np.float32)
    frame, edge = units.frame_s * sr, round(EDGE_S * sr)
    edges = np.clip(np.round(np.append((found[:, 0] * STEP_FRAMES - 0.5) * frame, n_samples)).astype(int), 0, n_samples)
    length = np.diff(edges)
    fades = np.concatenate([[0], np.minimum(np.minimum(length[:-1], length[1:]), round(FADE_S * sr)) // 2 * 2, [0]])
    gains, moved = _gains(found, chosen, units), np.zeros(len(found), int)
    for i, (first_step, unit) in enumerate(found):
        fade, start, stop = fades[i], edges[i] - fades[i] // 2, edges[i + 1] + fades[i + 1] // 2
        sound, place = audio(units.sound[unit]), start + round((units.frame[unit] - first_step * STEP_FRAMES) * frame)
        if fade:
            moved[i], likeness = align(y[start:start + fade], sound, place, round(SEARCH_S * sr))
        part = cut(fade_out(sound, edge), place + moved[i], stop - start) * _ramp(start, stop, edges[i:i + 2], gains[i])
        if fade:
            out, into = crossfade(fade, likeness)
            y[start:start + fade] *= out
            part[:fade] *= into
        y[start:stop] += part
    if units.frame[chosen[0]] > 0:  # else the attack of a sound is kept as it is
        y = fade_out(y[::-1], edge)[::-1]
    y = fade_out(y, edge)
    native = np.exp(-np.log(audio.gain(units.sound[chosen])).mean())
    return y * np.float32(min(native, PEAK / max(float(np.abs(y).max()), 1e-9))), moved


def _gains(found, chosen, units):
    """Level changes of each run at its start and its end in dB, (n_runs, 2): neighbors meet halfway."""
    before = chosen[found[1:, 0] - 1]
    ahead = np.minimum(before + STEP_FRAMES, units.end(before))
    half = np.clip(units.level(found[1:, 1]) - units.level(ahead), -LEVEL_DB, LEVEL_DB) / 2
    return np.stack([np.append(0, -half), np.append(half, 0)], axis=1)


def _ramp(start, stop, edges, gains):
    """Factors from sample to sample for a level that changes linearly, in dB, from one edge to the other."""
    return (10 ** (np.interp(np.arange(start, stop), edges, gains) / 20)).astype(np.float32)
