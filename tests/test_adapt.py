"""A network goes on learning on the sounds of a library: better there, and never worse by what it may know."""

import numpy as np
import pytest
import torch

from dml_lib import adapt
from dml_lib.splits import random_split
from dml_lib.train import train, untrained


@pytest.fixture
def library(make_dataset):
    """240 sounds of four bands, faint in noise, as the table of a folder."""
    data = make_dataset(240)
    band = np.arange(40) * 4 // 40 == np.repeat(np.arange(240) % 4, data.n_frames)[:, None]
    data.frames = (data.frames + 0.8 * band).astype(np.float16)
    data.table["checksum"] = data.table["sound_id"]
    return data


@pytest.fixture
def small(cfg):
    return cfg.with_(judge_sounds=90, ours_windows=48)


def test_a_library_is_learned(library, small):
    start = untrained(small, "ours")
    before_weights = {name: tensor.clone() for name, tensor in start.state_dict().items()}
    model, before, after, scheme = adapt.adapt(library, start, small, "instrument", 200, progress=False)
    assert scheme == "instrument" and set(before) == {"instrument"}
    assert after["instrument"] > before["instrument"] + 0.2
    library.table["random"] = random_split(len(library), small.seed)
    assert after == adapt.accuracy(model, library, small, "instrument")
    assert all(torch.equal(a, b) for a, b in zip(before_weights.values(), start.state_dict().values()))
    again, *rest = adapt.adapt(library, start, small, "instrument", 200, progress=False)
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values()))


def test_without_labels_each_sound_is_its_own_neighborhood(library, small):
    library.table["instrument"] = library.table["note_number"] = None
    model, before, after, scheme = adapt.adapt(library, untrained(small, "ours"), small, "pitch", 60, progress=False)
    assert scheme is None and set(after) == {"itself"} and 0 <= after["itself"] <= 1


def test_what_validates_best_is_kept_even_if_it_is_the_start(dataset, small):
    start = untrained(small, "ours")
    judgements = iter([0.9, 0.1, 0.2])
    model, history = train(small.with_(validations=2, ours_iterations=4), "instrument", "ours", dataset, lambda _: next(judgements), False, start=start)
    assert all(torch.equal(a, b) for a, b in zip(start.state_dict().values(), model.state_dict().values()))
    assert [x for x, _ in history.val_knn_by_iteration] == [0, 2, 4]


@pytest.mark.parametrize("iterations, came_back", [(0, True), (2, False)])
def test_a_network_that_came_back_as_it_was_is_said_to(iterations, came_back, library, small, tmp_path, monkeypatch):
    start, file = untrained(small, "ours"), tmp_path / "start.safetensors"
    adapt.save_weights(file, start, small, "ours", scheme="instrument")
    monkeypatch.setattr(adapt.library, "sounds", lambda place, cfg: library)
    model, _ = train(small.with_(ours_iterations=max(iterations, 1)), "instrument", "ours", library.subset(library.table["random"] == "train"), progress=False)
    monkeypatch.setattr(adapt, "adapt", lambda data, begun, cfg, scheme: (begun if came_back else model, {"instrument": 0.4}, {"instrument": 0.5}, scheme))
    said = adapt.train_on(tmp_path, file, tmp_path / "mine.safetensors")
    assert ("the one that it began with" in said) == came_back and "40.0% lay beside their like before, 50.0% after" in said
    monkeypatch.setattr(adapt, "adapt", lambda data, begun, cfg, scheme: (model, {"instrument": 0.4, "pitch": 0.5}, {"instrument": 0.3, "pitch": 0.5}, "instrument_pitch_2"))
    said = adapt.train_on(tmp_path, file, tmp_path / "mine.safetensors")
    assert said.startswith("learned from labels, instrument and pitch\n") and said.endswith("it is no better on your sounds than the one before")
    n = (random_split(len(library), small.seed) == "test").sum()
    assert f"judged by at most {n} sounds, of which one is {1 / n:.1%}" in said
    monkeypatch.setattr(adapt, "adapt", lambda data, begun, cfg, scheme: (model, {"instrument": 0.4, "pitch": 0.5}, {"instrument": 0.3, "pitch": 0.6}, "instrument_pitch_2"))
    assert adapt.train_on(tmp_path, file, tmp_path / "mine.safetensors").endswith("if pitch matters more to you than instrument")


@pytest.mark.parametrize("name", ["song.wav", "map.parquet", "folder.safetensors"])
def test_nothing_but_weights_is_written_over(name, tmp_path):
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(ValueError, match="expected a file to write that ends with .safetensors"):
        adapt.train_on(tmp_path, tmp_path / "never read", tmp_path / name)


def test_a_file_that_is_no_network_of_ours_stays(tmp_path):
    (tmp_path / "mine.safetensors").write_text("another program's")
    with pytest.raises(ValueError, match="expected no other file in the place of the network"):
        adapt.train_on(tmp_path, tmp_path / "never read", tmp_path / "mine.safetensors")
    assert (tmp_path / "mine.safetensors").read_text() == "another program's"


def test_a_map_keeps_its_own_network(tmp_path):
    (tmp_path / ".dml_map").touch()
    with pytest.raises(ValueError, match="expected a file outside of a map"):
        adapt.train_on(tmp_path, tmp_path / "never read", tmp_path / "weights.safetensors")


@pytest.mark.parametrize("part", ["train", "valid", "test"])
def test_labels_that_are_not_in_all_parts_are_not_used(part, library, small):
    kept = adapt.random_split(len(library), small.seed) == part
    library.table["instrument"] = library.table["instrument"].where(~kept)
    _, before, after, told = adapt.adapt(library, untrained(small, "ours"), small, "instrument", 4, progress=False)
    assert told is None and set(before) == set(after) == {"itself"}


def test_labels_must_tell_of_most_sounds(library):
    assert adapt.labeled(library.table, "instrument_pitch")
    some = library.table.assign(note_number=library.table["note_number"].where(np.arange(240) < 100))
    assert not adapt.labeled(some, "pitch") and adapt.labeled(some, "instrument")
    assert not adapt.labeled(library.table.assign(instrument="flute"), "instrument")


def test_a_varied_copy_has_a_level_and_a_slope_of_its_own(library, small):
    copy = adapt.varied(library, small, seed=3)
    ratio = np.log10(copy.features(0).astype(float) + 1e-9) - np.log10(library.features(0).astype(float) + 1e-9)
    loud = library.features(0) > 0.1
    slopes = [np.polyfit(np.flatnonzero(row), r[row], 1) for r, row in zip(ratio, loud) if row.sum() > 10]
    assert np.std([s for s, _ in slopes]) < 1e-3 and abs(np.mean([s for s, _ in slopes])) > 1e-4
    assert copy.table is library.table and np.isfinite(copy.frames).all()


def test_copies_count_once_and_a_few_sounds_are_too_few(library, small):
    library.table["checksum"] = "same"
    with pytest.raises(ValueError, match="at least 20 different sounds to learn from, found 1"):
        adapt.adapt(library, untrained(small, "ours"), small, "pitch")
