"""Near-identical sounds: the same recording in two libraries, which a split between those libraries would leak.

Conventions: the likeness of two sounds is the correlation of their fingerprints, 1 for a copy at any level.

Source
------
Our choice. Free soundfonts borrow from one another; chapter 01 shows which, and `held_out` splits follow from it.
"""

from functools import lru_cache
from itertools import combinations

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors

from .features import log_compress

COPY, MOST = 0.97, 5  # correlation from which sounds count as copies; so many at most, the most alike, are listed for a sound
N_FRAMES = 10  # half a second from the onset: later, copies differ by release, loop and length
SKETCH_DIMS, SKETCH_ROOM = 32, 2.0  # of a sketch, and squared stretch of a distance in it: one of 1,000 copies is stretched more
BLOCK_VALUES = 2**24  # of magnitudes or correlations in memory at a time: 64 MB


def fingerprint(dataset):
    """What two copies of a sound share, whatever their level.

    The log-compressed frames from the first audible one on, after the sound's peak there is set to 1: some 34 dB below
    it count, noise floors and dither do not. Unlike a normalization of the result, this undoes a gain exactly.

    Parameters
    ----------
    dataset : Dataset

    Returns
    -------
    np.ndarray, (n_sounds, N_FRAMES * n_bins), float32
        Mean 0 and length 1, so that a dot product is a correlation; zeros for a silent sound.
    """
    rows = np.where(dataset.audible(), np.arange(len(dataset.frames)), len(dataset.frames))
    first = np.minimum.reduceat(rows, dataset.start) - dataset.start
    out = np.empty((len(dataset), N_FRAMES * dataset.frames.shape[1]), np.float32)
    step = max(1, BLOCK_VALUES // out.shape[1])
    for i in range(0, len(dataset), step):
        part = np.arange(i, min(i + step, len(dataset)))
        x = dataset.windows(part, first[part] + N_FRAMES // 2, N_FRAMES).reshape(len(part), -1)
        peak = x.max(axis=1, keepdims=True)
        x = log_compress(x / np.where(peak > 0, peak, 1))
        x -= x.mean(axis=1, keepdims=True)
        length = np.linalg.norm(x, axis=1, keepdims=True)
        out[part] = x / np.where(length > 0, length, 1)
    return out


def leaks(dataset):
    """How much each two libraries have in common, among sounds with the same instrument and note.

    Parameters
    ----------
    dataset : Dataset
        With `library, source_family, instrument, note_number` in its table; sounds without a label are left out.

    Returns
    -------
    pandas.DataFrame
        `library_a, family_a, library_b, family_b`; `notes`: instrument-note pairs that both have; `mean, median` over
        them of the best match; `share_above` of them, those that count as copies; `instruments` that both have, and
        `instruments_above`: those whose mean does. Most alike first; pairs without a common note are left out.
    """
    marks = fingerprint(dataset)
    table = dataset.table.reset_index(drop=True).dropna(subset=["instrument", "note_number"])
    columns = "library_a family_a library_b family_b instrument note best".split()
    found = []
    for (instrument, note), group in table.groupby(["instrument", "note_number"]):
        sides = list(group.groupby(["library", "source_family"]))
        for (a, rows_a), (b, rows_b) in combinations(sides, 2):
            best = (marks[rows_a.index] @ marks[rows_b.index].T).max()
            found.append((*a, *b, instrument, note, float(best)))
    found, libraries = pd.DataFrame(found, columns=columns), columns[:4]
    means = found.groupby([*libraries, "instrument"])["best"].mean()
    result = found.groupby(libraries)["best"].agg(
        notes="size", mean="mean", median="median", share_above=lambda best: (best >= COPY).mean())
    result["instruments"] = means.groupby(libraries).size()
    result["instruments_above"] = (means >= COPY).groupby(libraries).sum()
    return result.reset_index().sort_values("mean", ascending=False, ignore_index=True)


def sketch(marks):
    """A few numbers that keep the distances of fingerprints roughly: products with fixed random directions.

    Parameters
    ----------
    marks : np.ndarray, (n_sounds, n), float32
        From `fingerprint`.

    Returns
    -------
    np.ndarray, (n_sounds, SKETCH_DIMS), float32

    Source
    ------
    Johnson and Lindenstrauss 1984.
    """
    return marks @ _directions(marks.shape[1])


@lru_cache(maxsize=2)
def _directions(n):
    return np.random.default_rng(0).standard_normal((n, SKETCH_DIMS), np.float32) / np.float32(np.sqrt(SKETCH_DIMS))


def candidates(sketches):
    """Pairs of sounds that may be copies, by their sketches: row numbers (a, b), a < b, each pair once, sorted.

    Sounds with no sound in them have a sketch of zeros, and no copies.
    """
    rows = np.flatnonzero(sketches.any(axis=1))
    if not len(rows):
        return np.zeros((2, 0), int)
    search = NearestNeighbors(n_neighbors=min(len(rows), 2 * MOST + 1), algorithm="brute").fit(sketches[rows])  # in 32 dimensions a tree is slower
    far, near = search.kneighbors(sketches[rows])
    i, j = np.nonzero(far <= np.sqrt(2 * (1 - COPY) * SKETCH_ROOM) + 1e-3)
    found = np.sort(np.stack([rows[i], rows[near[i, j]]]), axis=0)
    return np.unique(found[:, found[0] != found[1]], axis=1)


def listed(found, ids):
    """Of pairs of sounds those that are copies, with their ids; of many copies of one sound each is listed with some of the others.

    Parameters
    ----------
    found : pandas.DataFrame
        `row_a, row_b` (row numbers, row_a < row_b) and the `correlation` of their fingerprints.
    ids : sequence of str

    Returns
    -------
    pandas.DataFrame
        Also `sound_a, sound_b`; in order of row_a, then of falling correlation.
    """
    found = found.assign(correlation=found["correlation"].astype(np.float64).round(5))  # the last bits differ with the size of a block
    found = found[found["correlation"] >= COPY].sort_values(["row_a", "correlation", "row_b"], ascending=[True, False, True])
    found, ids = found.groupby("row_a").head(MOST).reset_index(drop=True), np.asarray(ids)
    return found.assign(sound_a=ids[found["row_a"]], sound_b=ids[found["row_b"]])
