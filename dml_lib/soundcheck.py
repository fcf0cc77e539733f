"""Measures of a path made sound: does the network hear the path in it, and does it join well?

Conventions: joins are looked at where units meet: halfway between the middles of two grains, and at the border of two
steps of ours; both methods meet four times a second, whether they change the sound there or not.

Source
------
Our choice; the author's method was never measured. Chapter 06.
"""

from functools import lru_cache

import librosa
import numpy as np
import pandas as pd
from scipy.ndimage import maximum_filter1d

from . import embed, features
from .dataset import Dataset
from .selection import STEP_FRAMES, repeated, runs
from .sounds import decode

FLUX_HOP_S, FLUX_SR, FLUX_FRAME = 0.01, 16_000, 1024
PITCH_SR, PITCH_FRAME, PITCH_HZ = 88_200, 8192, (26.0, 4_400.0)  # the keys of the piano: fewer samples a second are too coarse for its top
AUDIBLE_DB = 60.0


@lru_cache(maxsize=4)
def _transform(**front_end):
    return features.ConstantQ(**front_end)


def analyze(y, sr, cfg):
    """Constant-Q magnitudes of sound made here, (n_frames, n_bins), float32: what the network would see of it."""
    x = features.cqt_many([decode.resample(y, sr, cfg.sr)], _transform(**cfg.front_end()))[0]
    return x * (cfg.level / max(x.max(), 1e-6)) if cfg.level else x


def reembed(x, model, cfg):
    """Where the network hears magnitudes (n_frames, n_bins) of one sound: (n_frames, n_dims), float32."""
    return embed.embed_frames(model, Dataset.single(x), cfg)


def at_level(x, like):
    """Magnitudes x, scaled so that their mean power is that of the magnitudes `like`; silence stays as it is."""
    power, wanted = (float(np.square(m, dtype=np.float32).sum(axis=1).mean()) for m in (x, like))
    return x * np.float32(np.sqrt(wanted / power)) if power else x


def reembedding_error(z, path, unit=1.0):
    """Mean distance of what is heard from the path that was meant, after the best warping of time.

    Parameters
    ----------
    z : np.ndarray, (n_frames, n_dims)
        From `reembed`.
    path : np.ndarray, (n_steps, n_dims)
    unit : float
        Length that counts as one, such as `nearest.neighbor_distance`.

    Source
    ------
    Dynamic time warping as in `librosa.sequence.dtw`.
    """
    x, y = np.asarray(path, float), np.asarray(z, float)
    way = librosa.sequence.dtw(x.T, y.T)[1]
    return float(np.linalg.norm(x[way[:, 0]] - y[way[:, 1]], axis=1).mean() / unit)


def flux(y, sr):
    """Spectral flux every 10 ms: mean rise of 64 mel bands in dB since the spectrum before, (n,), float32.

    Source
    ------
    `librosa.onset.onset_strength`, at the rate of the front end.
    """
    y = decode.resample(y, sr, FLUX_SR)
    hop = round(FLUX_HOP_S * FLUX_SR)
    return librosa.onset.onset_strength(y=y, sr=FLUX_SR, n_fft=FLUX_FRAME, hop_length=hop, n_mels=64, center=False)


def joins(made, units, source_flux):
    """Spectral flux where units meet, and of their sources at the same instants.

    Parameters
    ----------
    made : sonify.Sonification
    units : Units
    source_flux : callable
        Row of the table of sounds -> `flux` of that sound.

    Returns
    -------
    pandas.DataFrame
        One row a meeting: `here`, flux in the sound made, `before` and `after`, flux of the two sources at that instant (NaN
        where they are not audible), `changed`, whether another sound comes. Meetings in silence are left out.
    """
    step, at_s = np.arange(len(made.chosen) - 1), units.frame_s
    if made.method == "ours":
        at, offsets = (step + 1) * STEP_FRAMES - 0.5, (STEP_FRAMES - 0.5, -0.5)
    else:
        at, offsets = (step + 1.5) * STEP_FRAMES, (STEP_FRAMES / 2, -STEP_FRAMES / 2)
    found = {"here": _at(flux(made.y, made.sr), at * at_s)}
    for side, unit, offset in zip(("before", "after"), (made.chosen[:-1], made.chosen[1:]), offsets):
        sound, frame = units.sound[unit], units.frame[unit] + offset
        near = np.round(frame + 1e-6).astype(int)
        there = (near >= 0) & (near < units.dataset.n_frames[sound])
        there[there] = units.audible[units.dataset.start[sound[there]] + near[there]]
        found[side] = [_at(source_flux(int(s)), f * at_s) if t else np.nan for s, f, t in zip(sound, frame, there)]
    found["changed"] = np.isin(step + 1, runs(made.chosen, units)[:, 0])
    return pd.DataFrame(found).dropna(subset=["before", "after"], how="all")


def _at(values, seconds):
    """Largest flux whose spectra reach to some instants: a cut is seen first by the spectrum that it enters.

    Value `i` is the rise from 10 (i - 1) ms to 10 i ms.
    """
    largest = maximum_filter1d(values, 1 + round(FLUX_FRAME / FLUX_SR / FLUX_HOP_S), mode="nearest")
    return largest[np.clip(np.round(np.asarray(seconds) / FLUX_HOP_S + 0.5).astype(int), 0, len(values) - 1)]


def discontinuity(found):
    """Join discontinuity of some sounds: flux where units meet over the median flux of their sources at the same instants.

    Parameters
    ----------
    found : sequence of pandas.DataFrame
        From `joins`.

    Returns
    -------
    dict of str to float
        `join_discontinuity`: of the mean flux, which attacks rule: above 1 even where nothing is joined.
        `join_discontinuity_median`: of the median flux, 1 where nothing is joined. `join_discontinuity_changed`: of the median
        flux where another sound comes. A figure is absent where nothing is audible.
    """
    table = pd.concat(found)
    usual = np.nanmedian(table[["before", "after"]].to_numpy(float)) if len(table) else 0.0
    figures = {"": table["here"].mean(), "_median": table["here"].median(), "_changed": table["here"][table["changed"]].median()}
    return {f"join_discontinuity{name}": float(value / usual) for name, value in figures.items() if usual > 0 and np.isfinite(value)}


def pitch_error(y, sr, note_number):
    """Median distance from a note in cents, over frames within 60 dB of the loudest one.

    Source
    ------
    Pitch by YIN (de Cheveigné and Kawahara 2002), as in `librosa.yin`.
    """
    y = decode.resample(y, sr, PITCH_SR)
    hop = PITCH_FRAME // 4
    hz = librosa.yin(y, fmin=PITCH_HZ[0], fmax=PITCH_HZ[1], sr=PITCH_SR, frame_length=PITCH_FRAME, hop_length=hop)
    loud = librosa.feature.rms(y=y, frame_length=PITCH_FRAME, hop_length=hop)[0]
    audible = loud >= loud.max() * 10 ** (-AUDIBLE_DB / 20)
    return float(np.median(np.abs(1200 * np.log2(hz[audible] / librosa.midi_to_hz(note_number)))))


def loudness_variation(x):
    """Standard deviation of the change of level from frame to frame in dB, over frames within 60 dB of the loudest.

    Parameters
    ----------
    x : np.ndarray, (n_frames, n_bins)
        Magnitudes.
    """
    power = np.square(x, dtype=np.float32).sum(axis=1)
    audible = power >= max(power.max() * 10 ** (-AUDIBLE_DB / 10), 1e-12)
    steps = np.diff(10 * np.log10(np.maximum(power, 1e-12)))[audible[1:] & audible[:-1]]
    return float(steps.std()) if len(steps) else 0.0


def measure(made, instrument, cfg, unit, note_number=None):
    """All measures of one sound that need no others.

    Parameters
    ----------
    made : sonify.Sonification
    instrument : sonify.Instrument
        With a network.
    cfg : Config
    unit : float
        See `reembedding_error`.
    note_number : int, optional
        The note that the path is one of.

    Returns
    -------
    dict of str to float
        `reembedding_error`; `reembedding_error_leveled`, after the sound was given the level of its units, because the
        author's grains have none of their own; `pitch_error` (with a note), `repetition_rate` (share of steps that play what
        was played before), `loudness_variation` in dB, `clipped` (share of samples beyond full scale), `peak`, `dc`, `jump`
        (largest step from sample to sample).
    """
    x, units = analyze(made.y, made.sr, cfg), instrument.units
    leveled = at_level(x, units.dataset.frames[units.row[made.chosen]])
    found = {
        "reembedding_error": reembedding_error(instrument.hear(x), made.path, unit),
        "reembedding_error_leveled": reembedding_error(instrument.hear(leveled), made.path, unit),
        "repetition_rate": len(repeated(made.chosen, instrument.units)) / len(made.chosen),
        "loudness_variation": loudness_variation(x),
        "clipped": float((np.abs(made.y) > 1).mean()), "peak": float(np.abs(made.y).max()),
        "dc": float(abs(made.y.mean())), "jump": float(np.abs(np.diff(made.y)).max()),
    }
    return found if note_number is None else found | {"pitch_error": pitch_error(made.y, made.sr, note_number)}
