"""How good a space is: k-nearest-neighbor classification and ranked retrieval by distance.

Conventions
-----------
Embeddings are (n, n_dims) float arrays; labels are (n,) integer codes.
Distances are Euclidean. Equal distances rank by position, equal votes go to the smaller label code.
k is chosen on validation points, never on test points.

Source
------
Paper, section 3 (both methods are named there, no number is printed); original code for the list of k.
"""

import itertools

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from .config import check_name
from .splits import FRACTIONS, SPLITS

KS = (1, 5, 9, 15, 21, 35, 51, 75, 101)
COLUMNS = {"instrument": "instrument", "pitch": "note_number"}  # label: column of the table of sounds


def validate(z, y):
    """Raise ValueError unless `z` is a finite (n, n_dims) array and `y` holds n codes of at least 0."""
    z, y = np.asarray(z), np.asarray(y)
    if z.ndim != 2 or y.shape != z.shape[:1]:
        raise ValueError(f"expected embeddings (n, n_dims) and labels (n,), found {z.shape} and {y.shape}")
    if not len(z):
        raise ValueError("expected at least one point, found none")
    if not np.isfinite(z).all():
        raise ValueError(f"expected finite embeddings, found {np.count_nonzero(~np.isfinite(z))} bad values: check the network")
    if not np.issubdtype(y.dtype, np.integer) or y.min() < 0:
        raise ValueError(f"expected integer label codes of at least 0, found {y.dtype}: drop unlabeled points first")


def neighbors(points, queries, k):
    """Indices of the k nearest points of each query, nearest first, equal distances by index.

    Parameters
    ----------
    points : np.ndarray, (n_points, n_dims)
    queries : np.ndarray, (n_queries, n_dims)
    k : int

    Returns
    -------
    np.ndarray, (n_queries, min(k, n_points)), int64
    """
    k = min(k, len(points))
    tree = cKDTree(points)
    distance, index = tree.query(queries, k=np.arange(1, min(k + 1, len(points)) + 1), workers=-1)
    order = np.lexsort((index, distance), axis=1)
    distance, index = np.take_along_axis(distance, order, axis=1), np.take_along_axis(index, order, axis=1)
    if index.shape[1] > k:  # where the k-th is as far as the next one, the tree chose among equals as it liked
        tied = np.flatnonzero(distance[:, k - 1] == distance[:, k])
        places, inverse = np.unique(np.asarray(queries)[tied], axis=0, return_inverse=True)
        for i, place in enumerate(places):
            same = tied[inverse.ravel() == i]
            near = np.array(tree.query_ball_point(place, distance[same[0], k] * (1 + 1e-12)))
            far = np.linalg.norm(points[near] - place, axis=1)
            index[same, :k] = near[np.lexsort((near, far))[:k]]
    return index[:, :k]


def others_of(z, rows, k):
    """Indices of the k nearest other points of some of the points, (n_rows, min(k, n - 1)), nearest first."""
    found = neighbors(z, z[rows], k + 1)
    itself = found == np.asarray(rows)[:, None]
    itself[~itself.any(axis=1), -1] = True  # hidden behind duplicates: drop the farthest instead
    return found[~itself].reshape(len(rows), -1)


def knn_predict(z_train, y_train, z, ks=KS):
    """Vote of the k nearest training points, for several k at once.

    Parameters
    ----------
    z_train : np.ndarray, (n_train, n_dims)
    y_train : np.ndarray, (n_train,), int
    z : np.ndarray, (n, n_dims)
    ks : sequence of int
        A k beyond n_train counts all points.

    Returns
    -------
    np.ndarray, (len(ks), n), int64
    """
    validate(z_train, y_train)
    votes = y_train[neighbors(z_train, z, max(ks))]
    n_classes, rows = int(y_train.max()) + 1, np.arange(len(z))[:, None]
    counts = np.zeros((len(z), n_classes), np.int32)
    predicted, done = {}, 0
    for k in sorted(set(ks)):
        part = votes[:, done:k]
        np.add.at(counts, (rows, part), 1)
        predicted[k], done = counts.argmax(axis=1), k
    return np.stack([predicted[k] for k in ks])


def knn_accuracy(train, valid, test, ks=KS):
    """Accuracy of kNN on test points with the k that is best on validation points.

    Parameters
    ----------
    train, valid, test : (z, y)
    ks : sequence of int

    Returns
    -------
    accuracy : float
    k : int
        Smallest of the best.
    predicted : np.ndarray, (n_test,), int64
    """
    for part in (train, valid, test):
        validate(*part)
    on_valid = (knn_predict(*train, valid[0], ks) == valid[1]).mean(axis=1)
    k = ks[int(on_valid.argmax())]
    predicted = knn_predict(*train, test[0], (k,))[0]
    return float((predicted == test[1]).mean()), k, predicted


def confusion(y, predicted, n_classes):
    """Share of each true class (rows) given each label (columns), (n_classes, n_classes); rows sum to 1 or are 0.

    Source
    ------
    Our choice. The author's bar charts normalize columns: they show precision.
    """
    counts = np.zeros((n_classes, n_classes))
    np.add.at(counts, (y, predicted), 1)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def retrieval(z, y):
    """Rank all other points by distance to each point.

    A point with no other of its class has nothing to find and is left out.

    Returns
    -------
    dict of str to float
        `p_at_5`: share of the five nearest that are of the class. `r_precision`: the same among the R nearest, where R
        is the number of others in the class. `map_at_r`: mean over those R ranks of precision at each hit.

    Raises
    ------
    ValueError
        No class has two points.
    """
    validate(z, y)
    others = np.bincount(y)[y] - 1
    asked = np.flatnonzero(others > 0)
    if not len(asked):
        raise ValueError("expected a class with two points, found none: nothing can be retrieved")
    depth = max(5, int(others.max()))
    totals = np.zeros(3)
    for rows in np.array_split(asked, -(-len(asked) * depth // 5_000_000)):
        hits = y[others_of(z, rows, depth)] == y[rows][:, None]
        r = others[rows]
        inside = np.arange(hits.shape[1]) < r[:, None]
        precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
        totals += (
            hits[:, :5].mean(axis=1).sum(),
            ((hits & inside).sum(axis=1) / r).sum(),
            ((precision * (hits & inside)).sum(axis=1) / r).sum(),
        )
    return dict(zip(("p_at_5", "r_precision", "map_at_r"), (totals / len(asked)).tolist()))


def labeled_sounds(dataset, label, split="random"):
    """Which sounds of each part of a split carry a label that occurs in training.

    Parameters
    ----------
    dataset : Dataset
    label : str
        `instrument` or `pitch`.
    split : str
        Column of the table that says train, valid or test.

    Returns
    -------
    rows : list of np.ndarray
        Sound numbers of training, validation and test.
    y : np.ndarray, (n_sounds,), int64
        Label codes, -1 without a label.
    names : np.ndarray
        Name of each code.
    """
    column = dataset.table[COLUMNS[check_name("label", label, COLUMNS)]]
    part = dataset.table[check_name("split", split, SPLITS)].to_numpy()
    names = np.sort(column[part == "train"].dropna().unique())
    y = column.map({name: code for code, name in enumerate(names)}).fillna(-1).to_numpy(np.int64)
    return [np.flatnonzero((part == name) & (y >= 0)) for name in FRACTIONS], y, names


def frame_sample(dataset, sounds, max_frames, seed, heard=True):
    """At most `max_frames` frames of some sounds, by chance, of those where `heard` (n_frames_total, bool) holds.

    Returns
    -------
    np.ndarray, (n,), int64
        Rows of `dataset.frames`, sorted.
    """
    rows = np.flatnonzero(np.isin(dataset.sound_of_frame(), sounds) & heard)
    return np.sort(np.random.default_rng([seed, 5]).choice(rows, min(max_frames, len(rows)), replace=False))


def evaluate(frames, points, dataset, label, split="random", max_frames=20_000, seed=0):
    """The report card of one space for one label, at sound level and at frame level.

    Parameters
    ----------
    frames : np.ndarray, (n_frames_total, n_dims)
        One point a frame.
    points : np.ndarray, (n_sounds, n_dims)
        One point a sound.
    dataset : Dataset
    label : str
        `instrument` or `pitch`.
    split : str
    max_frames : int
        Frames drawn from each part of a split for the frame level.
    seed : int

    Returns
    -------
    dict of str to float
        `knn` and `k`, and the same with `.frame` (all frames, silent ones too, as in the author's code) and `.audible`
        (without the silent ones); `chance` (always the largest class), `p_at_5`, `r_precision`, `map_at_r`.
    """
    rows, y, _ = labeled_sounds(dataset, label, split)
    at_sound = [(points[r], y[r]) for r in rows]
    levels, sound = {"": at_sound}, dataset.sound_of_frame()
    for level, heard in ((".frame", True), (".audible", dataset.audible())):
        drawn = [frame_sample(dataset, r, max_frames, seed, heard) for r in rows]
        levels[level] = [(frames[r], y[sound[r]]) for r in drawn]
    values = {}
    for level, parts in levels.items():
        values["knn" + level], values["k" + level], _ = knn_accuracy(*parts)
    values["chance"] = float((at_sound[2][1] == np.bincount(at_sound[0][1]).argmax()).mean())
    return values | retrieval(*at_sound[2])


def report(embeddings, dataset, max_frames=20_000, seed=0):
    """Evaluate several spaces for both labels, by every split that the dataset has.

    Parameters
    ----------
    embeddings : dict of str to (frames, points)
        Space name: what `embed` gives.
    dataset, max_frames, seed
        As in `evaluate`.

    Returns
    -------
    dict of str to float
        `<space>.<metric>.<label>.<split>`, with `.frame` or `.audible` behind it at frame level.
    """
    values = {}
    splits = [split for split in SPLITS if split in dataset.table]
    for (name, (frames, points)), label, split in itertools.product(embeddings.items(), COLUMNS, splits):
        for metric, value in evaluate(frames, points, dataset, label, split, max_frames, seed).items():
            metric, _, level = metric.partition(".")
            values[f"{name}.{metric}.{label}.{split}" + (f".{level}" if level else "")] = value
    return values


def summary(values, spaces, metric="knn", suffix=""):
    """One row a space, one column a label and split; NaN where a split was not run.

    Parameters
    ----------
    values : dict of str to float
        From `report` or a results file.
    spaces : sequence of str
    metric : str
    suffix : str
        "", ".frame" or ".audible".
    """
    columns = [(label, split) for label in COLUMNS for split in SPLITS]
    rows = [[values.get(f"{space}.{metric}.{label}.{split}{suffix}", np.nan) for label, split in columns] for space in spaces]
    return pd.DataFrame(rows, index=list(spaces), columns=pd.MultiIndex.from_tuples(columns))


def confusion_of(points, dataset, label, split="random"):
    """Confusion matrix of the test sounds with the k chosen on validation: (shares, names)."""
    rows, y, names = labeled_sounds(dataset, label, split)
    _, _, predicted = knn_accuracy(*((points[r], y[r]) for r in rows))
    return confusion(y[rows[2]], predicted, len(names)), names.astype(str)


def neighbor_distance(points):
    """Median distance from a point to its nearest other point: the unit in which lengths in a space are given."""
    return float(np.median(cKDTree(points).query(points, k=2)[0][:, 1]))
