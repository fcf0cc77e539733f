"""Sounds to measure with: the reader's own where they are found, rendered ones else, and no two files alike."""

import numpy as np
import soundfile

from dml_lib import benchmark, specimens


def test_recorded_files_are_used_and_bad_ones_are_not(tmp_path, monkeypatch):
    time_s = np.arange(44100) / 44100
    for folder, name in (("philharmonia/flute", "a.mp3"), ("generaluser_gs", "b.flac")):
        (tmp_path / folder).mkdir(parents=True)
        soundfile.write(tmp_path / folder / name, 0.5 * np.sin(2 * np.pi * 440 * time_s), 44100)
    (tmp_path / "philharmonia" / "c.mp3").write_text("not a sound")
    monkeypatch.setenv("DML_DATA", str(tmp_path))
    sounds, origin = specimens.sounds(64, 2, 16_000)
    assert sounds.shape == (2, 32000) and origin.startswith("recorded")
    assert np.abs(sounds[:, :15000]).max() > 0.4 and not sounds[:, 17000:].any()
    assert benchmark.decode()["decode_files"] == "2 recorded (philharmonia)"


def test_a_folder_without_usable_sounds_falls_back(tmp_path, monkeypatch):
    (tmp_path / "philharmonia").mkdir()
    (tmp_path / "philharmonia" / "c.mp3").write_text("not a sound")
    monkeypatch.setenv("DML_DATA", str(tmp_path))
    assert specimens.sounds(2, 2, 16_000)[1] == "rendered (timgm6mb)"


def test_rendered_files_are_written_and_no_two_are_the_same(tmp_path, monkeypatch):
    monkeypatch.delenv("DML_DATA", raising=False)
    monkeypatch.setattr(specimens, "_rendered", lambda n: [np.sin(np.arange(2_000) / 20)])
    files, origin = specimens.recordings(5, tmp_path, ".wav")
    assert origin == "5 rendered (timgm6mb)" and len({file.read_bytes() for file in files}) == 5
