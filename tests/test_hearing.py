"""One file alone: its features, place and facts, and what is no sound."""

import io

import numpy as np
import pytest
import soundfile
from test_disputes import CFG, harmonic, magnitudes

from dml_lib import hearing
from dml_lib.embed import embed_frames
from dml_lib.sounds import decode
from dml_lib.weights import open_weights


def test_facts_of_a_sound_that_is_known():
    y = np.concatenate([np.zeros(8_000), np.linspace(0, 1, 4_800), np.ones(11_200)]).astype(np.float32)
    y *= 0.5 * np.sin(2 * np.pi * 440 * np.arange(len(y)) / 16_000).astype(np.float32)
    found = hearing.facts(y, magnitudes(y), CFG)
    assert found["loudness_db"] == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=1.5)
    assert found["centroid_hz"] == pytest.approx(440, rel=0.1)
    assert 0.2 <= found["attack_s"] <= 0.7 and found["note_estimate"] == pytest.approx(69, abs=0.5)
    soft = hearing.facts(y / 10, magnitudes(y / 10), CFG)
    assert soft["loudness_db"] == pytest.approx(found["loudness_db"] - 20, abs=0.1)


def test_a_file_is_heard_as_the_chapters_hear_it(tmp_path, small_weights):
    path = str(tmp_path / "a.wav")
    soundfile.write(path, harmonic(60), 16_000)
    x, z, facts, body = hearing.hear(path, str(small_weights), "", True)
    model, cfg = open_weights(small_weights)
    y = decode.decode(path)[0]
    assert np.array_equal(x, magnitudes(y).astype(np.float16)) and z.shape == (len(x), 3) and z.dtype == np.float32
    assert [facts[axis] for axis in "xyz"] == pytest.approx(np.median(z, axis=0)) and facts["seconds"] == 1 and not facts["cut"]
    assert body[:3] == b"ID3" or body[0] == 0xFF
    again = hearing.hear(path, str(small_weights), "", False)
    assert np.array_equal(again[1], z) and again[3] is None


def test_a_sound_that_begins_late_is_shown_from_there(tmp_path, small_weights):
    path, y = str(tmp_path / "late.wav"), np.concatenate([np.zeros(6 * 16_000), harmonic(60), np.zeros(16_000)])
    soundfile.write(path, y, 16_000)
    _, _, facts, body = hearing.hear(path, str(small_weights), "", True)
    shown, sr = soundfile.read(io.BytesIO(body))
    assert np.abs(shown[:sr // 4]).max() > 0.1 and len(shown) / sr == pytest.approx(2, abs=0.1) and facts["seconds"] == 8
    wave = np.frombuffer(facts["wave"], np.uint8)
    assert wave[:len(wave) // 3].min() > 0


def test_a_sound_is_not_silent_for_the_sake_of_its_preview(tmp_path, small_weights):
    path, y = str(tmp_path / "faint.flac"), np.concatenate([np.zeros(6 * 16_000), 0.004 * harmonic(60)])
    y[3 * 16_000] = 6e-6  # within 60 dB of what follows, and yet nothing
    soundfile.write(path, y, 16_000, subtype="PCM_24")
    shown, sr = soundfile.read(io.BytesIO(hearing.hear(path, str(small_weights), "", True)[3]))
    assert np.abs(shown[:sr // 4]).max() > 1e-4


def test_a_short_mp3_is_its_own_preview_and_a_long_sound_is_cut(tmp_path, small_weights, monkeypatch):
    short, long = str(tmp_path / "short.mp3"), str(tmp_path / "long.flac")
    soundfile.write(short, harmonic(60), 16_000)
    soundfile.write(long, harmonic(60, n=8 * 16_000), 16_000)
    assert hearing.hear(short, str(small_weights), "", True)[3] == (tmp_path / "short.mp3").read_bytes()
    (tmp_path / "out.mp3").write_bytes(hearing.hear(long, str(small_weights), "", True)[3])
    y, sr = soundfile.read(tmp_path / "out.mp3")
    assert sr == 44_100 and len(y) / sr == pytest.approx(5, abs=0.1) and np.abs(y[-20:]).max() < 0.02  # faded out
    monkeypatch.setattr(hearing, "MAX_SECONDS", 2.0)
    x, _, facts, _ = hearing.hear(long, str(small_weights), "", False)
    assert facts["cut"] and facts["seconds"] == 8 and len(x) == 41


def test_what_is_no_sound_is_a_reason_and_never_the_end(tmp_path, small_weights, monkeypatch):
    good, bad = tmp_path / "good.wav", tmp_path / "bad.wav"
    soundfile.write(good, harmonic(60), 16_000)
    bad.write_text("text")
    heard = hearing.hear_many([str(bad), str(tmp_path / "none.wav"), str(good)], str(small_weights), "", False)
    assert heard[0].startswith("damaged or not audio") and heard[1] == "No such file or directory" and len(heard[2]) == 4

    def surprise(*_):
        raise ZeroDivisionError("of no known kind")

    monkeypatch.setattr(hearing, "hear", surprise)
    assert hearing.hear_many(["a"], "", "", False) == ["ZeroDivisionError: of no known kind"]
