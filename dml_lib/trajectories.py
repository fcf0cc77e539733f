"""Paths through a space of sounds: (n_steps, n_dims) arrays, one point a step of time.

Ways between points (`line`, `spline`, `geodesic`) run at constant speed; walks wander; `stretch` changes the duration of
any path. A drawn path is the `line` through its points, an analogy, a - b + c, a point like any other.

Source
------
Trajectory of a sound, smoothed random walk and walk on the graph of 10 nearest neighbors: thesis-era original code. The
others are our choice. Chapter 06.
"""

import numpy as np
from scipy.interpolate import CubicSpline, interp1d
from scipy.ndimage import uniform_filter1d
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.spatial import cKDTree
from sklearn.neighbors import kneighbors_graph

GRAPH_NEIGHBORS, GRAPH_POINTS = 10, 20_000
WALK_STEP, WALK_SMOOTHING = 0.125, 5


def _points(points):
    """Two or more finite points, no two that follow each other the same, and the way from the first to each."""
    points = np.asarray(points, float)
    if points.ndim != 2 or len(points) < 2 or not np.isfinite(points).all():
        raise ValueError(f"expected two or more finite points (n_points, n_dims), found shape {points.shape}")
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    if not steps.all():
        i = int(np.flatnonzero(steps == 0)[0])
        raise ValueError(f"expected points that differ, found points {i} and {i + 1} at one place: choose two different ones")
    return points, np.concatenate([[0], np.cumsum(steps)])


def _steps(n_steps):
    if n_steps < 2:
        raise ValueError(f"expected a path of at least 2 steps, found {n_steps}: ask for a longer one")
    return np.linspace(0, 1, n_steps)


def line(points, n_steps):
    """Straight from point to point.

    Parameters
    ----------
    points : np.ndarray, (n_points, n_dims)
        Two or more; a drawn path has many.
    n_steps : int

    Returns
    -------
    np.ndarray, (n_steps, n_dims)

    Raises
    ------
    ValueError
        Fewer than two points or steps, or two points in a row at one place.
    """
    points, way = _points(points)
    return interp1d(way, points, axis=0)(_steps(n_steps) * way[-1])


def spline(points, n_steps):
    """Smoothly from point to point, by the natural cubic spline through them; parameters as for `line`."""
    points, way = _points(points)
    fine = CubicSpline(way, points, bc_type="natural")(np.linspace(0, way[-1], 50 * len(points)))
    return line(fine, n_steps)


def stretch(path, n_steps):
    """The same path in another time, (n_steps, n_dims): each part lasts the same share of the whole as before.

    Raises
    ------
    ValueError
        The path has one step only (a one-frame sound), or less than two are asked for.
    """
    path = np.asarray(path, float)
    if path.ndim != 2 or len(path) < 2:
        raise ValueError(f"expected a path of at least 2 steps, found shape {path.shape}: a sound of one frame leads nowhere")
    return interp1d(np.linspace(0, 1, len(path)), path, axis=0)(_steps(n_steps))


class Graph:
    """The graph of nearest neighbors of a sample of places: ways along it stay where there is data.

    Parameters
    ----------
    z : np.ndarray, (n, n_dims)
    k : int
    seed : int
    """

    def __init__(self, z, k=GRAPH_NEIGHBORS, seed=0):
        z = np.unique(z, axis=0)
        if len(z) < 2:
            raise ValueError(f"expected at least two different places, found {len(z)}: use a larger corpus")
        self.points = np.random.default_rng([seed, 11]).permutation(z)[:GRAPH_POINTS]
        near = kneighbors_graph(self.points, min(k, len(self.points) - 1), mode="distance")
        self.edges = near.maximum(near.T).tocsr()
        self.part = connected_components(self.edges, directed=False)[1]
        self.tree = cKDTree(self.points)

    def geodesic(self, points, n_steps):
        """The shortest way along the graph from point to point, at constant speed, (n_steps, n_dims).

        Raises
        ------
        ValueError
            No way leads from one to another.
        """
        points, _ = _points(points)
        nodes, way = self.tree.query(points)[1], [points[:1]]
        for a, b, point in zip(nodes, nodes[1:], points[1:]):
            if self.part[a] != self.part[b]:
                raise ValueError("expected a way through the data, found a gap between two points: use more neighbors or a line")
            before, back = dijkstra(self.edges, directed=False, indices=b, return_predecessors=True)[1], [a]
            while back[-1] != b:
                back.append(before[back[-1]])
            way += [self.points[back], point[None]]
        way = np.concatenate(way)
        moved = np.concatenate([[True], np.any(np.diff(way, axis=0) != 0, axis=1)])
        return line(way[moved], n_steps)

    def walk(self, start, n_steps, seed):
        """A random walk from neighbor to neighbor, (n_steps, n_dims), begun at the node nearest to `start`."""
        rng, nodes = np.random.default_rng([seed, 12]), [int(self.tree.query(start)[1])]
        for _ in range(len(_steps(n_steps)) - 1):
            a = nodes[-1]
            nodes.append(int(rng.choice(self.edges.indices[self.edges.indptr[a]:self.edges.indptr[a + 1]])))
        return self.points[nodes]


def walk(start, n_steps, seed, step=WALK_STEP):
    """A smoothed random walk, (n_steps, n_dims).

    Parameters
    ----------
    start : np.ndarray, (n_dims,)
    n_steps, seed : int
    step : float
        Each coordinate changes by up to this much, uniformly.

    Source
    ------
    Thesis-era original code: steps of +-0.125, means of 5 points.
    """
    rng = np.random.default_rng([seed, 12])
    moves = rng.uniform(-step, step, (len(_steps(n_steps)) - 1, len(start)))
    path = np.asarray(start) + np.concatenate([np.zeros((1, len(start))), np.cumsum(moves, axis=0)])
    return uniform_filter1d(path, WALK_SMOOTHING, axis=0, mode="nearest")
