"""The report card: made of its parts, right on a perfect space, with intervals that hold what they say."""

import numpy as np
import pytest
from test_retrieval import retrieval

from dml_lib.evaluate import (
    confusion_of, evaluate, frame_sample, hidden, interval, labeled_sounds, per_class, per_class_by_split, report, summary, with_intervals,
)
from dml_lib.nearest import knn_accuracy


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
        assert 0.8 < values[f"{name}.lo"] < values[f"{name}.hi"] == 1
    assert values["knn"] == values["knn.frame"] == values["knn.audible"] == values["r_precision"] == values["map_at_r"] == 1
    assert values["k"] == values["k.frame"] == 1


def test_a_space_that_knows_one_make_finds_nothing_across(labeled):
    frames, points = perfect(labeled, "instrument")
    other = np.arange(len(labeled)) // 4 % 2 == 1
    labeled.table = labeled.table.assign(source_family=np.where(other, "timgm", "fluid"))
    assert evaluate(None, points, labeled, "instrument")["p_at_5_across"] > 0.95  # one class has four training sounds there
    mixed = np.where(other[:, None] & (points < 40), (points + 10) % 40, points)  # each instrument where another one of the other family is
    assert evaluate(None, mixed, labeled, "instrument")["p_at_5_across"] == 0
    labeled.table = labeled.table.assign(source_family="timgm")
    assert "p_at_5_across" not in evaluate(frames, points, labeled, "instrument")


def test_intervals_of_random_spaces_hold_chance_about_as_often_as_they_say(make_dataset):
    dataset, held = make_dataset(400), []
    size = dataset.table["instrument"][dataset.table["random"] == "test"].value_counts().to_numpy()
    others = (size * (size - 1)).sum() / size.sum() / (size.sum() - 1)
    chance = {"knn": 1 / 4, "knn.frame": 1 / 4, "knn.audible": 1 / 4, "p_at_5": others, "r_precision": others}
    for seed in range(8):
        rng = np.random.default_rng(seed)
        frames, points = rng.normal(size=(len(dataset.frames), 3)), rng.normal(size=(400, 3))
        values = evaluate(frames, points, dataset, "instrument", max_frames=1_000)
        held += [values[f"{name}.lo"] < expected < values[f"{name}.hi"] for name, expected in chance.items()]
    assert 34 <= sum(held) <= 40, sum(held)


def test_evaluate_of_one_class_and_of_points_on_one_place(labeled):
    labeled.table["instrument"] = "cello"
    frames, points = np.zeros((len(labeled.frames), 3)), np.zeros((100, 3))
    values = evaluate(frames, points, labeled, "instrument")
    assert {values[name] for name in ("knn", "knn.frame", "chance", "p_at_5", "r_precision", "map_at_r")} == {1}
    values = evaluate(frames, points, labeled, "pitch")
    assert values == evaluate(frames, points, labeled, "pitch") and 0 < values["knn"] < 0.5


def test_evaluate_of_what_cannot_be_evaluated(labeled):
    frames, points = perfect(labeled, "instrument")
    with pytest.raises(ValueError, match="expected finite embeddings, found .* bad values: check the network"):
        evaluate(frames, points * np.nan, labeled, "instrument")
    with pytest.raises(ValueError, match="expected finite embeddings"):
        evaluate(frames * np.nan, points, labeled, "instrument")
    tests = np.flatnonzero(labeled.table["random"] == "test")
    labeled.table.loc[tests[1:], "random"] = ""
    assert "p_at_5" not in evaluate(frames, points, labeled, "instrument")  # one sound has nothing to find
    labeled.table.loc[tests, "random"] = ""
    with pytest.raises(ValueError, match="expected sounds with instrument in each of train, valid, test of random, found none in test: mend"):
        evaluate(frames, points, labeled, "instrument")


def test_a_split_of_ones_own_is_a_column(labeled):
    frames, points = perfect(labeled, "instrument")
    labeled.table = labeled.table.assign(mine=labeled.table["random"])
    assert evaluate(None, points, labeled, "instrument", "mine") == evaluate(None, points, labeled, "instrument")
    with pytest.raises(ValueError, match="expected a column 'min' that says train, valid, test of each sound, found random, .*mine"):
        evaluate(None, points, labeled, "instrument", "min")


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


def test_without_frames_there_are_figures_of_sounds_only(labeled):
    frames, points = perfect(labeled, "pitch")
    both, alone = (evaluate(f, points, labeled, "pitch", max_frames=150) for f in (frames, None))
    assert alone == {name: value for name, value in both.items() if not {"frame", "audible"} & set(name.split("."))} != both


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


def test_a_split_that_tests_nothing_known_has_no_figures_and_takes_no_others_with_it(labeled):
    test = (labeled.table["random"] == "test").to_numpy()
    strange = labeled.table["instrument"].where(~test, "none of them")
    labeled.table = labeled.table.assign(real=labeled.table["random"])
    labeled.table["instrument"] = strange
    values = report({"pitch": perfect(labeled, "pitch")}, labeled, 100)
    assert not [name for name in values if ".instrument." in name] and values["pitch.knn.pitch.real"] == 1
    alone = np.flatnonzero(test)[1:]  # one sound of a class: nothing to retrieve
    labeled.table.loc[alone, "note_number"] = None
    assert "p_at_5" not in evaluate(None, perfect(labeled, "pitch")[1], labeled, "pitch")


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
    assert {name.split(".")[2] for name in report(spaces, labeled, 100, labels=("pitch",))} == {"pitch"}
    table = summary(values, list(spaces))
    assert table.shape == (2, 6) and table.loc["pitch", ("pitch", "random")] == 1
    assert table[("instrument", "held_out")].isna().all() and table[("pitch", "real")].isna().all()
    text, value = with_intervals(values, list(spaces)), values["pitch.knn.instrument.random"]
    low, high = values["pitch.knn.instrument.random.lo"], values["pitch.knn.instrument.random.hi"]
    assert text.loc["pitch", ("instrument", "random")] == f"{value:.3f} ({low:.3f}, {high:.3f})"
    assert (text[("instrument", "real")] == "not run").all()
    without = with_intervals(values, ["pitch"], "chance")
    assert without.loc["pitch", ("pitch", "random")] == f"{values['pitch.chance.pitch.random']:.3f}"
    frame = summary(values, ["pitch"], "knn", ".frame")
    assert frame.loc["pitch", ("instrument", "random")] == values["pitch.knn.instrument.random.frame"]


def test_confusion_of_a_perfect_space(labeled):
    shares, names, each = confusion_of(perfect(labeled, "instrument")[1], labeled, "instrument")
    assert (each[["precision", "recall"]] == 1).all(axis=None) and each["sounds"].sum() == 25
    assert names.tolist() == ["cello", "flute", "oboe", "tuba"]
    np.testing.assert_array_equal(shares, np.eye(4))


def test_rows_of_a_confusion_are_true_classes(labeled):
    """All cellos lie among the tubas, and nothing is said of what has no test sound."""
    points = perfect(labeled, "instrument")[1].copy()
    cello, tuba, oboe = (np.flatnonzero(labeled.table["instrument"] == name) for name in ("cello", "tuba", "oboe"))
    test = (labeled.table["random"] == "test").to_numpy()
    points[cello[test[cello]]] = points[tuba[0]]
    labeled.table.loc[oboe[test[oboe]], "random"] = "none"
    shares, names, _ = confusion_of(points, labeled, "instrument")
    assert shares[0].tolist() == [0, 0, 0, 1] and shares[2].tolist() == [0, 0, 0, 0] and shares[3].tolist() == [0, 0, 0, 1]


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


@pytest.mark.parametrize("score", [0.0, 1.0, True])
def test_interval_has_a_width_where_all_are_right_or_none(score):
    low, high = interval(np.full(40, score), np.repeat(np.arange(10), 4))  # ten sounds, not forty
    edge = 1.96**2 / (10 + 1.96**2)
    assert (low, high) == pytest.approx((1 - edge, 1) if score else (0, edge), abs=1e-4)


def test_interval_holds_the_truth_about_as_often_as_it_says():
    rng, held = np.random.default_rng(0), 0
    for trial in range(100):
        low, high = interval(rng.random(200) < 0.3, np.arange(200), seed=trial, resamples=200)
        held += low <= 0.3 <= high
    assert 88 <= held <= 99


def test_precision_and_recall_of_each_class():
    table = per_class(np.array([0, 0, 0, 1, 2]), np.array([0, 0, 1, 1, 1]), ["a", "b", "c"])
    assert table["recall"].tolist() == [2 / 3, 1, 0] and table["sounds"].tolist() == [3, 1, 1]
    assert table["precision"].tolist()[:2] == [1, 1 / 3] and np.isnan(table["precision"]["c"])


def test_bounds_of_a_recall_have_a_width_where_all_are_right():
    table = per_class(np.array([0] * 4 + [1] * 100), np.array([0] * 4 + [1] * 50 + [0] * 50), ["a", "b", "c"])
    assert table.loc["a", ["recall", "hi"]].tolist() == [1, 1] and table["lo"]["a"] == pytest.approx(4 / (4 + 1.96**2), abs=1e-3)
    assert table.loc["b", ["lo", "hi"]].tolist() == pytest.approx([0.4038, 0.5962], abs=1e-4)
    assert table.loc["c", ["lo", "recall", "hi"]].isna().all() and table["sounds"].tolist() == [4, 100, 0]


def test_per_class_by_split(labeled):
    labeled.table["real"] = labeled.table["random"].where(labeled.table["random"] != "valid", "train")
    labeled.table.loc[labeled.table.index[labeled.table["random"] == "valid"][:5], "real"] = "valid"
    found = per_class_by_split(perfect(labeled, "instrument")[1], labeled, "instrument")
    assert list(found) == ["random", "real"] and all((table["recall"] == 1).all() for table in found.values())


def test_what_random_splits_hide():
    values = {"pitch.knn.pitch.random": 0.9, "pitch.knn.pitch.real": 0.6, "pitch.knn.instrument.random": 0.3, "pitch.knn.pitch.random.frame": 0.8}
    table = hidden(values, ["pitch"])
    assert list(table.columns) == ["random", "held_out", "real", "random - held_out", "random - real"]
    assert list(table.index) == [("instrument", "pitch"), ("pitch", "pitch")]
    assert table.loc[("pitch", "pitch"), "random - real"] == pytest.approx(0.3)
    assert np.isnan(table.loc[("pitch", "pitch"), ["held_out", "random - held_out"]].astype(float)).all()
