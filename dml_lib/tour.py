"""Claims about a space that a listener can check: which sounds to play, and the numbers beside them.

Lengths are in steps: the median distance from a sound to its nearest other.
"""

import numpy as np
import torch
from scipy.spatial.distance import pdist

from .nearest import neighbor_distance, others_of
from .sounds.instruments import INSTRUMENTS


def silence(model):
    """Where a window of silence lies, (n_dims,), float32."""
    with torch.inference_mode():
        return model.sequence(torch.zeros(model.n_in, model.n_bins)).numpy()[0]


def played(table, instrument, note_number):
    """Row of the longest sound of an instrument at exactly a note.

    Raises
    ------
    ValueError
        The table has none.
    """
    rows = table[(table["instrument"] == instrument) & (table["note_number"] == note_number)]
    if not len(rows):
        raise ValueError(f"expected a {instrument} at note {note_number}, found none: choose another note or more sounds")
    return int(rows["seconds"].idxmax())


def intervals(points, rows):
    """Steps from each of some sounds to the next.

    Parameters
    ----------
    points : np.ndarray, (n_sounds, n_dims)
    rows : sequence of int

    Returns
    -------
    np.ndarray, (len(rows) - 1,)
    """
    return np.linalg.norm(np.diff(points[np.asarray(rows)], axis=0), axis=1) / neighbor_distance(points)


def gathering(paths, points, place):
    """How far some trajectories lie apart at their start, at their median and at their end, and the ends from a place.

    Parameters
    ----------
    paths : dict of str to np.ndarray, (n_frames, n_dims)
        At least two.
    points : np.ndarray, (n_sounds, n_dims)
        Of all sounds, for the length of a step.
    place : np.ndarray, (n_dims,)
        Such as that of silence.

    Returns
    -------
    dict of str to float
        `start`, `median`, `end`: mean distance between pairs; `place`: mean distance of the ends from `place`.
    """
    z = {"start": [p[0] for p in paths.values()], "median": [np.median(p, axis=0) for p in paths.values()], "end": [p[-1] for p in paths.values()]}
    step = neighbor_distance(points)
    apart = {name: float(pdist(np.stack(places)).mean() / step) for name, places in z.items()}
    return apart | {"place": float(np.linalg.norm(np.stack(z["end"]) - place, axis=1).mean() / step)}


def travel(path, spans, frame_s):
    """Share of a trajectory's length that it covers in each phase.

    Parameters
    ----------
    path : np.ndarray, (n_frames, n_dims)
    spans : dict of str to (float, float)
        Seconds, see `adsr.phases`.
    frame_s : float

    Returns
    -------
    dict of str to float
        0 to 1; less than 1 in all where a path goes on outside its phases.
    """
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    middle = (np.arange(len(steps)) + 0.5) * frame_s
    return {name: float(steps[(middle >= a) & (middle < b)].sum() / max(steps.sum(), 1e-9)) for name, (a, b) in spans.items()}


def surprises(points, table, k=3):
    """Nearest neighbors that share neither family nor note, the farthest in pitch first, no sound twice.

    Parameters
    ----------
    points : np.ndarray, (n_sounds, n_dims)
    table : pandas.DataFrame
        `instrument` and `note_number` of the same sounds.
    k : int

    Returns
    -------
    list of (int, int)
        At most k pairs of rows; the second sound is the nearest other of the first.
    """
    family = table["instrument"].map({slug: i.family for slug, i in INSTRUMENTS.items()}).fillna("").to_numpy()
    notes = table["note_number"].to_numpy(float, na_value=np.nan)
    near = others_of(points, np.arange(len(points)), 1)[:, 0]
    interval = np.nan_to_num(np.abs(notes - notes[near])) * (family != family[near]) * (family != "") * (family[near] != "")
    found, used = [], set()
    for i in np.argsort(-interval, kind="stable"):
        if len(found) < k and interval[i] > 0 and not {int(i), int(near[i])} & used:
            found.append((int(i), int(near[i])))
            used |= {int(i), int(near[i])}
    return found
