"""Units become samples."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile

from dml_lib import synthesis as Y
from dml_lib.dataset import Dataset
from dml_lib.units import AudioCache, Units

SR = AudioCache.sr


def corpus(cfg, folder, sounds, n_frames=40):
    """Units and audio of sounds written as files; magnitudes follow their level, places are not used."""
    paths = []
    for i, y in enumerate(sounds):
        paths.append(str(folder / f"{i}.wav"))
        soundfile.write(paths[-1], y, SR, subtype="FLOAT")
    frames = np.concatenate([np.full((n_frames, cfg.n_bins), max(np.abs(y).max(), 1e-6)) for y in sounds]).astype(np.float16)
    n = np.full(len(sounds), n_frames)
    table = pd.DataFrame({"sound_id": paths, "path": paths})
    data = Dataset(table, frames, n)
    return Units(np.zeros((len(frames), 3)), data, cfg), AudioCache(table)


@pytest.fixture
def sines(cfg, tmp_path):
    """Two seconds each: 200 Hz, 200 Hz with another phase, 517 Hz."""
    t = np.arange(2 * SR) / SR
    return corpus(cfg, tmp_path, [0.3 * np.sin(2 * np.pi * f * t + p) for f, p in ((200, 0), (200, 2.5), (517, 0))])


def spliced(*arguments):
    return Y.splice(*arguments)[0]


def level(y):
    return np.sqrt(np.convolve(y**2, np.ones(2205) / 2205, "valid"))


def test_overlap_add_of_constant_grains_is_constant():
    y = Y.overlap_add(np.ones((7, 100), np.float32), 50)
    assert y.shape == (6 * 50 + 100,) and np.allclose(y[50:-50], 1, atol=1e-6) and y.dtype == np.float32


@pytest.mark.parametrize("first, n", [(-3, 5), (8, 5), (-20, 5), (2, 4), (30, 2)])
def test_cut_against_a_padded_copy(first, n):
    y = np.arange(1, 11, dtype=np.float32)
    assert Y.cut(y, first, n).tolist() == np.pad(y, 50)[50 + first:50 + first + n].tolist()


@pytest.mark.parametrize("likeness", [0.0, 0.4, 1.0])
def test_crossfade_keeps_power(likeness):
    out, into = Y.crossfade(500, likeness)
    assert np.allclose(out**2 + into**2 + 2 * likeness * out * into, 1, atol=1e-5) and np.allclose(out, into[::-1], atol=1e-6)
    assert out[0] > 0.999 and into[0] < 1e-3


def test_align_finds_where_the_wave_agrees():
    y = np.random.default_rng(0).normal(size=3000).astype(np.float32)
    shift, likeness = Y.align(y[1037:1537], y, 1000, 100)
    assert shift == 37 and likeness > 0.999
    assert Y.align(np.zeros(10, np.float32), y, 100, 5)[1] == 0


def test_one_sound_going_on_is_that_sound(sines):
    units, audio = sines
    y = spliced(np.array([0, 5, 10]), units, audio, SR // 2)
    edge = round(Y.EDGE_S * SR)
    assert y.shape == (SR // 2,) and y.dtype == np.float32
    assert np.allclose(y[:-edge], audio(0)[:SR // 2 - edge], atol=1e-6) and y[-1] == 0


def test_a_join_of_like_waves_cannot_be_heard(sines):
    units, audio = sines
    y = spliced(np.array([4, 40 + 9, 3 + 10]), units, audio, 3 * SR // 4)
    inner = level(y)[3000:-5000]
    assert inner.max() / inner.min() < 1.02
    assert np.abs(np.diff(y)).max() < 1.1 * 0.3 * 2 * np.pi * 200 / SR


def test_a_join_of_unlike_waves_keeps_its_level(sines):
    units, audio = sines
    inner = level(spliced(np.array([4, 80 + 9]), units, audio, SR // 2))[3000:-5000]
    assert inner.max() / inner.min() < 1.3


def test_the_crossfade_alone_without_alignment_would_be_heard(sines, monkeypatch):
    units, audio = sines
    monkeypatch.setattr(Y, "SEARCH_S", 0.0)
    inner = level(spliced(np.array([4, 40 + 9, 3 + 10]), units, audio, 3 * SR // 4))[3000:-5000]
    assert inner.max() / inner.min() > 1.1


def test_levels_meet_halfway(cfg, tmp_path):
    t = np.arange(2 * SR) / SR
    units, audio = corpus(cfg, tmp_path, [a * np.sin(2 * np.pi * 300 * t) for a in (0.2, 0.28)])
    y = level(spliced(np.array([2, 7, 40 + 12, 40 + 17]), units, audio, SR))
    middle = round((2 * 5 - 0.5) * 0.05 * SR)
    assert np.isclose(y[middle - 1100], np.sqrt(0.2 * 0.28 / 2), rtol=0.03)
    assert np.isclose(y[2000], 0.2 / np.sqrt(2), rtol=0.05) and np.isclose(y[-4000], 0.28 / np.sqrt(2), rtol=0.05)


def test_sounds_brought_to_one_level_are_played_at_one_level_and_the_whole_at_that_of_the_files(cfg, tmp_path):
    t = np.arange(2 * SR) / SR
    units, audio = corpus(cfg, tmp_path, [a * np.sin(2 * np.pi * 300 * t) for a in (0.05, 0.2)])
    data = units.dataset.leveled(2.0)
    units, audio = Units(units.z, data, cfg), AudioCache(data.table)
    assert audio.gain(np.array([1, 0])) == pytest.approx([2 / 0.2, 2 / 0.05], rel=1e-3)
    assert np.abs(audio(0)).max() == pytest.approx(np.abs(audio(1)).max(), rel=1e-3)
    y = level(spliced(np.array([2, 7, 40 + 12, 40 + 17]), units, audio, SR))
    assert np.allclose(y[[3000, -5000]], np.sqrt(0.05 * 0.2 / 2), rtol=0.03)


def test_an_attack_is_kept_and_another_start_is_faded(cfg, tmp_path):
    units, audio = corpus(cfg, tmp_path, [np.full(2 * SR, 0.5) * (-1) ** np.arange(2 * SR)])
    kept, faded = (spliced(np.array([i]), units, audio, SR // 5) for i in (0, 3))
    assert abs(kept[0]) > 0.49 and faded[0] == 0 and np.abs(faded[:50]).max() < 0.05


def test_too_loud_a_sum_is_scaled_down(cfg, tmp_path):
    units, audio = corpus(cfg, tmp_path, [1.5 * np.sin(np.arange(2 * SR) / 20)])
    assert np.isclose(np.abs(spliced(np.array([0, 5]), units, audio, SR // 2)).max(), Y.PEAK)


def test_beyond_its_end_a_sound_is_silent_and_without_a_click(sines):
    units, audio = sines
    y = spliced(np.array([35]), units, audio, SR)
    end = 2 * SR - round(35 * 0.05 * SR)
    assert not y[end:].any() and y[:end - 2000].any() and np.abs(np.diff(y)).max() < 0.01


def test_grains_play_exactly_their_units(sines):
    units, audio = sines
    y = Y.grains(np.array([20]), units, audio)
    size = round(Y.GRAIN_S * SR)
    wanted = audio(0)[SR - size // 2:SR + size // 2] * np.hanning(size + 1)[:size]
    assert np.allclose(y, wanted * Y.PEAK / np.abs(wanted).max(), atol=1e-5)
    assert len(Y.grains(np.array([20, 60, 100]), units, audio)) == 2 * size


def test_a_silent_grain_stays_silent(sines):
    units, audio = sines
    late = SimpleNamespace(sound=units.sound, frame=units.frame + 10_000, frame_s=units.frame_s)
    assert not Y.grains(np.array([0, 50]), late, audio).any()
