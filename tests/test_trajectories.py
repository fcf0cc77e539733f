"""Paths through a space."""

import networkx as nx
import numpy as np
import pytest

from dml_lib import trajectories as T

CORNER = np.array([[0.0, 0, 0], [3, 0, 0], [3, 4, 0]])


def test_a_line_runs_at_constant_speed_through_its_points():
    path = T.line(CORNER, 8)
    assert path.shape == (8, 3) and np.allclose(np.linalg.norm(np.diff(path, axis=0), axis=1)[[0, 1, 2, 4, 5]], 1)
    assert np.allclose(path[[0, 3, 7]], CORNER)


def test_a_spline_goes_smoothly_from_end_to_end():
    path = T.spline(CORNER, 200)
    turns = np.linalg.norm(np.diff(path, 2, axis=0), axis=1)
    assert np.allclose(path[[0, -1]], CORNER[[0, -1]]) and turns.max() < np.linalg.norm(np.diff(T.line(CORNER, 200), 2, axis=0), axis=1).max() / 5
    assert min(np.linalg.norm(path - CORNER[1], axis=1)) < 0.05


@pytest.mark.parametrize("points", [np.zeros((2, 3)), [[0, 0], [1, 1], [1, 1]]])
def test_points_at_one_place_are_refused(points):
    for way in (T.line, T.spline):
        with pytest.raises(ValueError, match="at one place"):
            way(points, 10)


@pytest.mark.parametrize("points", [np.zeros((1, 3)), np.zeros(3), [[0, 0], [np.nan, 1]]])
def test_what_is_no_way_is_refused(points):
    with pytest.raises(ValueError, match="expected two or more finite points"):
        T.line(points, 10)


def test_too_few_steps_are_refused():
    with pytest.raises(ValueError, match="at least 2 steps, found 1"):
        T.line(CORNER, 1)
    with pytest.raises(ValueError, match="a sound of one frame leads nowhere"):
        T.stretch(np.zeros((1, 3)), 10)


def test_stretch_keeps_the_ends_and_the_timing():
    path = np.array([[0.0], [1], [10]])
    assert np.allclose(T.stretch(path, 5).ravel(), [0, 0.5, 1, 5.5, 10])
    assert np.array_equal(T.stretch(path, 3), path)


@pytest.fixture
def ring():
    """400 places on a circle: the straight way across it holds no data."""
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle), np.zeros(400)], axis=1)


def test_a_geodesic_stays_where_there_is_data(ring):
    path = T.Graph(ring).geodesic(ring[[0, 190]], 60)
    assert np.allclose(np.linalg.norm(path, axis=1), 1, atol=0.01) and np.allclose(path[[0, -1]], ring[[0, 190]])
    assert np.abs(np.linalg.norm(T.line(ring[[0, 190]], 61), axis=1)).min() < 0.1


def test_a_geodesic_is_as_short_as_that_of_networkx():
    z = np.random.default_rng(0).normal(size=(80, 3))
    graph = T.Graph(z, k=6)
    slow = nx.from_scipy_sparse_array(graph.edges)
    a, b = 3, 41
    length = np.linalg.norm(np.diff(graph.geodesic(graph.points[[a, b]], 2000), axis=0), axis=1).sum()
    assert abs(length - nx.shortest_path_length(slow, a, b, weight="weight")) < 0.02


def test_a_gap_is_told():
    z = np.concatenate([np.random.default_rng(0).normal(size=(30, 3)), 100 + np.random.default_rng(1).normal(size=(30, 3))])
    with pytest.raises(ValueError, match="found a gap between two points"):
        T.Graph(z, k=5).geodesic(z[[0, 59]], 10)


def test_a_graph_of_one_place_is_refused():
    with pytest.raises(ValueError, match="at least two different places, found 1"):
        T.Graph(np.ones((5, 3)))


def test_a_walk_on_the_graph_goes_from_neighbor_to_neighbor(ring):
    graph = T.Graph(ring, k=4)
    path = graph.walk(ring[7], 50, seed=1)
    nodes = [int(np.flatnonzero((graph.points == p).all(1))[0]) for p in path]
    assert np.allclose(path[0], ring[7]) and all(graph.edges[a, b] > 0 for a, b in zip(nodes, nodes[1:]))
    assert np.array_equal(path, graph.walk(ring[7], 50, seed=1)) and not np.array_equal(path, graph.walk(ring[7], 50, seed=2))


def test_a_smoothed_walk_takes_small_steps_and_repeats_by_seed():
    path = T.walk(np.ones(3), 100, seed=4)
    assert path.shape == (100, 3) and np.abs(np.diff(path, axis=0)).max() <= T.WALK_STEP
    assert np.array_equal(path, T.walk(np.ones(3), 100, seed=4)) and not np.array_equal(path, T.walk(np.ones(3), 100, seed=5))
