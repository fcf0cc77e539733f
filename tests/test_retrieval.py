"""Ranked retrieval against slow loops and cases worked by hand."""

import numpy as np
import pytest
import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import CustomKNN
from sklearn.metrics import average_precision_score, ndcg_score, precision_recall_curve
from test_nearest import BAD, clouds, noise

from dml_lib.nearest import others_of
from dml_lib.retrieval import LEVELS, across, ndcg, recall_precision
from dml_lib.retrieval import retrieval as per_point


def retrieval(z, y):
    """Means over all points that are asked."""
    return {name: float(np.mean(each)) for name, each in per_point(z, y).items()}


def slow_retrieval(z, y):
    """Sort all others of each point; equal distances stay in order."""
    rows = []
    for i in range(len(z)):
        ranked = sorted((j for j in range(len(z)) if j != i), key=lambda j: np.linalg.norm(z[i] - z[j]))
        hits = [y[j] == y[i] for j in ranked]
        r = sum(hits)
        if r:
            precision = [sum(hits[:n]) / n for n in range(1, r + 1)]
            rows.append((sum(hits[:5]) / 5, sum(hits[:r]) / r, sum(p for p, h in zip(precision, hits) if h) / r))
    return dict(zip(("p_at_5", "r_precision", "map_at_r"), np.mean(rows, axis=0)))


def test_retrieval_worked_by_hand():
    z = np.array([0.0, 1, 3, 7, 15, 31, 63])[:, None]
    found = retrieval(z, np.array([0, 0, 1, 0, 1, 0, 2]))  # the last is alone in its class and left out
    assert found == pytest.approx({"p_at_5": 7 / 15, "r_precision": 7 / 18, "map_at_r": 5 / 18})


@pytest.mark.parametrize("n, n_classes", [(40, 3), (60, 15), (12, 2)])
def test_retrieval_is_that_of_a_slow_loop(n, n_classes):
    z, y = noise(n, n_classes, seed=n)
    found = retrieval(z, y)
    assert found == pytest.approx(slow_retrieval(z, y))
    assert all(type(value) is float for value in found.values())


@pytest.mark.parametrize("n, n_classes", [(50, 5), (60, 15), (12, 2)])
def test_retrieval_is_that_of_pytorch_metric_learning(n, n_classes):
    z, y = noise(n, n_classes, seed=n)
    names = {"r_precision": "r_precision", "map_at_r": "mean_average_precision_at_r"}
    near = CustomKNN(LpDistance(normalize_embeddings=False))
    judge = AccuracyCalculator((*names.values(), "precision_at_1"), k="max_bin_count", knn_func=near, device=torch.device("cpu"))
    theirs = judge.get_accuracy(torch.from_numpy(z), torch.from_numpy(y))
    ours = retrieval(z, y)
    assert {name: ours[name] for name in names} == pytest.approx({name: theirs[their] for name, their in names.items()})
    asked = np.flatnonzero(np.bincount(y)[y] > 1)
    assert (y[others_of(z, asked, 1)[:, 0]] == y[asked]).mean() == pytest.approx(theirs["precision_at_1"])


def test_across_asks_other_families_alone():
    rng = np.random.default_rng(3)
    z, y, family = rng.normal(size=(60, 3)), rng.integers(0, 4, 60), rng.integers(0, 3, 60)
    zt, yt, ft = rng.normal(size=(20, 3)), rng.integers(0, 4, 20), rng.integers(0, 3, 20)
    precision, asked = across((z, y, family), (zt, yt, ft))
    expected = []
    for i in range(20):
        order = np.argsort(np.linalg.norm(z - zt[i], axis=1))
        expected.append(np.mean(y[[j for j in order if family[j] != ft[i]][:5]] == yt[i]))
    assert sorted(asked) == list(range(20)) and precision == pytest.approx(np.array(expected)[asked])
    precision, asked = across((z, y, family * 0), (zt, yt, ft))
    assert set(asked) == set(np.flatnonzero(ft != 0)) and len(precision) == len(asked)
    assert not len(across((z, y, family * 0), (zt, yt, ft * 0))[1])


def test_map_at_r_is_scikit_learns_average_precision_of_the_first_r():
    """Theirs divides by the hits that are in the list, ours by those that could be: R-precision turns one into the other."""
    z, y = noise(40, 4)
    found = per_point(z, y)
    for i, r in enumerate(np.bincount(y)[y] - 1):
        hits = y[others_of(z, [i], r)[0]] == y[i]
        theirs = average_precision_score(hits, -np.arange(r)) if hits.any() else 0
        assert found["map_at_r"][i] == pytest.approx(theirs * found["r_precision"][i])


def test_retrieval_among_ties_is_that_of_a_slow_loop():
    rng = np.random.default_rng(0)
    z, y = rng.integers(0, 3, (80, 2)).astype(float), rng.integers(0, 4, 80)
    assert retrieval(z, y) == pytest.approx(slow_retrieval(z, y))


def test_retrieval_is_perfect_on_separate_clouds_and_does_not_depend_on_order():
    z, y = clouds(40)
    assert retrieval(z, y) == {"p_at_5": 1.0, "r_precision": 1.0, "map_at_r": 1.0}
    z, y = noise(60, 5)
    order = np.random.default_rng(1).permutation(60)
    assert retrieval(z[order], y[order]) == pytest.approx(retrieval(z, y))


def test_retrieval_is_near_chance_on_noise():
    z, y = noise(1500)
    found = retrieval(z, y)
    assert abs(found["p_at_5"] - 0.1) < 0.015 and abs(found["r_precision"] - 0.1) < 0.015
    assert 0.005 < found["map_at_r"] < 0.04


def test_retrieval_with_duplicates():
    z = np.repeat(np.array([[0.0], [1.0]]), 10, axis=0)
    assert retrieval(z, np.repeat([0, 1], 10)) == {"p_at_5": 1.0, "r_precision": 1.0, "map_at_r": 1.0}
    # two places, each with both classes: the nearest other is always wrong, and a point does not find itself
    crossed = retrieval(np.array([[0.0], [0.0], [5.0], [5.0]]), np.array([0, 1, 0, 1]))
    assert crossed == pytest.approx({"p_at_5": 1 / 3, "r_precision": 0, "map_at_r": 0})
    mixed = retrieval(np.zeros((30, 2)), np.arange(30) % 3)
    assert all(0 <= value <= 1 for value in mixed.values())


def test_ties_are_ranked_the_same_way_each_time():
    rng = np.random.default_rng(0)
    z, y = rng.integers(0, 3, (200, 2)).astype(float), rng.integers(0, 4, 200)
    assert retrieval(z, y) == retrieval(z, y)
    for score in (ndcg, recall_precision):
        np.testing.assert_array_equal(score(z, y), score(z, y))


def test_retrieval_in_blocks_is_that_of_a_full_sort():
    """With 2400 points, nine in ten of one class, the ranks do not fit into one block."""
    z, y = noise(2400, 10, n_dims=2)
    y = (y == 0).astype(int)
    hits = y[np.argsort(np.linalg.norm(z[:, None] - z[None], axis=2), axis=1)[:, 1:]] == y[:, None]
    r = hits.sum(axis=1)
    inside = hits & (np.arange(2399) < r[:, None])
    precision = np.cumsum(hits, axis=1) / np.arange(1, 2400)
    assert retrieval(z, y) == pytest.approx({
        "p_at_5": hits[:, :5].mean(), "r_precision": (inside.sum(axis=1) / r).mean(),
        "map_at_r": ((precision * inside).sum(axis=1) / r).mean(),
    })


def test_one_class_and_fewer_points_than_asked_for():
    z, _ = noise(20)
    assert retrieval(z, np.zeros(20, int)) == {"p_at_5": 1.0, "r_precision": 1.0, "map_at_r": 1.0}
    assert retrieval(z[:2], np.array([3, 3])) == {"p_at_5": 1.0, "r_precision": 1.0, "map_at_r": 1.0}


@pytest.mark.parametrize("y", [np.array([0]), np.arange(8)])
def test_retrieval_where_nothing_can_be_retrieved(y):
    with pytest.raises(ValueError, match="expected a class with two points, found none"):
        retrieval(noise(len(y))[0], y)


@pytest.mark.parametrize("z, y, message", BAD)
def test_bad_input_is_named(z, y, message):
    for call in (per_point, recall_precision):
        with pytest.raises(ValueError, match=message):
            call(z, y)


def slow_ndcg(z, notes, k):
    rows = []
    for i in range(len(z)):
        others = [j for j in range(len(z)) if j != i]
        gain = {j: max(0, 1 - abs(notes[i] - notes[j]) / 12) for j in others}
        ranked = sorted(others, key=lambda j: np.linalg.norm(z[i] - z[j]))[:k]
        best = sorted(gain.values(), reverse=True)[:k]
        dcg, ideal = (sum(g / np.log2(n + 2) for n, g in enumerate(list_)) for list_ in ([gain[j] for j in ranked], best))
        rows.append(dcg / ideal if ideal else 0)
    return rows


@pytest.mark.parametrize("n, k", [(40, 5), (12, 15), (2, 3)])
def test_ndcg_is_that_of_a_slow_loop(n, k):
    z, _ = noise(n)
    notes = np.random.default_rng(1).integers(40, 70, n)
    assert ndcg(z, notes, k) == pytest.approx(slow_ndcg(z, notes, k))


@pytest.mark.parametrize("k", [5, 100])
def test_ndcg_is_that_of_scikit_learn(k):
    z, _ = noise(30)
    notes = np.random.default_rng(1).integers(40, 60, 30)
    gain = np.maximum(0, 1 - np.abs(notes[:, None] - notes) / 12)
    near = -np.linalg.norm(z[:, None] - z, axis=2)
    theirs = [ndcg_score(*(np.delete(x[i], i)[None] for x in (gain, near)), k=k, ignore_ties=True) for i in range(30)]
    assert ndcg(z, notes, k) == pytest.approx(theirs)


def test_ndcg_among_ties_and_duplicates_is_that_of_a_slow_loop():
    rng = np.random.default_rng(0)
    z, notes = rng.integers(0, 3, (60, 2)).astype(float), rng.integers(40, 60, 60)
    assert ndcg(z, notes, 7) == pytest.approx(slow_ndcg(z, notes, 7))
    assert (ndcg(np.zeros((9, 2)), np.full(9, 60), 4) == 1).all()


def test_ndcg_of_points_or_notes_that_are_missing():
    z, _ = noise(5)
    with pytest.raises(ValueError, match="expected finite embeddings, found 15 bad values"):
        ndcg(z * np.nan, np.arange(5))
    with pytest.raises(ValueError, match="expected a note for each point, found 1 without: drop unlabeled points first"):
        ndcg(z, np.array([60, 61, np.nan, 63, 64]))


def test_ndcg_of_a_perfect_order_and_of_notes_far_apart():
    notes = np.repeat(np.arange(40, 60), 3)
    assert ndcg(notes[:, None] + np.arange(60)[:, None] / 1e3, notes, 2) == pytest.approx(np.ones(60))
    assert (ndcg(noise(4)[0], np.array([10, 30, 50, 70])) == 0).all()


def test_recall_precision_worked_by_hand():
    """From 0: right, wrong, right. From 1 and from 4 the other way round; 2.5 is alone in its class."""
    z, y = np.array([[0.0], [1.0], [2.5], [4.5]]), np.array([0, 0, 1, 0])
    curve = recall_precision(z, y)
    each = [[1] * 6 + [2 / 3] * 5, [1] * 6 + [2 / 3] * 5, [2 / 3] * 11]  # from 0; from 1; from 4.5: wrong, right, right
    assert curve == pytest.approx(np.mean(each, axis=0))


def test_recall_precision_is_that_of_scikit_learn():
    z, y = noise(40, 4)
    near, curves = -np.linalg.norm(z[:, None] - z, axis=2), []
    for i in range(40):
        precision, recall, _ = precision_recall_curve(np.delete(y == y[i], i), np.delete(near[i], i))
        curves.append([precision[:-1][recall[:-1] >= level - 1e-9].max() for level in LEVELS])  # theirs ends with a made-up point
    assert recall_precision(z, y) == pytest.approx(np.mean(curves, axis=0))


def test_recall_precision_of_a_perfect_space_and_of_noise():
    assert (recall_precision(*clouds(60)) == 1).all()
    z, y = noise(600, 5)
    curve = recall_precision(z, y)
    assert len(curve) == len(LEVELS) and (np.diff(curve) <= 0).all() and curve[-1] == pytest.approx(0.2, abs=0.02)
    some = recall_precision(z, y, most=100)
    assert some == pytest.approx(curve, abs=0.08) and not np.array_equal(some, curve)
    with pytest.raises(ValueError, match="expected a class with two points"):
        recall_precision(np.eye(3), np.arange(3))
