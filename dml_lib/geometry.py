"""The shape of a space: which neighbors it keeps, whether pitch is in order, what its axes mean.

Conventions: one point a sound, (n_sounds, n_dims). The space that sounds come from is that of their mean log constant-Q.
Correlations are Spearman's, of ranks: a curved relation counts like a straight one.
"""

import numpy as np
import pandas as pd
from scipy.stats import rankdata, spearmanr
from sklearn.manifold import trustworthiness

from .embed import audible_parts
from .features import log_compress
from .nearest import others_of

NEAR = 15  # neighbors that count as near
MOST = 3_000  # sounds that all-pairs figures are computed on
BLOCK = 100_000  # frames in memory at a time
TELLING = 0.3  # correlation from which an axis is called by what it goes with
ATTACK = 0.9  # of the largest energy: where an attack ends


def preservation(a, b, k=NEAR):
    """Share of each point's k nearest others in one space that are among its k nearest in another, (n,).

    About k / n where the spaces have nothing in common.

    Parameters
    ----------
    a, b : np.ndarray, (n, any number of dimensions)
        The same points in two spaces.
    k : int

    Source
    ------
    Neighborhood preservation (Venna and Kaski 2001).
    """
    rows = np.arange(len(a))
    return np.array([np.isin(x, y).mean() for x, y in zip(others_of(a, rows, k), others_of(b, rows, k))])


def mean_spectra(dataset, cfg):
    """Mean log constant-Q of the audible frames of each sound, (n_sounds, n_bins), float32."""
    parts = audible_parts(dataset.frames, dataset)
    return np.stack([log_compress(part.astype(np.float32), cfg.gain).mean(axis=0) for part in parts])


def measures(dataset, cfg):
    """What can be measured of each sound, one row a sound.

    Returns
    -------
    pandas.DataFrame
        `pitch`: MIDI number of its label, NaN without one. `centroid`: mean of frequency weighted by magnitude, as a MIDI
        number. `loudness`: energy of its loudest frame in dB, at the level of its file. `attack`: seconds from its first
        audible frame to the first with 90 % of the largest energy, in steps of a frame.
    """
    n_frames, n_bins = dataset.frames.shape
    midi = 12 * np.log2(cfg.fmin / 440) + 69 + 12 / cfg.bins_per_octave * np.arange(n_bins)
    sums = np.empty((3, n_frames), np.float32)
    for rows in np.array_split(np.arange(n_frames), 1 + n_frames // BLOCK):
        x = dataset.frames[rows].astype(np.float32)
        sums[:, rows] = np.square(x).sum(axis=1), x.sum(axis=1), x @ midi.astype(np.float32)
    energy, (magnitude, weighted) = sums[0], np.add.reduceat(sums[1:].astype(float), dataset.start, axis=1)
    peak = np.maximum.reduceat(energy, dataset.start)
    sound = dataset.sound_of_frame()
    place = np.arange(n_frames) - dataset.start[sound]
    first, risen = (
        np.minimum.reduceat(np.where(there, place, n_frames), dataset.start)
        for there in (dataset.audible(), energy >= ATTACK * peak[sound])
    )
    return pd.DataFrame({
        "pitch": dataset.table["note_number"].to_numpy(float, na_value=np.nan),
        "centroid": weighted / np.maximum(magnitude, 1e-12),
        "loudness": 10 * np.log10(np.maximum(peak, 1e-12)) - 20 * np.log10(dataset.table.get("gain", 1.0)),
        "attack": np.maximum(risen - first, 0) * cfg.hop_length / cfg.sr,
    })


def axis_meanings(points, measured):
    """Rank correlation of each axis with each measure, and of the best direction of the space with it.

    A space may be turned without any distance changing, so an axis by itself means little; the best direction, which a
    regression on ranks finds, does not depend on how the space is turned.

    Parameters
    ----------
    points : np.ndarray, (n_sounds, n_dims)
    measured : pandas.DataFrame
        From `measures`.

    Returns
    -------
    pandas.DataFrame
        Rows `axis 1` and so on and `best direction`; columns those of `measured`; 0 where a measure is the same for all.
    """
    rows = {}
    for name, column in measured.items():
        known = column.notna().to_numpy()
        z, y = points[known], rankdata(column[known])
        flat = len(y) < 3 or not np.ptp(y)
        each = [0.0 if flat or not np.ptp(axis) else spearmanr(axis, y).statistic for axis in z.T]
        ranks = np.column_stack([*map(rankdata, z.T), np.ones(len(z))])
        fitted = ranks @ np.linalg.lstsq(ranks, y, rcond=None)[0]
        rows[name] = [*each, 0.0 if flat or np.ptp(fitted) < 1e-9 else np.corrcoef(fitted, y)[0, 1]]
    return pd.DataFrame(rows, index=[*(f"axis {i + 1}" for i in range(points.shape[1])), "best direction"])


def axis_titles(meanings):
    """A name for each axis that says what it goes with, such as `axis 1 (pitch +0.81)`.

    The strongest relation names its axis first; a measure names one axis, and an axis that none is left for has no more than
    its number.

    Parameters
    ----------
    meanings : pandas.DataFrame
        From `axis_meanings`.

    Returns
    -------
    list of str
    """
    axes, names = meanings.drop(index="best direction"), {}
    for (axis, measure), found in axes.stack().sort_values(key=abs, ascending=False, kind="stable").items():
        if abs(found) >= TELLING and axis not in names and measure not in {each for each, _ in names.values()}:
            names[axis] = measure, found
    return [f"{axis} ({names[axis][0]} {names[axis][1]:+.2f})" if axis in names else axis for axis in axes.index]


def pitch_order(points, notes):
    """Whether farther in the space is farther in pitch: rank correlation of both distances to a sound, mean over sounds."""
    far = [
        spearmanr(np.linalg.norm(points - point, axis=1), np.abs(notes - note)).statistic
        for point, note in zip(points, notes)
    ]
    return float(np.nanmean(far))


def card(points, spectra, notes, seed=0):
    """What a space keeps of the space that its sounds come from.

    Parameters
    ----------
    points : np.ndarray, (n_sounds, n_dims)
    spectra : np.ndarray, (n_sounds, n_bins)
        See `mean_spectra`.
    notes : np.ndarray, (n_sounds,)
        MIDI numbers.
    seed : int
        Which sounds, where there are more than 3,000.

    Returns
    -------
    dict of str to float
        `trustworthiness`: are neighbors in the space neighbors by spectrum too? `continuity`: are neighbors by spectrum still
        neighbors in the space? Both 1 at best and about .5 by chance. `preservation`: share of the neighbors kept.
        `pitch_order`: see there.

    Raises
    ------
    ValueError
        Fewer than 32 sounds.

    Source
    ------
    Venna and Kaski 2001, as scikit-learn computes it.
    """
    if len(points) <= 2 * NEAR + 1:
        raise ValueError(f"expected more than {2 * NEAR + 1} sounds, found {len(points)}: add sounds")
    rows = np.sort(np.random.default_rng([seed, 10]).choice(len(points), min(MOST, len(points)), replace=False))
    z, x, notes = points[rows], spectra[rows], np.asarray(notes, float)[rows]
    return {
        "trustworthiness": float(trustworthiness(x, z, n_neighbors=NEAR)),
        "continuity": float(trustworthiness(z, x, n_neighbors=NEAR)),
        "preservation": float(preservation(x, z).mean()),
        "pitch_order": pitch_order(z, notes),
    }
