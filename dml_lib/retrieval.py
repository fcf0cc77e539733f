"""Ranked retrieval: each point of a space is asked for the others, nearest first.

Conventions: those of `nearest`. Figures come point by point, so that a mean can be given with an interval; a point with
nothing to find is left out.

Source
------
Paper, section 3 names ranked retrieval and precision and recall; it prints no number.
"""

import numpy as np

from .nearest import neighbors, others_of, validate

LEVELS = np.linspace(0, 1, 11)  # of recall
OCTAVE = 12


def _asked(y):
    """Points that have another of their class, and how many others each has."""
    others = np.bincount(y)[y] - 1
    asked = np.flatnonzero(others > 0)
    if not len(asked):
        raise ValueError("expected a class with two points, found none: nothing can be retrieved")
    return asked, others[asked]


def retrieval(z, y):
    """Rank all other points by distance to each point.

    Parameters
    ----------
    z : np.ndarray, (n, n_dims)
    y : np.ndarray, (n,), int

    Returns
    -------
    dict of str to np.ndarray, (n_asked,)
        `p_at_5`: share of the five nearest that are of the class. `r_precision`: the same among the R nearest, where R
        is the number of others in the class. `map_at_r`: mean over those R ranks of precision at each hit.

    Raises
    ------
    ValueError
        No class has two points.
    """
    validate(z, y)
    asked, others = _asked(y)
    depth, scores = max(5, int(others.max())), []
    for i in np.array_split(np.arange(len(asked)), -(-len(asked) * depth // 5_000_000)):
        rows, r = asked[i], others[i]
        hits = y[others_of(z, rows, depth)] == y[rows][:, None]
        inside = np.arange(hits.shape[1]) < r[:, None]
        precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
        scores.append((hits[:, :5].mean(axis=1), (hits & inside).sum(axis=1) / r, (precision * (hits & inside)).sum(axis=1) / r))
    return dict(zip(("p_at_5", "r_precision", "map_at_r"), np.concatenate(scores, axis=1)))


def across(train, test):
    """Ask each test point for training points of other source families than its own.

    Parameters
    ----------
    train, test : (z, y, family)
        Places (n, n_dims), classes and source families, (n,), int.

    Returns
    -------
    precision : np.ndarray, (n_asked,)
        Share of the five nearest that are of the class.
    asked : np.ndarray, (n_asked,), int64
        The test points, those left out for which there is no other family.

    Source
    ------
    Our choice: what a reader asks whose own library was not trained on.
    """
    precision, asked = [np.zeros(0)], [np.zeros(0, np.int64)]
    for family in np.unique(test[2]):
        own, others = np.flatnonzero(test[2] == family), train[2] != family
        if others.any():
            found = train[1][others][neighbors(train[0][others], test[0][own], 5)]
            precision.append((found == test[1][own, None]).mean(axis=1))
            asked.append(own)
    return np.concatenate(precision), np.concatenate(asked)


def ndcg(z, notes, k=15):
    """Normalized discounted cumulative gain of the k nearest of each point, for pitch: near misses count.

    A neighbor at n semitones gains 1 - n / 12, nothing beyond an octave, discounted by log2(1 + rank).

    Parameters
    ----------
    z : np.ndarray, (n, n_dims)
    notes : np.ndarray, (n,)
        MIDI numbers.
    k : int

    Returns
    -------
    np.ndarray, (n,)
        Against the best possible order of the other points; 0 where no other point is within an octave.

    Raises
    ------
    ValueError
        A point without a note.

    Source
    ------
    Järvelin and Kekäläinen 2002; the gain is our choice.
    """
    notes = np.asarray(notes, float)
    validate(z, np.arange(len(notes)))
    if np.isnan(notes).any():
        raise ValueError(f"expected a note for each point, found {np.isnan(notes).sum()} without: drop unlabeled points first")
    gain = np.maximum(0, 1 - np.abs(notes[others_of(z, np.arange(len(z)), k)] - notes[:, None]) / OCTAVE)
    discount = 1 / np.log2(2 + np.arange(gain.shape[1]))
    ideal = {}
    for note in np.unique(notes):
        best = np.sort(np.maximum(0, 1 - np.abs(notes - note) / OCTAVE))[::-1][1:1 + gain.shape[1]]  # without the point itself
        ideal[note] = best @ discount
    best = np.array([ideal[note] for note in notes])
    return np.divide(gain @ discount, best, out=np.zeros(len(z)), where=best > 0)


def recall_precision(z, y, most=2_000):
    """Mean interpolated precision at eleven levels of recall, over the ranking of all other points.

    Parameters
    ----------
    z : np.ndarray, (n, n_dims)
    y : np.ndarray, (n,), int
    most : int
        Points that are asked, by chance.

    Returns
    -------
    np.ndarray, (11,)
        At recall 0, .1 and so on to 1: the best precision at that recall or beyond.

    Raises
    ------
    ValueError
        No class has two points.

    Source
    ------
    The eleven-point curve of information retrieval (Manning, Raghavan and Schütze 2008, chapter 8).
    """
    validate(z, y)
    asked, others = _asked(y)
    chosen = np.sort(np.random.default_rng([0, 11]).choice(len(asked), min(most, len(asked)), replace=False))
    total = np.zeros(len(LEVELS))
    for i in chosen:
        hits = y[others_of(z, asked[i:i + 1], len(z) - 1)[0]] == y[asked[i]]
        precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
        best = np.maximum.accumulate(precision[::-1])[::-1][hits]  # at each hit, or beyond
        total += best[np.maximum(np.ceil(LEVELS * others[i] - 1e-9).astype(int), 1) - 1]
    return total / len(chosen)
