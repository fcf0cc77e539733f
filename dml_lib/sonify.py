"""Paths through the space become sound: concatenative synthesis from the frames of a corpus."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from . import features
from .sounds import catalog, decode

GRAIN_S = 0.5
PEAK = 0.9
SILENT_PEAK = 1e-4  # -80 dB: below it a grain is noise, not sound


@dataclass(frozen=True)
class Units:
    """Frames of a corpus that may be played.

    Attributes
    ----------
    z : np.ndarray, (n_units, n_dims)
        Place in the space.
    sound, frame : np.ndarray, (n_units,), int64
        Row of the table of sounds, and frame number within that sound.
    frame_s : float
        Seconds from one frame to the next.
    """

    z: np.ndarray
    sound: np.ndarray
    frame: np.ndarray
    frame_s: float


def corpus(z, dataset, cfg, keep=None):
    """The units of a dataset.

    Parameters
    ----------
    z : np.ndarray, (n_frames_total, n_dims)
    dataset : Dataset
    cfg : Config
    keep : np.ndarray, (n_sounds,), bool, optional
        Sounds that may be used; all if not given.

    Raises
    ------
    ValueError
        Nothing is left to play.
    """
    sound = dataset.sound_of_frame()
    frame = np.arange(len(sound)) - dataset.start[sound]
    chosen = np.ones(len(sound), bool) if keep is None else keep[sound]
    if not chosen.any():
        raise ValueError("expected at least one sound to play from, found none: keep more sounds")
    return Units(z[chosen], sound[chosen], frame[chosen], cfg.hop_length / cfg.sr)


def nearest_units(path, units):
    """Index of the nearest unit of each path point.

    Parameters
    ----------
    path : np.ndarray, (n_steps, n_dims)
    units : Units

    Returns
    -------
    np.ndarray, (n_steps,), int64

    Raises
    ------
    ValueError
        The path is empty, has another number of dimensions or is not finite.

    Source
    ------
    Thesis-era original code: Euclidean 1-nearest neighbor.
    """
    path = np.asarray(path)
    if path.ndim != 2 or not len(path) or path.shape[1] != units.z.shape[1] or not np.isfinite(path).all():
        raise ValueError(f"expected a finite path (n_steps, {units.z.shape[1]}), found {path.shape}")
    return cKDTree(units.z).query(path)[1]


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


def author_method(path, units, table):
    """Play a path as the author did: the nearest unit of each step, half-second grains, half overlapping.

    Parameters
    ----------
    path : np.ndarray, (n_steps, n_dims)
        One point each 0.25 s.
    units : Units
    table : pandas.DataFrame
        The sounds of the corpus; their audio is rendered when it is needed.

    Returns
    -------
    y : np.ndarray, (n_samples,), float32
        Mono, peak 0.9; (n_steps + 1) * 0.25 s long.
    sr : int
    cues : pandas.DataFrame
        `step, sound, seconds, distance`: what was played when, and how far it lies from the path.

    Source
    ------
    Thesis-era original code: each grain is divided by half its peak, without alignment or any cost of joins. Our choice:
    a silent grain stays silent, and the whole is scaled to a peak below full scale, which his sum exceeds.
    """
    chosen = nearest_units(path, units)
    grains, sounds, rate = [], {}, None
    for i in chosen:
        sound = int(units.sound[i])
        if sound not in sounds:
            sounds[sound], rate = catalog.audio(table.iloc[sound])
        size = round(GRAIN_S * rate)
        size += size % 2
        y = np.pad(sounds[sound], size)  # a grain may hang over either end
        middle = round(units.frame[i] * units.frame_s * rate) + size
        grain = y[middle - size // 2:middle - size // 2 + size]
        grain = np.pad(grain, (0, size - len(grain)))
        peak = float(np.abs(grain).max())
        grains.append(grain / (peak / 2) if peak > SILENT_PEAK else np.zeros_like(grain))
    y = overlap_add(np.stack(grains), size // 2)
    cues = pd.DataFrame({
        "step": np.arange(len(chosen)), "sound": units.sound[chosen], "seconds": units.frame[chosen] * units.frame_s,
        "distance": np.linalg.norm(units.z[chosen] - path, axis=1),
    })
    return y * (PEAK / max(float(np.abs(y).max()), 1e-9)), rate, cues


def analyze(y, sr, cfg):
    """Constant-Q magnitudes of sound made here, (n_frames, n_bins), float32: what the network would see of it."""
    x = features.cqt_many([decode.resample(y, sr, cfg.sr)], features.ConstantQ(**cfg.front_end()))[0]
    return x * (cfg.level / max(x.max(), 1e-6)) if cfg.level else x
