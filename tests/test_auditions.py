"""Recorded sonification: what is played, values that are means of the seeds, nothing played twice."""

import json
from pathlib import Path

import numpy as np
import pytest

from dml_lib import auditions as A, embed, paths, sonify
from dml_lib.config import Config

SMALL = Config.preset("fast", threads=1, sounds_per_instrument=4, ours_iterations=2, validations=1, judge_sounds=30)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Two seeds of two trajectories and two lines in one scheme: (values, folder of results, run, what was said)."""
    folder, said = tmp_path_factory.mktemp("sonify"), []
    run = paths.Run("test", str(folder / "work"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(A, "SCHEMES", ("pitch",))
        values = A.record(2, SMALL, run, folder, 2, said.append)
        again = A.record(2, SMALL, run, folder, 2, said.append)
    return values, again, folder, run, said


def test_names_are_those_that_others_rely_on(recorded):
    values = recorded[0]
    for measure in ("reembedding_error", "join_discontinuity"):
        for method in ("author", "ours", "untransposed", "random", "original"):
            assert np.isfinite(values[f"pitch.{measure}.{method}"])
    assert "pitch.reembedding_error.original.line" not in values and "pitch.pitch_error.ours.line" not in values


def test_values_are_means_of_the_seeds(recorded):
    values, again, folder, run, said = recorded
    content = json.loads((folder / "sonify.json").read_text())
    assert content["values"] == values == again and len(said) == 2 == len(list((run.root / "trials").iterdir()))
    for name, each in content["series"].items():
        assert len(each) == 2 and values[name] == pytest.approx(np.mean(each))
        assert (values[f"{name}.lo"], values[f"{name}.hi"]) == (min(each), max(each))


def test_the_original_is_heard_where_it_is(recorded):
    values = recorded[0]
    assert values["pitch.reembedding_error.original"] < 0.1 * values["pitch.reembedding_error.author"]
    assert values["pitch.join_discontinuity_median.original"] == pytest.approx(1)
    assert values["pitch.clipped.ours"] == 0


def test_wanted_paths(dataset, cfg, model):
    dataset.table["note_number"] = dataset.table["note_number"].astype("Int64")
    frames = embed.embed_frames(model, dataset, cfg)
    points = embed.sound_points(frames, dataset)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(A, "LEAST_FRAMES", 5)
        first, second, third = (list(A.wanted(dataset, frames, points, 0.05, 3, seed)) for seed in (0, 0, 1))
    assert [kind for kind, *_ in first] == ["trajectory"] * 3 + ["line"] * 3
    for kind, path, banned, note in first[:3]:
        assert np.array_equal(path, frames[dataset.where(banned[0])]) and note == dataset.table["note_number"][banned[0]]
        assert dataset.table["random"][banned[0]] == "test"
    assert all(path.shape == (81, 3) and banned == [] for _, path, banned, _ in first[3:])
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(first, second)) and not np.array_equal(first[0][1], third[0][1])


def test_the_original_plays_itself(dataset, cfg, model):
    frames = embed.embed_frames(model, dataset, cfg)
    space = sonify.Instrument(frames, dataset, cfg, model)
    sound = int(np.argmax(dataset.n_frames))
    space.audio.kept[sound] = np.zeros(10, np.float32)
    made = A.original(sound, space, frames[dataset.where(sound)])
    assert set(space.units.sound[made.chosen]) == {sound} and space.units.frame[made.chosen].tolist() == list(range(0, dataset.n_frames[sound], 5))


def test_summary_and_ratio_read_what_was_recorded(recorded, monkeypatch):
    values, _, folder, *_ = recorded
    monkeypatch.setattr(A, "SCHEMES", ("pitch",))
    monkeypatch.setattr(paths, "RECORDED", folder)
    table = A.summary("reembedding_error")
    assert list(table.columns) == ["author", "random", "untransposed", "ours", "original"] and table.index.tolist() == ["pitch"]
    assert table["ours"]["pitch"].startswith(f"{values['pitch.reembedding_error.ours']:.2f} (")
    assert "original" not in A.summary("reembedding_error", "line")
    assert A.ratio("join_discontinuity", "author") == 1
    assert A.ratio("reembedding_error") == pytest.approx(values["pitch.reembedding_error.ours"] / values["pitch.reembedding_error.author"])


def test_other_constants_of_the_costs_are_played_anew(recorded, monkeypatch):
    _, _, folder, run, said = recorded
    before, kept = len(said), set((run.root / "trials").iterdir())
    monkeypatch.setattr(A, "SCHEMES", ("pitch",))
    monkeypatch.setattr(A.selection, "RISE", 0.0)
    A.record(1, SMALL, run, folder / "other", 2, said.append)
    assert len(said) == before + 1 and len(set((run.root / "trials").iterdir()) - kept) == 1
    other = folder / "selection.py"
    other.write_text(Path(A.selection.__file__).read_text("utf-8") + "# another rule\n", "utf-8")
    monkeypatch.setattr(A.selection, "__file__", str(other))
    A.record(1, SMALL, run, folder / "other", 2, said.append)
    assert len(said) == before + 2
