"""Nearest neighbors in a space, and classification by their vote.

Conventions: embeddings are (n, n_dims) float arrays; labels are (n,) integer codes. Distances are Euclidean. Equal
distances rank by position, equal votes go to the smaller label code. k is chosen on validation points, never on test points.

Source
------
Paper, section 3 names the method; original code for the list of k.
"""

import numpy as np
from scipy.spatial import cKDTree

KS = (1, 5, 9, 15, 21, 35, 51, 75, 101)


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
        raise ValueError(f"expected integer label codes of at least 0, found {y.dtype}: drop unlabeled points, and number names, as `pandas.factorize` does")


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
    points, queries = np.asarray(points, float), np.asarray(queries, float)  # in single precision unequal distances may seem equal
    tree = cKDTree(points)
    distance, index = tree.query(queries, k=np.arange(1, min(k + 1, len(points)) + 1), workers=-1)
    order = np.lexsort((index, distance), axis=1)
    distance, index = np.take_along_axis(distance, order, axis=1), np.take_along_axis(index, order, axis=1)
    if index.shape[1] > k:  # where the k-th is as far as the next one, the tree chose among equals as it liked
        tied = np.flatnonzero(distance[:, k - 1] == distance[:, k])
        places, inverse = np.unique(queries[tied], axis=0, return_inverse=True)
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
    return found[~itself].reshape(len(rows), found.shape[1] - 1)


def neighbor_distance(points):
    """Median distance from a point to its nearest other point: the unit in which lengths in a space are given."""
    return float(np.median(cKDTree(points).query(points, k=2)[0][:, 1]))


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
