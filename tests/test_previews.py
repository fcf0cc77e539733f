"""Previews: MP3 of the right pitch and length, under names that say nothing, made once."""

import io

import numpy as np
import pandas as pd
import pytest
import soundfile

from dml_lib import previews
from dml_lib.sounds.decode import DecodeError

SR = 44_100
TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(SR) / SR)).astype(np.float32)
TABLE = pd.DataFrame({"sound_id": [f"s{i}" for i in range(5)], "checksum": "c", "seconds": [0.2, 0.4, 9.0, 0.3, 0.5]})


def audio(row):
    if row["sound_id"] == "s3":
        raise DecodeError("silent")
    return np.resize(TONE, round(row["seconds"] * SR)), SR


def test_mp3_keeps_pitch_and_level():
    y, sr = soundfile.read(io.BytesIO(previews.mp3(TONE, SR)))
    peak_hz = np.abs(np.fft.rfft(y)).argmax() * sr / len(y)
    assert sr == SR and abs(peak_hz - 440) < 2 and abs(np.abs(y[5000:-5000]).max() - 0.5) < 0.03


def test_loud_sound_is_scaled_not_clipped():
    y, _ = soundfile.read(io.BytesIO(previews.mp3(8 * TONE, SR)))
    spectrum = np.abs(np.fft.rfft(y[: SR // 2]))
    harmonics = spectrum[3 * 220 - 5:3 * 220 + 5].max()  # a clipped sine has a strong third harmonic
    assert np.abs(y).max() < 1.05 and harmonics < 0.01 * spectrum.max()


@pytest.mark.parametrize("bad", [np.zeros(0), np.zeros((2, 2)), np.array([0.0, np.nan])])
def test_what_is_no_sound_is_refused(bad):
    with pytest.raises(ValueError, match="expected finite mono samples"):
        previews.mp3(bad, SR)


@pytest.mark.parametrize("n", [1, 7, previews.WAVE, 1000])
def test_waveform_is_the_peak_of_each_stretch(n):
    y = np.random.default_rng(0).normal(size=n)
    wave = previews.waveform(y)
    assert wave.shape == (previews.WAVE,) and wave.dtype == np.uint8 and wave.max() == 255
    if n == 1000:
        edges = [k * n // previews.WAVE for k in range(previews.WAVE + 1)]
        slow = [np.abs(y[a:b]).max() for a, b in zip(edges, edges[1:])]
        assert np.array_equal(wave, np.rint(255 * np.array(slow) / max(slow)).astype(np.uint8))


def test_silence_has_a_flat_waveform_and_a_black_thumbnail():
    assert not previews.waveform(np.zeros(400)).any() and not previews.thumbnail(np.zeros((4, 192)), 50.0).any()


def test_thumbnail_keeps_time_and_the_loudest_bin_of_each_row():
    picture = np.zeros((6, 192))
    picture[2, 101] = 1.0
    z = previews.thumbnail(picture, 50.0)
    assert z.shape == (6, previews.BINS) and z[2, 101 // 4] == 255 and np.count_nonzero(z) == 1


def test_write_makes_previews_of_at_most_five_seconds_and_says_how_large_first(tmp_path):
    said = []
    keys, waves, size = previews.write(tmp_path, TABLE, audio, progress=False, say=said.append)
    assert keys[3] == "" and waves[3] is None and all(len(key) == 16 for key in keys if key)
    seconds = [soundfile.info(tmp_path / f"{key}.mp3").duration for key in keys if key]
    assert np.allclose(seconds, [0.2, 0.4, 5.0, 0.5], atol=0.1)
    assert size == sum(f.stat().st_size for f in tmp_path.iterdir()) and "5 of at most 5 s, about 0." in said[0]


def test_a_second_run_makes_only_what_is_new_and_sweeps_only_its_own(tmp_path):
    keys, waves, _ = previews.write(tmp_path, TABLE, audio, progress=False, say=str)
    (tmp_path / "mine.mp3").write_bytes(b"kept")
    made = []
    again = pd.concat([TABLE.iloc[[4, 0]], pd.DataFrame({"sound_id": ["new"], "checksum": "c", "seconds": [0.1]})])
    keys_2, waves_2, _ = previews.write(tmp_path, again, lambda row: made.append(row["sound_id"]) or audio(row), progress=False, say=str)
    assert made == ["new"] and keys_2[:2] == [keys[4], keys[0]]
    assert np.abs(waves_2[0].astype(int) - waves[4]).mean() < 12  # read back from the MP3
    assert {f.stem for f in tmp_path.iterdir()} == {*keys_2, "mine"}


def test_without_checksum_nothing_is_taken_for_known(tmp_path):
    table, made = TABLE.drop(columns="checksum").iloc[:2], []
    for _ in range(2):
        previews.write(tmp_path, table, lambda row: made.append(1) or audio(row), progress=False, say=str)
    assert len(made) == 4
