"""Units: places, search, spectra, audio on demand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dml_lib import transposition, units as U
from dml_lib.sounds import catalog, soundfont


@pytest.fixture
def z(dataset):
    return np.random.default_rng(0).normal(size=(len(dataset.frames), 3)).astype(np.float32)


def test_units_know_their_sound_and_frame(z, dataset, cfg):
    keep = np.arange(len(dataset)) % 3 != 1
    units = U.Units(z, dataset, cfg, keep)
    assert set(units.sound) == set(np.flatnonzero(keep)) and units.frame_s == 0.05
    for sound in (0, 2):
        assert units.frame[units.sound == sound].tolist() == list(range(dataset.n_frames[sound]))
        assert np.array_equal(units.z[units.sound == sound], z[dataset.where(sound)])
    ends = [np.flatnonzero(units.sound == s)[-1] for s in units.sound]
    assert units.end(np.arange(len(units))).tolist() == ends


def test_nothing_to_play_is_refused(z, dataset, cfg):
    with pytest.raises(ValueError, match="at least one sound to play from, found none"):
        U.Units(z, dataset, cfg, np.zeros(len(dataset), bool))
    with pytest.raises(ValueError, match="leave out fewer sounds"):
        U.Units(z, dataset, cfg).nearest(z[:2], 1, np.arange(len(dataset)))


def test_places_of_another_dataset_are_refused(z, dataset, cfg):
    with pytest.raises(ValueError, match="embed this dataset"):
        U.Units(z[:-1], dataset, cfg)


@pytest.mark.parametrize("many", [U.MANY, 3])
def test_nearest_against_brute_force(many, z, dataset, cfg, monkeypatch):
    monkeypatch.setattr(U, "MANY", many)
    units, path, banned = U.Units(z, dataset, cfg), np.random.default_rng(1).normal(size=(20, 3)), [3, 7]
    found = units.nearest(path, 6, banned)
    for point, row in zip(path, found):
        far = np.where(np.isin(units.sound, banned), np.inf, np.linalg.norm(units.z - point, axis=1))
        assert row.tolist() == np.argsort(far)[:6].tolist()


def test_check_refuses_paths_outside_the_data(z, dataset, cfg):
    units = U.Units(z, dataset, cfg)
    assert units.check(z[:5]).shape == (5, 3)
    with pytest.raises(ValueError, match="expected a path through the corpus, found a point .* away"):
        units.check(z[:5] + 100)


@pytest.mark.parametrize("path", [np.zeros((1, 3)), np.zeros((2, 2)), np.zeros(3), np.full((2, 3), np.nan)])
def test_check_refuses_what_is_no_path(path, z, dataset, cfg):
    with pytest.raises(ValueError, match=r"expected a finite path \(n_steps, 3\) of at least 2 steps"):
        U.Units(z, dataset, cfg).check(path, 2)


def test_spectra_are_means_of_bands(z, dataset, cfg):
    units = U.Units(z, dataset, cfg)
    found = units.spectra(np.array([[4], [9]]))
    x = np.log1p(cfg.gain * dataset.frames[9].astype(np.float32))
    assert found.shape == (2, 1, 10) and np.allclose(found[1, 0], [x[i:i + 4].mean() for i in range(0, 40, 4)], rtol=1e-5)
    assert np.allclose(units.level(np.array([9])), 10 * np.log10((dataset.frames[9].astype(float)**2).sum() + 1e-6), atol=1e-3)


@pytest.fixture(scope="module")
def table():
    return soundfont.recipes("timgm6mb", 3, 1, 0, ("trumpet", "flute"))


def test_audio_of_a_copy_is_played_faster(table):
    audio = U.AudioCache(pd.concat([table, table.assign(transpose=7)], ignore_index=True).assign(gain=0.5).fillna({"transpose": 0}))
    n = len(table)
    assert np.array_equal(audio(0), catalog.audio(table.iloc[0])[0] * np.float32(0.5))
    assert np.array_equal(audio(n), transposition.audio(catalog.audio(table.iloc[0])[0], audio.sr, 7) * np.float32(0.5))


def test_who_bans_a_sound_bans_its_copies(z, dataset, cfg):
    table = dataset.table.assign(copy_of=np.arange(len(dataset)) // 2 * 2)
    units = U.Units(z, replace(dataset, table=table), cfg)
    for banned in ([0], [1]):
        assert not {0, 1} & set(units.sound[units.nearest(z[:3], 50, banned)].ravel())
    assert 1 in U.Units(z, dataset, cfg).sound[U.Units(z, dataset, cfg).nearest(z[:3], len(z) - 50, [0])]


def test_magnitudes_of_stretches_are_silent_past_a_sounds_end(z, dataset, cfg):
    units = U.Units(z, dataset, cfg)
    last = int(dataset.n_frames[0]) - 1
    x = units.magnitudes([4, last], 5)
    assert np.array_equal(x[:5], dataset.frames[4:9].astype(np.float32)) and np.array_equal(x[5], dataset.frames[last].astype(np.float32))
    assert not x[6:].any() and x.shape == (10, dataset.frames.shape[1])


def test_audio_is_that_of_the_catalog_and_the_cache_is_bounded(table):
    audio = U.AudioCache(table, limit=1)
    for sound in (0, 4, 0):
        assert np.array_equal(audio(sound), catalog.audio(table.iloc[sound])[0])
        assert len(audio.kept) == 1 and audio.size == audio(sound).nbytes
    roomy = U.AudioCache(table)
    assert roomy(1) is roomy(1)


def test_a_missing_or_changed_file_is_told(tone, tmp_path):
    file = tone(tmp_path / "a.wav")
    known = U.pooch.file_hash(str(file))
    rows = pd.DataFrame({"sound_id": ["x/a.wav"], "path": [str(file)], "checksum": [known]})
    assert len(U.AudioCache(rows)(0)) == 2205
    with pytest.raises(U.SourceChanged, match="found another one at"):
        U.AudioCache(rows.assign(checksum="0" * 64))(0)
    file.unlink()
    with pytest.raises(U.SourceChanged, match="expected the source of x/a.wav"):
        U.AudioCache(rows)(0)
