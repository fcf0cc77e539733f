"""Recorded experiments: every trial once, values that are means of the seeds, held-out figures of all families."""

import json

import numpy as np
import pytest

from dml_lib import experiments, paths, splits
from dml_lib.config import Config
from dml_lib.dataset import Dataset
from dml_lib.experiments import Experiment

SMALL = Config(
    threads=1, n_bins=40, size="small", ours_pool=1, ours_windows=16, ours_iterations=2, paper_iterations=2, validations=1, judge_sounds=30,
    eval_frames=200, level=0.0,
)


@pytest.fixture
def work(tmp_path, monkeypatch, make_dataset):
    """A folder to work in, sounds of four families and of recordings in place of those of the profile, a short experiment."""
    def build(cfg, run):
        build.built.append((cfg.level, cfg.seed))
        dataset = make_dataset(120, easy=True)
        library = np.array(["timgm", "fluid", "generaluser", "sonivox", "timgm", "philharmonia"])[np.arange(120) // 20]
        table = dataset.table.assign(source_family=library, library=library, recorded=library == "philharmonia", kind="note")
        for name, split in splits.protocols(table, cfg.seed).items():
            table[name] = split
        return Dataset(table, dataset.frames, dataset.n_frames).leveled(cfg.level), None

    build.built = []
    monkeypatch.setattr(experiments, "build", build)
    monkeypatch.setitem(experiments.EXPERIMENTS, "short", Experiment({"a": ("ours", {}), "b": ("paper", {"level": 5.0})}, ("instrument",), True))
    return paths.Run("test", str(tmp_path)), build


def test_an_experiment_is_recorded_and_not_run_twice(work, tmp_path):
    run, build = work
    said = []
    values = experiments.run("short", 2, SMALL, run, tmp_path / "results", said.append)
    assert len(said) == 2 * 2 * 4 and len(list((tmp_path / "trials").glob("*.json"))) == 16  # variants, seeds, families left out
    assert build.built == [(0.0, 0), (5.0, 0)]  # built once a level
    content = json.loads((tmp_path / "results" / "short.json").read_text())
    assert content["values"] == values and content["config"]["n_bins"] == 40
    assert content["variants"] == {"a": {"recipe": "ours"}, "b": {"recipe": "paper", "level": 5.0}}  # and what each changes of it
    for name, each in content["series"].items():
        assert len(each) == 2 and values[name] == pytest.approx(np.mean(each))
        assert (values[f"{name}.lo"], values[f"{name}.hi"]) == (min(each), max(each))
    assert experiments.run("short", 2, SMALL, run, tmp_path / "results", said.append) == values
    assert len(said) == 16 and len(build.built) == 2  # all trials were found


def test_a_resumed_experiment_trains_on_the_same_sounds(work, tmp_path):
    run, build = work
    experiments.run("short", 1, SMALL, run, tmp_path / "results", lambda text: None)
    experiments.run("short", 2, SMALL, run, tmp_path / "results", lambda text: None)
    assert {seed for _, seed in build.built} == {0}


def test_held_out_is_the_mean_over_families(work, tmp_path):
    run, _ = work
    values = experiments.run("short", 1, SMALL, run, tmp_path / "results", lambda text: None)
    for level in ("", ".frame", ".audible"):
        each = [values[f"a.instrument.knn.instrument.without_{family}{level}"] for family in ("timgm", "fluid", "generaluser")]
        assert values[f"a.instrument.knn.instrument.held_out{level}"] == pytest.approx(np.mean(each))
    assert {"a.instrument.knn.pitch.real", "b.instrument.seconds"} <= set(values)
    assert not [name for name in values if "random" in name or "without_philharmonia" in name]
    assert values["a.instrument.seconds"] > 0


def test_no_family_is_trained_on_that_is_left_out(work, tmp_path, monkeypatch):
    run, _ = work
    heard = []
    train = experiments.train.train

    def watched(cfg, scheme, recipe, dataset, *rest, **others):
        heard.append(set(dataset.table["source_family"]))
        return train(cfg, scheme, recipe, dataset, *rest, progress=False, **others)

    monkeypatch.setattr(experiments.train, "train", watched)
    experiments.run("short", 1, SMALL, run, tmp_path / "results", lambda text: None)
    assert heard[:4] == [{"fluid", "generaluser"}, {"timgm", "generaluser"}, {"timgm", "fluid"}, {"timgm", "fluid", "generaluser"}]


def test_unknown_experiment():
    with pytest.raises(ValueError, match="unknown experiment 'levels'.*Did you mean 'level'"):
        experiments.run("levels")


def test_every_experiment_names_changes_that_exist():
    for name, experiment in experiments.EXPERIMENTS.items():
        for recipe, changes in experiment.variants.values():
            assert experiments.FULL.with_(**changes) and recipe in ("paper", "ours"), name


def test_a_recorded_experiment_reads_as_a_table(work, tmp_path, monkeypatch):
    run, _ = work
    monkeypatch.setattr(paths, "RECORDED", tmp_path / "results")
    with pytest.raises(FileNotFoundError, match="get it from the repository, or run `python -m dml_lib report --full --only short`"):
        experiments.recorded("short", "instrument")
    values = experiments.run("short", 2, SMALL, run, tmp_path / "results", lambda text: None)
    table = experiments.recorded("short", "instrument", level=".audible")
    assert list(table.index) == ["a", "b"] and len(table.columns) == 6
    at = "a.instrument.knn.pitch.real.audible"
    assert table.loc["a", ("pitch", "real")] == f"{values[at]:.3f} ({values[f'{at}.lo']:.3f}, {values[f'{at}.hi']:.3f})"


def test_an_experiment_of_one_variant_reads_by_scheme(work, tmp_path, monkeypatch):
    run, _ = work
    monkeypatch.setattr(paths, "RECORDED", tmp_path / "results")
    monkeypatch.setitem(experiments.EXPERIMENTS, "one", Experiment({"a": ("ours", {})}, ("instrument", "pitch")))
    values = experiments.run("one", 2, SMALL, run, tmp_path / "results", lambda text: None)
    table = experiments.recorded("one")
    assert list(table.index) == ["instrument", "pitch"]
    assert table.loc["pitch", ("pitch", "random")].startswith(f"{values['a.pitch.knn.pitch.random']:.3f} (")


def test_time_to_quality_compares_the_recipes(work, tmp_path, monkeypatch):
    run, _ = work
    monkeypatch.setattr(paths, "RECORDED", tmp_path / "results")
    recipes = {"paper": ("paper", {"paper_iterations": 6}), "ours": ("ours", {"ours_iterations": 2})}
    monkeypatch.setitem(experiments.EXPERIMENTS, "speed", Experiment(recipes, seeds=1))
    values = experiments.run("speed", None, SMALL, run, tmp_path / "results", lambda text: None)
    table = experiments.recorded_speed()
    assert list(table.index) == list(experiments.SCHEMES) and len(list((tmp_path / "trials").glob("*.json"))) == 8
    for scheme, row in table.iterrows():
        assert row["windows, ratio"] == 3  # both see 96 windows an iteration
        assert row["kNN, ours"] == values[f"ours.{scheme}.val_knn"] and row["kNN, paper"] == values[f"paper.{scheme}.val_knn"]
        assert row["s, ratio"] == values[f"paper.{scheme}.cpu_seconds"] / values[f"ours.{scheme}.cpu_seconds"]


def test_leaks_are_recorded(work, tmp_path, monkeypatch):
    run, _ = work
    monkeypatch.setattr(paths, "RECORDED", tmp_path / "results")
    experiments.record_leaks(SMALL, run, tmp_path / "results")
    table, expected = experiments.recorded_leaks(), experiments.duplicates.leaks(work[1](SMALL, run)[0])
    assert len(table) == len(expected) > 1 and table["mean"].is_monotonic_decreasing
    for row in expected.itertuples():
        assert table.loc[(row.library_a, row.library_b), "mean"] == pytest.approx(row.mean)
