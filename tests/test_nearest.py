"""Nearest neighbors and their vote, against other implementations, slow loops and cases worked by hand."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from dml_lib.nearest import KS, knn_accuracy, knn_predict, neighbor_distance, neighbors, others_of, validate


def clouds(n, n_classes=4, spread=0.01, seed=0):
    """Points around one center a class, far apart."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    return np.eye(n_classes, 4)[y] + rng.normal(0, spread, (n, 4)), y


def noise(n, n_classes=10, seed=0, n_dims=3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_dims)), rng.integers(0, n_classes, n)


def test_neighbors_are_those_of_a_full_sort():
    (z, _), (queries, _) = noise(80), noise(30, seed=1)
    expected = np.argsort(np.linalg.norm(queries[:, None] - z[None], axis=2), axis=1)
    for k in (1, 7, 80, 200):
        found = neighbors(z, queries, k)
        assert found.shape == (30, min(k, 80)) and found.dtype == np.int64
        np.testing.assert_array_equal(found, expected[:, :k])


def test_neighbors_at_equal_distance_come_by_index():
    z = np.array([[1.0], [-1.0], [2.0], [1.0], [-1.0], [-2.0]])
    assert neighbors(z, np.zeros((1, 1)), 6).tolist() == [[0, 1, 3, 4, 2, 5]]


def test_neighbors_tied_at_the_edge_come_by_index():
    grid = np.random.default_rng(0).integers(0, 3, (60, 2)).astype(float)
    slow = np.argsort(np.linalg.norm(grid[:, None] - grid[None], axis=2), axis=1, kind="stable")[:, :4]
    np.testing.assert_array_equal(neighbors(grid, grid, 4), slow)


def test_neighbors_of_single_precision_points_are_ranked_by_their_true_distances():
    """Two of the points differ by less than what is left of single precision once they are subtracted."""
    rng = np.random.default_rng(0)
    z = (rng.integers(0, 4, (60, 2)) * np.float32(0.1) + np.float32(1e-8) * (rng.random((60, 2)) < 0.2)).astype(np.float32)
    exact = np.linalg.norm(z[:, None].astype(float) - z[None].astype(float), axis=2)
    np.testing.assert_array_equal(neighbors(z, z, 3), np.argsort(exact, axis=1, kind="stable")[:, :3])


def test_others_leave_out_the_point_itself():
    z, _ = noise(40)
    expected = [[j for j in np.argsort(np.linalg.norm(z - z[i], axis=1)) if j != i][:7] for i in (3, 0, 39)]
    assert others_of(z, [3, 0, 39], 7).tolist() == expected
    assert others_of(z, [5], 100).shape == (1, 39) and others_of(z, np.array([], int), 7).shape == (0, 7)
    assert others_of(np.zeros((6, 2)), [5], 3).shape == (1, 3)  # five others on one place hide the point itself


def test_knn_votes_are_those_of_scikit_learn():
    (z, y), (queries, _) = noise(150, 6), noise(60, seed=1)
    predicted = knn_predict(z, y, queries)
    assert predicted.shape == (len(KS), 60) and np.issubdtype(predicted.dtype, np.integer)
    for k, row in zip(KS, predicted):
        np.testing.assert_array_equal(row, KNeighborsClassifier(k).fit(z, y).predict(queries), err_msg=str(k))


def test_knn_takes_ks_in_any_order_and_beyond_the_points():
    (z, y), (queries, _) = noise(30, 3), noise(20, seed=1)
    predicted = knn_predict(z, y, queries, (75, 5, 30, 1, 5))
    np.testing.assert_array_equal(predicted[0], np.full(20, np.bincount(y).argmax()))
    np.testing.assert_array_equal(predicted[0], predicted[2])
    np.testing.assert_array_equal(predicted[[4, 3]], knn_predict(z, y, queries, (5, 1)))
    np.testing.assert_array_equal(predicted[1], predicted[4])


def test_one_class_one_point_and_fewer_points_than_asked_for():
    z, _ = noise(20)
    assert knn_predict(z[:1], np.array([7]), z).tolist() == [[7] * 20] * len(KS)
    assert knn_accuracy((z, np.zeros(20, int)), (z, np.zeros(20, int)), (z, np.zeros(20, int)))[:2] == (1.0, 1)


def test_equal_votes_go_to_the_smaller_code():
    z, y = np.array([[1.0], [-1.1], [3.0], [-3.1]]), np.array([2, 1, 0, 3])
    assert knn_predict(z, y, np.zeros((1, 1)), (1, 2, 3, 4)).tolist() == [[2], [1], [0], [0]]


def test_ties_are_settled_the_same_way_each_time():
    rng = np.random.default_rng(0)
    z, y = rng.integers(0, 3, (200, 2)).astype(float), rng.integers(0, 4, 200)
    first = knn_predict(z, y, z, KS)
    for _ in range(3):
        np.testing.assert_array_equal(knn_predict(z, y, z, KS), first)


def test_knn_of_a_smaller_k_within_ties():
    z, y = np.zeros((40, 1)), np.arange(40) % 7
    assert knn_predict(z, y, z[:1], (1, 5)).tolist() == [[0], [0]]


def test_knn_is_perfect_on_separate_clouds():
    parts = [clouds(n, seed=s) for s, n in enumerate((80, 20, 40))]
    accuracy, k, predicted = knn_accuracy(*parts)
    assert (accuracy, k) == (1.0, 1)
    np.testing.assert_array_equal(predicted, parts[2][1])


def test_knn_is_near_chance_on_noise():
    accuracy, _, predicted = knn_accuracy(*(noise(n, seed=s) for s, n in enumerate((2000, 500, 2000))))
    sd = np.sqrt(0.1 * 0.9 / 2000)
    assert abs(accuracy - 0.1) < 4 * sd
    assert predicted.shape == (2000,)


def test_k_is_chosen_on_validation_points_and_the_smallest_wins():
    train = np.array([[0.0], [0.1], [0.2], [5.0], [5.1], [5.2], [5.3]]), np.array([1, 0, 0, 1, 1, 1, 1])
    at_zero = np.array([[0.0]]), np.array([0])  # its one nearest is wrong, its three nearest are right
    near = np.array([[-0.01]]), np.array([1])  # its one nearest is right, its three nearest are wrong
    ks = (1, 3, 7)
    assert knn_accuracy(train, at_zero, at_zero, ks)[:2] == (1.0, 3)
    assert knn_accuracy(train, at_zero, near, ks)[:2] == (0.0, 3)  # the test points have no say
    assert knn_accuracy(train, near, near, ks)[:2] == (1.0, 1)  # 1 and 7 are as good
    assert knn_accuracy(train, near, near, (7, 1))[1] == 7  # first of the best


def test_accuracy_is_the_share_of_right_predictions():
    train, test = clouds(80), clouds(40, seed=1)
    wrong = test[1].copy()
    wrong[:10] = (wrong[:10] + 1) % 4
    accuracy, _, predicted = knn_accuracy(train, test, (test[0], wrong))
    assert accuracy == 0.75 and (predicted == test[1]).all()


def test_neighbor_distance():
    assert neighbor_distance(np.array([[0.0], [1.0], [3.0], [7.0], [7.5]])) == 1.0


Z, Y = noise(6)
BAD = [
    (np.where(np.arange(6)[:, None] == 2, np.nan, Z), Y, "expected finite embeddings, found 3 bad values: check the network"),
    (np.where(Z == Z[0, 0], np.inf, Z), Y, "found 1 bad values"),
    (Z[:0], Y[:0], "expected at least one point, found none"),
    (Z[:, 0], Y, r"expected embeddings \(n, n_dims\) and labels \(n,\), found \(6,\) and \(6,\)"),
    (Z, Y[:5], r"found \(6, 3\) and \(5,\)"),
    (Z, Y[:, None], r"found \(6, 3\) and \(6, 1\)"),
    (Z, Y.astype(float), "expected integer label codes of at least 0, found float64: drop unlabeled points"),
    (Z, Y - 100, "expected integer label codes of at least 0"),
]


@pytest.mark.parametrize("z, y, message", BAD)
def test_bad_input_is_named(z, y, message):
    for call in (lambda: validate(z, y), lambda: knn_predict(z, y, Z)):
        with pytest.raises(ValueError, match=message):
            call()
    for place in range(3):
        parts = [(Z, Y)] * 3
        parts[place] = (z, y)
        with pytest.raises(ValueError, match=message):
            knn_accuracy(*parts)


def test_a_query_that_is_nowhere_is_refused():
    with pytest.raises(ValueError, match="must be finite"):
        knn_predict(Z, Y, np.full((1, 3), np.nan))


def test_good_input_passes():
    assert validate(Z, Y) is None
    assert validate(Z.tolist(), Y.tolist()) is None
