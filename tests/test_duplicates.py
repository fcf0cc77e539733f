"""Tests of `dml_lib.duplicates` on made-up libraries whose copies are known."""

import numpy as np
import pandas as pd
import pytest

from dml_lib import duplicates
from dml_lib.dataset import Dataset
from dml_lib.duplicates import N_FRAMES, candidates, fingerprint, leaks, listed, sketch

N_BINS = 48


def spectra(n, seed):
    """n sounds of 15 frames with peaks of their own that decay, (n, 15, N_BINS)."""
    rng = np.random.default_rng(seed)
    return rng.gamma(0.2, 1, (n, 1, N_BINS)) * np.exp(-0.1 * np.arange(15))[:, None] * rng.uniform(0.8, 1.2, (n, 15, 1))


def make(sounds, library, family=None):
    """A dataset of the sounds, each (n_frames, N_BINS); its instruments and notes go round in every library."""
    n_frames = np.array([len(x) for x in sounds])
    table = pd.DataFrame({"library": library}).assign(source_family=library if family is None else family)
    place = table.groupby("library").cumcount()
    table["instrument"] = np.array(["cello", "flute"])[place % 2]
    table["note_number"] = 60 + place // 2
    table["sound_id"] = table["library"] + "/" + place.astype(str)
    return Dataset(table, np.concatenate(sounds).astype(np.float16), n_frames)


def pairs(dataset):
    """The copies in a dataset, as `census.copies` finds them."""
    marks = fingerprint(dataset)
    a, b = candidates(sketch(marks))
    found = pd.DataFrame({"row_a": a, "row_b": b, "correlation": np.einsum("ij,ij->i", marks[a], marks[b])})
    return listed(found, dataset.table["sound_id"])


@pytest.fixture
def three():
    """Libraries of 8 sounds: b holds a's at other levels; c has its own, but for one instrument of a's."""
    a, c = spectra(8, 0), spectra(8, 1)
    c[::2] = a[::2]
    b = a * np.geomspace(0.02, 20, 8)[:, None, None]
    return make([*a, *b, *c], np.repeat(["a", "b", "c"], 8))


def test_fingerprint_is_a_unit_vector_without_mean(three):
    marks = fingerprint(three)
    assert marks.shape == (24, N_FRAMES * N_BINS) and marks.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(marks, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(marks.mean(axis=1), 0, atol=1e-6)


def test_fingerprint_equals_a_slow_loop(three, make_dataset):
    short = make_dataset(n_bins=N_BINS)  # some sounds have fewer frames than a fingerprint
    for dataset in (three, short):
        for i, mark in enumerate(fingerprint(dataset)):
            x = dataset.features(i).astype(float)
            first = next(t for t in range(len(x)) if x[t].max() >= x.max() / 1000)
            x = np.pad(x[first:first + N_FRAMES], ((0, max(0, N_FRAMES - len(x) + first)), (0, 0)))
            x = np.log(1 + 50 * x / x.max()).ravel()
            assert np.corrcoef(mark, x)[0, 1] > 1 - 1e-6


def test_silence_before_after_and_level_do_not_hide_a_copy():
    y, silence = spectra(1, 0)[0], np.zeros((7, N_BINS))
    dataset = make([y, np.concatenate([silence, 0.01 * y, silence])], ["a", "b"])
    assert pairs(dataset)["correlation"].tolist() == [pytest.approx(1, abs=1e-3)]


def test_a_silent_sound_is_nobodys_copy():
    silent = np.zeros((12, N_BINS))
    dataset = make([silent, silent, spectra(1, 0)[0]], ["a", "b", "c"])
    assert not fingerprint(dataset)[:2].any() and pairs(dataset).empty


def test_leaks_of_copies_of_part_and_of_none(three):
    table = leaks(three)
    assert table[["library_a", "library_b"]].to_numpy().tolist()[0] == ["a", "b"]
    by = table.set_index(["library_a", "library_b"])
    assert (by["notes"] == 8).all() and (by["instruments"] == 2).all()
    whole, part = by.loc[("a", "b")], by.loc[("a", "c")]
    assert whole["mean"] > 0.999 and whole["share_above"] == 1 and whole["instruments_above"] == 2
    assert part["mean"] < 0.9 and part["share_above"] == 0.5 and part["instruments_above"] == 1
    assert (by["family_a"] == by.index.get_level_values(0)).all()


def test_leaks_takes_the_best_match_of_a_note():
    a, other = spectra(2, 0), spectra(2, 1)
    dataset = make([*a, *other, *a], ["a"] * 2 + ["b"] * 4)
    dataset.table["note_number"] = 60
    table = leaks(dataset)
    assert table["notes"].tolist() == [2] and table["mean"].item() > 0.999
    dataset.table.loc[4:, "instrument"] = None  # the copies have no label: what is left is no copy
    assert leaks(dataset)["mean"].item() < 0.9
    assert len(pairs(dataset)) == 2  # found all the same


def test_one_library_has_no_leaks(three):
    one = three.subset((three.table["library"] == "a").to_numpy())
    table = leaks(one)
    assert table.empty and list(table.columns) == list(leaks(three).columns)


def test_pairs_are_the_copies_and_no_others(three):
    found = pairs(three)
    expected = {(i, i + 8) for i in range(8)} | {(i + j, i + 16) for i in range(0, 8, 2) for j in (0, 8)}
    assert set(zip(found["row_a"], found["row_b"])) == expected and len(found) == len(expected)
    ids = three.table["sound_id"].to_numpy()
    assert (found["sound_a"] == ids[found["row_a"]]).all() and (found["sound_b"] == ids[found["row_b"]]).all()
    assert found["correlation"].between(0.999, 1).all()


def test_the_most_alike_are_kept(monkeypatch):
    y, noise = spectra(1, 0)[0], np.random.default_rng(0).gamma(1, 0.02, (15, N_BINS))
    dataset = make([y, y + 2 * noise, y + noise, y], list("abcd"))
    monkeypatch.setattr(duplicates, "COPY", 0.5)
    every = pairs(dataset)
    assert every[every["row_a"] == 0]["row_b"].tolist() == [3, 2, 1]
    monkeypatch.setattr(duplicates, "MOST", 1)
    pd.testing.assert_frame_equal(pairs(dataset), every.groupby("row_a").head(1).reset_index(drop=True))


@pytest.mark.parametrize("block", [1, 100, 3 * 10 * N_BINS])
def test_size_of_blocks_does_not_matter(three, monkeypatch, block):
    marks = fingerprint(three)
    monkeypatch.setattr(duplicates, "BLOCK_VALUES", block)
    np.testing.assert_array_equal(fingerprint(three), marks)
