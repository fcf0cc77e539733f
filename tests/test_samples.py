"""A folder as people have them: names say as much as they should, sounds are there, and so is what lies about."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from dml_lib import paths, samples
from dml_lib.sounds import labels

NOTES = pd.DataFrame({
    "sound_id": [f"made/{i}" for i in range(24)], "instrument": ["trumpet", "alto-sax", "recorder", "piano"] * 6,
    "note_number": np.repeat([58, 60, 69], 8), "dynamics": ["f", "p"] * 12,
})


def test_names_say_as_much_as_they_are_meant_to():
    named = samples.name_sounds(NOTES, seed=1)
    assert set(named["naming"].value_counts()) == {4} and set(named["naming"]) == set(samples.NAMINGS)
    assert named.equals(samples.name_sounds(NOTES, seed=1)) and not named.equals(samples.name_sounds(NOTES, seed=2))
    assert named["messy"].is_unique and (named["messy"].str.endswith(".wav")).all()
    for (_, sound), name in zip(NOTES.iterrows(), named.itertuples()):
        said, tidy = labels.parse_name(name.messy), labels.parse_name(name.clean)
        assert (tidy.instrument, tidy.note_number) == (sound["instrument"], sound["note_number"])
        knows = (said.instrument == sound["instrument"]) + (said.note_number == sound["note_number"])
        if name.naming == "clean":
            assert knows == 2 and name.messy.endswith(name.clean)
        elif name.naming == "respelled":
            assert said.note_number == sound["note_number"]
        elif name.naming == "octave":
            assert said.instrument == sound["instrument"] and said.note_number == sound["note_number"] - 12
        elif name.naming == "half":
            assert knows == 1 or (sound["instrument"] == "recorder" and said == labels.Labels())  # a word that needs a note beside it
        elif name.naming == "nothing":
            assert said == labels.Labels()


def test_a_recording_keeps_its_name_and_its_bytes(tmp_path, tone):
    file = tone(tmp_path / "in" / "cello_A4_1_forte_arco-normal.wav")
    table = pd.DataFrame({"instrument": ["cello"], "note_number": [69], "path": [str(file)]})
    named = samples.name_sounds(table)
    assert named["clean"].tolist() == [file.name]
    written = samples.write(table, ["deep/x.wav"], tmp_path / "out")
    assert written == [str(tmp_path / "out" / "deep" / "x.wav")] and (tmp_path / "out" / "deep" / "x.wav").read_bytes() == file.read_bytes()


def test_a_folder_as_people_have_them(tmp_path, tone, monkeypatch):
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    run = paths.Run("fast")
    table = pd.DataFrame({
        "sound_id": ["a", "b"], "instrument": "flute", "note_number": [69, 71], "path": [str(tone(tmp_path / f"{n}.wav", n)) for n in (440, 494)],
    })
    samples.make_folder(table, run, "mine")
    (run.samples / "mine" / "of an earlier run.wav").touch()
    made = samples.make_folder(table, run, "mine")
    there = {str(p.relative_to(run.samples / "mine")) for p in (run.samples / "mine").rglob("*.wav")}
    name = made["messy"].iloc[0].rpartition("/")[2]
    assert there == {*made["messy"], "broken.wav", "nothing recorded.wav", "softer.wav", f"Kopie von {name}"}
    loud, soft = (soundfile.read(file)[0] for file in (made["file"].iloc[1], run.samples / "mine" / "softer.wav"))
    assert np.abs(loud).max() / np.abs(soft).max() == pytest.approx(10 ** (12 / 20), rel=0.02)
