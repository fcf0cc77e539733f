"""Paths become sound: the author's method."""

import numpy as np
import pandas as pd
import pytest

from dml_lib import config, sonify
from dml_lib.sounds import soundfont

CFG = config.Config()


@pytest.fixture(scope="module")
def table():
    return soundfont.recipes("timgm6mb", 2, 1, 0, ("trumpet", "flute"))


@pytest.fixture
def units():
    """Two sounds of ten frames each, on two lines."""
    z = np.concatenate([np.linspace([0, 0, 0], [1, 0, 0], 10), np.linspace([0, 5, 0], [1, 5, 0], 10)])
    return sonify.Units(z, np.repeat([0, 1], 10), np.tile(np.arange(10), 2), 0.05)


def test_nearest_units_against_brute_force(units):
    path = np.random.default_rng(0).uniform(0, 5, (30, 3))
    slow = [int(((units.z - p) ** 2).sum(1).argmin()) for p in path]
    assert sonify.nearest_units(path, units).tolist() == slow


@pytest.mark.parametrize("path", [np.zeros((0, 3)), np.zeros((2, 2)), np.zeros(3), np.full((2, 3), np.nan)])
def test_a_path_that_is_none_is_refused(path, units):
    with pytest.raises(ValueError, match=r"expected a finite path \(n_steps, 3\)"):
        sonify.nearest_units(path, units)


def test_overlap_add_of_constant_grains_is_constant():
    y = sonify.overlap_add(np.ones((7, 100), np.float32), 50)
    assert y.shape == (6 * 50 + 100,) and np.allclose(y[50:-50], 1, atol=1e-6) and y.dtype == np.float32


def test_a_path_over_units_plays_exactly_these(units, table):
    y, sr, cues = sonify.author_method(units.z[[0, 3, 15]], units, table)
    assert cues["sound"].tolist() == [0, 0, 1] and np.allclose(cues["distance"], 0)
    assert np.allclose(cues["seconds"], [0, 0.15, 0.25])
    assert sr == soundfont.SR and len(y) == 4 * round(0.25 * sr)


def test_result_is_audible_and_clean(units, table):
    y, _, _ = sonify.author_method(units.z[:6], units, table)
    assert abs(np.abs(y).max() - sonify.PEAK) < 1e-6
    assert y[0] == 0 and abs(float(y.mean())) < 0.01 and np.abs(np.diff(y)).max() < 0.5


def test_deterministic(units, table):
    first, second = (sonify.author_method(units.z[::4], units, table)[0] for _ in range(2))
    assert np.array_equal(first, second)


def test_a_silent_grain_stays_silent(units, table):
    late = sonify.Units(units.z, units.sound, units.frame + 10_000, 0.05)
    y, _, _ = sonify.author_method(late.z[:3], late, table)
    assert not y.any()


def test_corpus_leaves_out_what_is_not_kept(dataset):
    z = np.zeros((len(dataset.frames), 3))
    keep = np.arange(len(dataset)) != 2
    found = sonify.corpus(z, dataset, CFG, keep)
    assert set(found.sound) == set(range(len(dataset))) - {2}
    assert found.frame_s == 0.05
    for sound in (0, 3):
        assert found.frame[found.sound == sound].tolist() == list(range(dataset.n_frames[sound]))


def test_an_empty_corpus_is_refused(dataset):
    with pytest.raises(ValueError, match="at least one sound to play from"):
        sonify.corpus(np.zeros((len(dataset.frames), 3)), dataset, CFG, np.zeros(len(dataset), bool))


def test_cues_are_a_table(units, table):
    _, _, cues = sonify.author_method(units.z[:2], units, table)
    assert isinstance(cues, pd.DataFrame) and list(cues.columns) == ["step", "sound", "seconds", "distance"]
