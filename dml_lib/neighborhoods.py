"""Contrastive partitions: which sounds should lie together, and which apart.

A partition k of a collection D is a positive set G_k and a negative set N_k with three conditions:
(1) G_k and N_k are disjoint; (2) together they may cover only part of D; (3) partitions are drawn independently,
so that two of them may share members. Chapter 02 shows them.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .config import SCHEMES, check_name

USES = {
    "instrument": (True, None),
    "pitch": (False, 0),
    "instrument_pitch": (True, 0),
    "instrument_pitch_2": (True, 2),
}  # scheme: (compare instruments?, greatest pitch difference in semitones or None)


@dataclass(frozen=True)
class Partition:
    """One contrastive partition.

    Attributes
    ----------
    key : tuple
        (instrument or None, note_number or None) at the center of the neighborhood.
    positive, negative : np.ndarray, int64
        Sound numbers of G_k and N_k, sorted.
    """

    key: tuple
    positive: np.ndarray
    negative: np.ndarray

    def check(self, n_sounds):
        """Raise ValueError where a condition of the paper fails.

        Condition 3 binds no single partition: it asks only that each can be built without the others.
        """
        both = np.intersect1d(self.positive, self.negative)
        if len(both):
            raise ValueError(f"partition {self.key}: condition 1 broken, {len(both)} sounds are positive and negative")
        members = np.concatenate([self.positive, self.negative])
        if len(np.unique(members)) != len(members) or (len(members) and not 0 <= members.min() <= members.max() < n_sounds):
            raise ValueError(f"partition {self.key}: condition 2 broken, members must be distinct sounds of the collection")


class Neighborhoods:
    """All partitions of one scheme over one table of sounds.

    Parameters
    ----------
    table : pandas.DataFrame
        `instrument` (str or missing) and `note_number` (int or missing), one row a sound.
        A sound without a label that the scheme needs is in no set (condition 2).
    scheme : str
        `instrument`, `pitch`, `instrument_pitch` or `instrument_pitch_2`.

    Attributes
    ----------
    keys : list of tuple
        (instrument or None, note_number or None), sorted.
    instrument, note : np.ndarray, (n_sounds,), int64
        Codes that the scheme compares; -1 where it does not look or there is no label.

    Raises
    ------
    ValueError
        Unknown scheme, or fewer than two neighborhoods: there is nothing to set apart.

    Source
    ------
    Paper, section 2 (definition) and section 3 (the four schemes).
    """

    def __init__(self, table, scheme):
        self.by_instrument, self.tolerance = USES[check_name("scheme", scheme, SCHEMES)]
        self.scheme = scheme
        instrument, note = table["instrument"], table["note_number"]
        self.names = sorted(instrument.dropna().unique()) if self.by_instrument else []
        codes = instrument.map({name: i for i, name in enumerate(self.names)})
        self.instrument = codes.fillna(-1).to_numpy(np.int64) if self.by_instrument else np.full(len(table), -1)
        by_pitch = self.tolerance is not None
        self.note = note.astype("Float64").fillna(-1).to_numpy(np.int64) if by_pitch else np.full(len(table), -1)
        self.labeled = ((self.instrument >= 0) | (not self.by_instrument)) & ((self.note >= 0) | (not by_pitch))
        codes = sorted(set(zip(self.instrument[self.labeled].tolist(), self.note[self.labeled].tolist())))
        if len(codes) < 2:
            raise ValueError(f"scheme {scheme!r} expected at least 2 neighborhoods, found {len(codes)}: add labeled sounds")
        self._codes = np.array(codes)
        self.keys = [(self.names[i] if i >= 0 else None, n if n >= 0 else None) for i, n in codes]
        self._positive = [np.flatnonzero(self.contains(k)) for k in range(len(self.keys))]

    def __len__(self):
        return len(self.keys)

    def has_negatives(self, k):
        """Whether any labeled sound lies outside G_k."""
        return len(self._positive[k]) < self.labeled.sum()

    def contains(self, k, sounds=slice(None)):
        """Which of the sounds are in G_k, bool."""
        instrument, note = self._codes[k]
        return self.labeled[sounds] & self._same(instrument, note, self.instrument[sounds], self.note[sounds])

    def _same(self, instrument_a, note_a, instrument_b, note_b):
        return (instrument_a == instrument_b) & (np.abs(note_a - note_b) <= (self.tolerance or 0))

    def alike(self, k):
        """Which neighborhoods have their center inside neighborhood k, itself included, (n,), bool."""
        return self._same(*self._codes[k], *self._codes.T)

    def positive(self, k):
        """Sound numbers of G_k, sorted, int64."""
        return self._positive[k]

    def partition(self, k):
        """Partition k with its negative set written out: all labeled sounds outside G_k."""
        outside = self.labeled.copy()
        outside[self._positive[k]] = False
        return Partition(self.keys[k], self._positive[k], np.flatnonzero(outside))

    def check(self):
        """Check the paper's conditions on every partition; returns how many there are."""
        for k in range(len(self)):
            self.partition(k).check(len(self.labeled))
        return len(self)

    def describe(self):
        """How many neighborhoods there are and how many sounds each has, as numbers by name."""
        sizes = np.array([len(p) for p in self._positive])
        return {"neighborhoods": len(self), "mean": float(sizes.mean()), "sd": float(sizes.std())}

    def related(self, a, b):
        """Whether sound `a` may be a positive of sound `b`: same instrument, pitch within the tolerance.

        Parameters
        ----------
        a, b : np.ndarray, int
            Sound numbers; shapes broadcast.

        Returns
        -------
        np.ndarray, bool
        """
        labeled = self.labeled[a] & self.labeled[b]
        return labeled & self._same(self.instrument[a], self.note[a], self.instrument[b], self.note[b])


def sizes(table):
    """How many neighborhoods each scheme makes of a table of sounds, and the mean and spread of their sounds."""
    return pd.DataFrame({scheme: Neighborhoods(table, scheme).describe() for scheme in SCHEMES}).T.convert_dtypes()
