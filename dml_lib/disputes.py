"""Names and notes: what a label says a note is, against what is heard, without any network.

Conventions: a label is *contradicted* where the estimate of the note lies more than `APART` semitones from it: an octave
that someone counts otherwise, a sample stored at another pitch. Percussion and phrases have no note to contradict.

Source
------
Our choice. Chapter 01, model cards and the reports of maps.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from .features import log_compress

LOUD_DB = 30.0  # frames within it of the loudest say what pitch and brightness a sound has
HARMONICS, FALL, BETWEEN = 10, 0.8, 0.5  # of the estimate: how many, each weaker by, weight of those half-way
APART = 0.75  # semitones; the estimate comes in steps of half of one


def pitch(x, cfg):
    """Estimate of the note that a sound has, by the sum of its harmonics.

    Log magnitudes at the harmonics of a note speak for it, those half-way between two of them against it: these would be
    harmonics of the note an octave lower.

    Parameters
    ----------
    x : np.ndarray, (n_frames, n_bins)
        Linear magnitudes.
    cfg : Config

    Returns
    -------
    float
        MIDI note number, in steps of a bin.

    Source
    ------
    Subharmonic summation, Hermes 1988, on a constant-Q spectrum. Chapter 01 shows on how many rendered notes, whose pitch
    is certain, it agrees.
    """
    z = log_compress(x, cfg.gain).mean(axis=0)
    octaves = int(np.ceil(np.log2(HARMONICS)))
    beyond, score = np.concatenate([z, np.zeros((octaves + 1) * cfg.bins_per_octave)]), np.zeros(len(z))
    for n in range(1, HARMONICS + 1):
        for harmonic, sign in ((n, 1.0), (n + 0.5, -BETWEEN)):
            first = round(cfg.bins_per_octave * np.log2(harmonic))
            score += sign * FALL ** (n - 1) * beyond[first:first + len(z)]
    return 69 + 12 * np.log2(cfg.fmin / 440) + 12 * int(score.argmax()) / cfg.bins_per_octave


def heard_notes(dataset, cfg):
    """`pitch` of the loud frames of each sound, (n_sounds,), float."""
    loud = dataset.audible(LOUD_DB)
    return np.array([pitch(dataset.features(i)[loud[dataset.where(i)]].astype(np.float32), cfg) for i in range(len(dataset))])


def apart(table, heard):
    """Semitones from the named note to the heard one, (n_sounds,), float; NaN where there is no single note or no number for it.

    Parameters
    ----------
    table : pandas.DataFrame
        `note_number`, and `kind` where it is known.
    heard : (n_sounds,), float
        Note numbers, from `heard_notes`.
    """
    found = np.asarray(heard, np.float64) - table["note_number"].to_numpy(np.float64, na_value=np.nan)
    return np.where(table.get("kind", pd.Series("", table.index)).isin(["percussion", "phrase"]), np.nan, found)


def contradicted(table, heard):
    """Which names the sound contradicts, (n_sounds,), bool; parameters as for `apart`."""
    return np.abs(apart(table, heard)) > APART


def notes(table):
    """The note of each sound of a map, (n_sounds,), Int64: the one its name tells, else the one heard; percussion has none."""
    return table["note_number"].astype("Int64").fillna(table["note_estimate"].round().where(table["kind"] != "percussion").astype("Int64"))


def without(dataset, wrong):
    """The same sounds, but nothing is tested on those whose label is `wrong` (n_sounds, bool)."""
    told = {name: dataset.table[name].where(~wrong | (dataset.table[name] != "test"), "") for name in dataset.splits}
    return replace(dataset, table=dataset.table.assign(**told))


def by_instrument(table, heard):
    """Where names and sounds disagree, one row a library and instrument with any such sound, most first.

    Returns
    -------
    pandas.DataFrame
        `library, instrument` (missing where no name tells), `sounds` that are notes, `contradicted`, `semitones`, the
        commonest difference of those, heard minus named, and `alike`, how many have it.
    """
    def commonest(steps):
        return steps.mode().min()

    known = table.reset_index(drop=True).assign(apart=apart(table, heard)).dropna(subset="apart")
    known = known.assign(wrong=known["apart"].abs() > APART, steps=known["apart"].round().where(known["apart"].abs() > APART))
    found = known.groupby(["library", "instrument"], dropna=False).agg(
        sounds=("wrong", "size"), contradicted=("wrong", "sum"), semitones=("steps", commonest),
        alike=("steps", lambda steps: (steps == commonest(steps)).sum()),
    ).reset_index().astype({"semitones": "Int64"})
    return found[found["contradicted"] > 0].sort_values("contradicted", ascending=False, kind="stable", ignore_index=True)
