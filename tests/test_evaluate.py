"""Classification and retrieval against other implementations, slow loops and cases worked by hand."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from dml_lib.evaluate import confusion_of, evaluate, frame_sample, interval, labeled_sounds, per_class, report, summary, with_intervals
from dml_lib.nearest import KS, confusion, knn_accuracy, knn_predict, neighbor_distance, neighbors, validate
from dml_lib.retrieval import LEVELS, ndcg, recall_precision
from dml_lib.retrieval import retrieval as per_point


def retrieval(z, y):
    """Means over all points that are asked."""
    return {name: float(np.mean(each)) for name, each in per_point(z, y).items()}


def clouds(n, n_classes=4, spread=0.01, seed=0):
    """Points around one center a class, far apart."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    return np.eye(n_classes, 4)[y] + rng.normal(0, spread, (n, 4)), y


def noise(n, n_classes=10, seed=0, n_dims=3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_dims)), rng.integers(0, n_classes, n)


def slow_retrieval(z, y):
    """Sort all others of each point; no distance occurs twice in the data."""
    rows = []
    for i in range(len(z)):
        ranked = sorted((j for j in range(len(z)) if j != i), key=lambda j: np.linalg.norm(z[i] - z[j]))
        hits = [y[j] == y[i] for j in ranked]
        r = sum(hits)
        if r:
            precision = [sum(hits[:n]) / n for n in range(1, r + 1)]
            rows.append((sum(hits[:5]) / 5, sum(hits[:r]) / r, sum(p for p, h in zip(precision, hits) if h) / r))
    return dict(zip(("p_at_5", "r_precision", "map_at_r"), np.mean(rows, axis=0)))


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


def test_equal_votes_go_to_the_smaller_code():
    z, y = np.array([[1.0], [-1.1], [3.0], [-3.1]]), np.array([2, 1, 0, 3])
    assert knn_predict(z, y, np.zeros((1, 1)), (1, 2, 3, 4)).tolist() == [[2], [1], [0], [0]]


def test_ties_are_settled_the_same_way_each_time():
    rng = np.random.default_rng(0)
    z, y = rng.integers(0, 3, (200, 2)).astype(float), rng.integers(0, 4, 200)
    first = knn_predict(z, y, z, KS)
    for _ in range(3):
        np.testing.assert_array_equal(knn_predict(z, y, z, KS), first)
    assert retrieval(z, y) == retrieval(z, y)


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


def test_confusion_rows_are_true_classes():
    y, predicted = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 2, 2])
    assert confusion(y, predicted, 4).tolist() == [[0.75, 0.25, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(confusion(y, y, 2), np.eye(2))


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


def test_one_class_one_point_and_fewer_points_than_asked_for():
    z, _ = noise(20)
    assert retrieval(z, np.zeros(20, int)) == {"p_at_5": 1.0, "r_precision": 1.0, "map_at_r": 1.0}
    assert retrieval(z[:2], np.array([3, 3])) == {"p_at_5": 1.0, "r_precision": 1.0, "map_at_r": 1.0}
    assert knn_predict(z[:1], np.array([7]), z).tolist() == [[7] * 20] * len(KS)
    assert knn_accuracy((z, np.zeros(20, int)), (z, np.zeros(20, int)), (z, np.zeros(20, int)))[:2] == (1.0, 1)


@pytest.mark.parametrize("y", [np.array([0]), np.arange(8)])
def test_retrieval_where_nothing_can_be_retrieved(y):
    with pytest.raises(ValueError, match="expected a class with two points, found none"):
        retrieval(noise(len(y))[0], y)


Z, Y = noise(6)
BAD = [
    (np.where(np.arange(6)[:, None] == 2, np.nan, Z), Y, "expected finite embeddings, found 3 bad values: check the network"),
    (np.where(Z == Z[0, 0], np.inf, Z), Y, "found 1 bad values"),
    (Z[:0], Y[:0], "expected at least one point, found none"),
    (Z[:, 0], Y, r"expected embeddings \(n, n_dims\) and labels \(n,\), found \(6,\) and \(6,\)"),
    (Z, Y[:5], r"found \(6, 3\) and \(5,\)"),
    (Z, Y[:, None], r"found \(6, 3\) and \(6, 1\)"),
    (Z, Y.astype(float), "expected integer label codes of at least 0, found float64: drop unlabeled points first"),
    (Z, Y - 100, "expected integer label codes of at least 0"),
]


@pytest.mark.parametrize("z, y, message", BAD)
def test_bad_input_is_named(z, y, message):
    for call in (lambda: validate(z, y), lambda: retrieval(z, y), lambda: knn_predict(z, y, Z)):
        with pytest.raises(ValueError, match=message):
            call()
    for place in range(3):
        parts = [(Z, Y)] * 3
        parts[place] = (z, y)
        with pytest.raises(ValueError, match=message):
            knn_accuracy(*parts)


def test_good_input_passes():
    assert validate(Z, Y) is None
    assert validate(Z.tolist(), Y.tolist()) is None


@pytest.fixture
def labeled(make_dataset):
    """100 sounds with splits, some without an instrument or a note."""
    dataset = make_dataset(100)
    dataset.table["note_number"] = dataset.table["note_number"].astype("Int64")
    dataset.table.loc[[3, 50], "instrument"] = None
    dataset.table.loc[[7, 60, 61], "note_number"] = None
    return dataset


def perfect(dataset, label):
    """A space in which a label is a place; sounds without one lie anywhere."""
    _, y, _ = labeled_sounds(dataset, label)
    points = np.where(y[:, None] < 0, 99.0, y[:, None] * 10.0) + np.random.default_rng(0).random((len(y), 3))
    return points[dataset.sound_of_frame()], points


def test_labeled_sounds(labeled):
    for label, column, absent in (("instrument", "instrument", {3, 50}), ("pitch", "note_number", {7, 60, 61})):
        rows, y, names = labeled_sounds(labeled, label)
        table = labeled.table
        assert [len(set(r) & absent) for r in rows] == [0, 0, 0]
        assert set(np.concatenate(rows)) == set(range(100)) - absent and sum(map(len, rows)) == 100 - len(absent)
        for r, name in zip(rows, ("train", "valid", "test")):
            assert (table["random"][r] == name).all()
        assert set(np.flatnonzero(y == -1)) == absent
        assert all(names[y[i]] == table[column][i] for i in np.concatenate(rows)) and sorted(names) == list(names)
    with pytest.raises(ValueError, match=r"unknown label 'pich'.*Did you mean 'pitch'\?"):
        labeled_sounds(labeled, "pich")


def test_frame_sample(labeled):
    every = np.flatnonzero(np.isin(labeled.sound_of_frame(), [2, 9, 30]))
    np.testing.assert_array_equal(frame_sample(labeled, [2, 9, 30], 10_000, 0), every)
    some = frame_sample(labeled, [2, 9, 30], 8, 0)
    assert len(set(some)) == 8 and set(some) <= set(every) and (np.diff(some) > 0).all()
    np.testing.assert_array_equal(some, frame_sample(labeled, [2, 9, 30], 8, 0))
    assert any(not np.array_equal(some, frame_sample(labeled, [2, 9, 30], 8, seed)) for seed in (1, 2))


@pytest.mark.parametrize("label", ["instrument", "pitch"])
def test_evaluate_a_perfect_space(label, labeled):
    values = evaluate(*perfect(labeled, label), labeled, label, max_frames=150)
    estimates = {"knn", "knn.frame", "knn.audible", "p_at_5", "r_precision", "map_at_r"} | ({"ndcg"} if label == "pitch" else set())
    assert set(values) == {"k", "k.frame", "k.audible", "chance"} | {e + end for e in estimates for end in ("", ".lo", ".hi")}
    for name in estimates - {"ndcg", "p_at_5"}:
        assert values[f"{name}.lo"] == values[f"{name}.hi"] == 1
    assert values["knn"] == values["knn.frame"] == values["knn.audible"] == values["r_precision"] == values["map_at_r"] == 1
    assert values["k"] == values["k.frame"] == 1


def test_evaluate_is_made_of_its_parts(labeled):
    rng = np.random.default_rng(3)
    frames, points = rng.normal(size=(len(labeled.frames), 3)), rng.normal(size=(100, 3))
    values = evaluate(frames, points, labeled, "instrument", "random", 10_000, 0)
    table = labeled.table[labeled.table["instrument"].notna()]
    code = table["instrument"].map({"cello": 0, "flute": 1, "oboe": 2, "tuba": 3}).astype(int)
    parts = {name: table.index[table["random"] == name] for name in ("train", "valid", "test")}
    at_sound = [(points[i], code[i].to_numpy()) for i in parts.values()]
    assert (values["knn"], values["k"]) == knn_accuracy(*at_sound)[:2]
    assert {m: values[m] for m in ("p_at_5", "r_precision", "map_at_r")} == retrieval(*at_sound[2])
    most = code[parts["train"]].mode()[0]
    assert values["chance"] == pytest.approx((code[parts["test"]] == most).mean())
    of = labeled.sound_of_frame()
    rows = [np.flatnonzero(np.isin(of, i)) for i in parts.values()]
    at_frame = [(frames[r], code[of[r]].to_numpy()) for r in rows]
    assert (values["knn.frame"], values["k.frame"]) == knn_accuracy(*at_frame)[:2]
    assert values["knn.audible"] == values["knn.frame"]  # nothing is silent here
    assert values == evaluate(frames, points, labeled, "instrument", "random", 10_000, 0)


def test_audible_figures_leave_out_silent_frames(labeled):
    """A space that is right about all but silent frames."""
    frames, points = perfect(labeled, "instrument")
    rng = np.random.default_rng(0)
    silent = rng.random(len(frames)) < 0.3
    silent[labeled.start] = False  # each sound keeps a frame
    labeled.frames[silent] = 0
    frames = np.where(silent[:, None], rng.normal(0, 5, frames.shape), frames)
    values = evaluate(frames, points, labeled, "instrument", max_frames=10_000)
    assert values["knn.audible"] == 1 > values["knn.frame"] + 0.1


def test_report_and_summary_names(labeled):
    spaces = {"instrument": perfect(labeled, "instrument"), "pitch": perfect(labeled, "pitch")}
    values = report(spaces, labeled, 100)
    metrics = {"knn", "k", "chance", "p_at_5", "r_precision", "map_at_r"}
    names = {f"{s}.{m}.{label}.random" for s in spaces for m in metrics for label in ("instrument", "pitch")}
    levels = [(m, level) for m in ("knn", "k") for level in ("frame", "audible")]
    names |= {f"{s}.{m}.{label}.random.{level}" for s in spaces for m, level in levels for label in ("instrument", "pitch")}
    names |= {f"{s}.ndcg.pitch.random" for s in spaces}
    bounded = {name for name in names if name.split(".")[1] not in ("k", "chance")}
    assert set(values) == names | {name + end for name in bounded for end in (".lo", ".hi")}
    assert all(values[f"{name}.lo"] <= values[name] <= values[f"{name}.hi"] for name in bounded)
    assert values["instrument.knn.instrument.random"] == values["pitch.knn.pitch.random.frame"] == 1
    table = summary(values, list(spaces))
    assert table.shape == (2, 6) and table.loc["pitch", ("pitch", "random")] == 1
    assert table[("instrument", "held_out")].isna().all() and table[("pitch", "real")].isna().all()
    text, value = with_intervals(values, list(spaces)), values["pitch.knn.instrument.random"]
    low, high = values["pitch.knn.instrument.random.lo"], values["pitch.knn.instrument.random.hi"]
    assert text.loc["pitch", ("instrument", "random")] == f"{value:.3f} ({low:.3f}, {high:.3f})"
    assert (text[("instrument", "real")] == "not run").all()
    frame = summary(values, ["pitch"], "knn", ".frame")
    assert frame.loc["pitch", ("instrument", "random")] == values["pitch.knn.instrument.random.frame"]


def test_confusion_of_a_perfect_space(labeled):
    shares, names, each = confusion_of(perfect(labeled, "instrument")[1], labeled, "instrument")
    assert (each[["precision", "recall"]] == 1).all(axis=None) and each["sounds"].sum() == 25
    assert names.tolist() == ["cello", "flute", "oboe", "tuba"]
    np.testing.assert_array_equal(shares, np.eye(4))


def test_neighbor_distance():
    assert neighbor_distance(np.array([[0.0], [1.0], [3.0], [7.0], [7.5]])) == 1.0


def test_neighbors_tied_at_the_edge_come_by_index():
    grid = np.random.default_rng(0).integers(0, 3, (60, 2)).astype(float)
    slow = np.argsort(np.linalg.norm(grid[:, None] - grid[None], axis=2), axis=1, kind="stable")[:, :4]
    np.testing.assert_array_equal(neighbors(grid, grid, 4), slow)


def test_knn_of_a_smaller_k_within_ties():
    z, y = np.zeros((40, 1)), np.arange(40) % 7
    assert knn_predict(z, y, z[:1], (1, 5)).tolist() == [[0], [0]]


def test_interval_of_independent_scores_is_that_of_a_proportion():
    scores = np.arange(400) % 4 == 0
    low, high = interval(scores, np.arange(400))
    half = 1.96 * np.sqrt(0.25 * 0.75 / 400)
    assert (low, high) == pytest.approx((0.25 - half, 0.25 + half), abs=0.012)
    assert interval(scores, np.arange(400)) == (low, high) != interval(scores, np.arange(400), seed=1)


def test_interval_is_wider_where_scores_stand_or_fall_together():
    scores, sounds = np.repeat(np.arange(40) % 4 == 0, 10), np.repeat(np.arange(40), 10) * 7
    low, high = interval(scores, sounds)
    alone = interval(scores, np.arange(400))
    assert high - low > 2.5 * (alone[1] - alone[0])
    assert interval(np.ones(9), np.arange(9)) == (1, 1)


def test_interval_holds_the_truth_about_as_often_as_it_says():
    rng, held = np.random.default_rng(0), 0
    for trial in range(100):
        low, high = interval(rng.random(200) < 0.3, np.arange(200), seed=trial, resamples=200)
        held += low <= 0.3 <= high
    assert 88 <= held <= 99


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


def test_recall_precision_of_a_perfect_space_and_of_noise():
    assert (recall_precision(*clouds(60)) == 1).all()
    z, y = noise(600, 5)
    curve = recall_precision(z, y)
    assert len(curve) == len(LEVELS) and (np.diff(curve) <= 0).all() and curve[-1] == pytest.approx(0.2, abs=0.02)
    some = recall_precision(z, y, most=100)
    assert some == pytest.approx(curve, abs=0.08) and not np.array_equal(some, curve)
    with pytest.raises(ValueError, match="expected a class with two points"):
        recall_precision(np.eye(3), np.arange(3))


def test_precision_and_recall_of_each_class():
    table = per_class(np.array([0, 0, 0, 1, 2]), np.array([0, 0, 1, 1, 1]), ["a", "b", "c"])
    assert table["recall"].tolist() == [2 / 3, 1, 0] and table["sounds"].tolist() == [3, 1, 1]
    assert table["precision"].tolist()[:2] == [1, 1 / 3] and np.isnan(table["precision"]["c"])
