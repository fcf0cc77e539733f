"""Sounds to measure with: the reader's recordings where they are found, else rendered notes.

Source
------
Our choice. `benchmark` uses them.
"""

import contextlib
import itertools
from pathlib import Path

import librosa
import numpy as np
import soundfile

from . import paths
from .sounds import catalog, soundfont
from .sounds.decode import DecodeError, decode, resample


def _files(*patterns):
    """Files below `DML_DATA`, if there is such a folder."""
    folder = paths.user_data()
    return sorted(file for pattern in patterns for file in folder.glob(pattern)) if folder else []


def _spread(items, n):
    """At most `n` of the items, from all parts of the list."""
    return [items[i] for i in np.unique(np.linspace(0, len(items) - 1, min(n, len(items))).round().astype(int))]


def _rendered(n):
    """At most `n` notes of all instruments, samples at `soundfont.SR`; a few recipes are silent."""
    sounds = []
    for row in _spread(soundfont.recipes("timgm6mb", -(-n // 24)).to_dict("records"), n):
        with contextlib.suppress(soundfont.RenderError):
            sounds.append(catalog.audio(row)[0])
    return sounds


def sounds(n, seconds, sr):
    """Sounds of one length, cut or filled with zeros, and where they came from.

    Parameters
    ----------
    n : int
        At most so many.
    seconds : float
        Length of each.
    sr : int
        Hz.

    Returns
    -------
    y : np.ndarray, (n_sounds, n_samples), float32
    origin : str
    """
    files = _spread(_files("philharmonia/**/*.mp3", "generaluser_gs/**/*.flac"), n)
    sounds = []
    for file in files:
        with contextlib.suppress(DecodeError):
            sounds.append(decode(file, sr)[0])
    origin = "recorded (philharmonia, generaluser_gs)"
    if not sounds:
        sounds, origin = [resample(y, soundfont.SR, sr) for y in _rendered(n)], "rendered (timgm6mb)"
    return np.stack([librosa.util.fix_length(y, size=round(seconds * sr)) for y in sounds]), origin


def recordings(n, folder, suffix):
    """Files of the Philharmonia, else of rendered sounds, each at a level of its own so that no two are the same; and which.

    Parameters
    ----------
    n : int
        At most so many.
    folder : path
        Where rendered sounds are written.
    suffix : str
        Of their files, such as ".wav".

    Returns
    -------
    files : list of Path
    origin : str
    """
    if files := _spread(_files("philharmonia/**/*.mp3"), n):
        return files, f"{len(files)} recorded (philharmonia)"
    files = [Path(folder, f"{i}{suffix}") for i in range(n)]
    for file, y, level in zip(files, itertools.cycle(_rendered(min(n, 100))), np.linspace(0.5, 1, n)):
        soundfile.write(file, level * y, soundfont.SR)
    return files, f"{n} rendered (timgm6mb)"
