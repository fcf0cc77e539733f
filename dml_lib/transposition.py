"""Sounds played faster or slower: a corpus then has notes beside those that it has, as a sampler's keys do.

A recording at 2 ** (s / 12) times its speed sounds s semitones higher and lasts as much shorter. All its constant-Q bins
move by the same step and its frames follow each other faster, so what the network hears of it needs no second analysis.

Conventions: a *copy* is a row of the table of sounds, behind those of all sounds themselves. It keeps the labels of its
sound; `transpose` tells by how many semitones it is higher, and `copy_of` of which row it is a copy.

Source
------
Our choice; samplers do so. Chapter 06.
"""

import hashlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from . import embed, tensors
from .dataset import Dataset
from .sounds import decode

USUAL, MOST = 3, 12  # semitones either way: a minor third, and an octave
BLOCK_FRAMES = 100_000  # of which float32 fits into memory
ENOUGH = 1_000_000  # frames: a corpus so large is dense enough, and copies take time and memory


def speed(semitones):
    """How many times as fast a sound is played that is to be so much higher."""
    return 2 ** (np.asarray(semitones, float) / 12)


def audio(y, sr, semitones):
    """Mono samples played faster or slower, at the same rate `sr`: (n_samples / speed,), float32."""
    return decode.resample(y, sr * float(speed(semitones)), sr) if semitones else y


def transposed(data, semitones, bins_per_octave):
    """The sounds of a dataset, all higher by so many semitones.

    Parameters
    ----------
    data : Dataset
    semitones : int
        Negative for lower.
    bins_per_octave : int
        Of its front end; where a semitone is no whole number of bins, the nearest is taken.

    Returns
    -------
    Dataset
        What was beyond either end of the bins counts as silent. `1 + (n_frames - 1) / speed` frames a sound, each between the
        two frames of the sound itself at that time.
    """
    n_frames = 1 + ((data.n_frames - 1) / speed(semitones)).astype(int)
    time = (np.arange(n_frames.sum()) - np.repeat(np.cumsum(n_frames) - n_frames, n_frames)) * speed(semitones)  # in frames
    before = np.repeat(data.start, n_frames) + time.astype(int)
    after = np.minimum(before + 1, np.repeat(data.start + data.n_frames - 1, n_frames))
    up, n_bins = round(semitones * bins_per_octave / 12), data.frames.shape[1]
    there, here = (slice(max(0, way), n_bins + min(0, way)) for way in (-up, up))
    frames = np.zeros((len(time), n_bins), data.frames.dtype)
    for first in range(0, len(time), BLOCK_FRAMES):
        rows = slice(first, first + BLOCK_FRAMES)
        late = (time[rows] % 1).astype(np.float32)[:, None]
        frames[rows, here] = (1 - late) * data.frames[before[rows], there] + late * data.frames[after[rows], there]
    return replace(data, table=data.table.assign(transpose=semitones, copy_of=np.arange(len(data))), frames=frames, n_frames=n_frames)


def fitting(n_frames):
    """By how many semitones to transpose a corpus of so many frames: three, or less where there would be more than about a million."""
    return max(0, min(USUAL, (ENOUGH // max(n_frames, 1) - 1) // 2))


def with_copies(data, z, semitones, model, cfg, file=None):
    """The sounds of a dataset and behind them their copies, up to `semitones` higher and lower, with the places of all frames.

    Parameters
    ----------
    data : Dataset
    z : np.ndarray, (n_frames_total, n_dims)
        Places of its frames.
    semitones : int
    model : Embedder
        Hears the copies.
    cfg : Config
    file : path, optional
        Keeps the places of the copies, where it can be written; they are heard again where `z` is another.

    Returns
    -------
    Dataset, np.ndarray

    Raises
    ------
    ValueError
        More than an octave, or less than nothing.
    Damaged
        What was kept is not whole.
    """
    if not 0 <= semitones <= MOST:
        raise ValueError(f"expected 0 to {MOST} semitones to transpose sounds by, found {semitones}: choose fewer")
    ways = [way * by for by in range(1, semitones + 1) for way in (-1, 1)]
    copies = [transposed(data, way, cfg.bins_per_octave) for way in ways]
    of, found = hashlib.sha256(np.ascontiguousarray(z)).hexdigest(), {}
    if file and Path(file).is_file():
        kept, card = tensors.read(file, "embedding", "delete it")
        found = kept if card["of"] == of else {}
    missing = [(str(way), copy) for way, copy in zip(ways, copies) if str(way) not in found]
    bar = tqdm(missing, desc="hearing transposed sounds", unit=" semitones", disable=None if missing else True)
    found |= {way: embed.embed_frames(model, copy, cfg) for way, copy in bar}
    if file and missing:
        with suppress(OSError):  # a disk that is full or read-only costs time only
            tensors.write(file, found, of=of)
    itself = replace(data, table=data.table.assign(transpose=0, copy_of=np.arange(len(data))))
    return Dataset.joined([itself, *copies]), np.concatenate([z, *(np.asarray(found[str(way)]) for way in ways)])
