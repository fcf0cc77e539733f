"""The table of sounds of a run, and the audio of its rows."""

import numpy as np
import pandas as pd
import pytest

from dml_lib import paths
from dml_lib.config import Config
from dml_lib.sounds import catalog, decode, files, soundfont, sources

FLUID = "FluidR3_GM.sf2"


def test_table_joins_recipes_and_source():
    cfg = Config(sounds_per_instrument=3, note_step=2, seed=4)
    table = catalog.table(cfg)
    recipes = soundfont.recipes("timgm6mb", 3, 2, 4)
    assert list(table) == [*recipes, "source_family", "checksum"]
    assert table[list(recipes)].equals(recipes)
    assert set(table["source_family"]) == {"timgm"}
    assert table["checksum"].nunique() == 1 and len(table["checksum"][0]) == 64


def test_sources_share_the_sounds_of_an_instrument(bare):
    (bare / "data").mkdir()
    (bare / "data" / FLUID).write_bytes(b"not read by table")
    table = catalog.table(Config(sources=("timgm6mb", "fluidr3"), sounds_per_instrument=6))
    assert (table.groupby(["library", "instrument"]).size() == 3).all()
    assert set(zip(table["library"], table["source_family"])) == {("timgm6mb", "timgm"), ("fluidr3", "fluid")}
    assert table["checksum"].nunique() == 2 and table["sound_id"].is_unique


def test_table_with_a_missing_source(bare):
    with pytest.raises(sources.SourceMissing, match="'fluidr3'.*is not on this machine"):
        catalog.table(Config(sources=("timgm6mb", "fluidr3"), sounds_per_instrument=2))


def test_recordings_are_read_in_their_layouts(bare, tone):
    tone(paths.DATA / "philharmonia" / "french horn" / "french-horn_A4_1_forte_normal.wav")
    tone(paths.DATA / "tinysol" / "audio" / "Winds" / "Fl-ord-C4-mf-N-N.wav")
    (paths.DATA / "tinysol" / "TinySOL_metadata.csv").write_text(
        "Path,Instrument (in full),Technique (in full),Pitch ID,Dynamics\n"
        "Winds/Fl-ord-C4-mf-N-N.wav,Flute,ordinario,60,mf\n")
    tone(paths.DATA / "nsynth" / "nsynth-test" / "audio" / "organ_electronic_001-050-075.wav")
    (paths.DATA / "nsynth" / "nsynth-test" / "examples.json").write_text(
        '{"organ_electronic_001-050-075": '
        '{"instrument_family_str": "organ", "instrument_source_str": "electronic", "pitch": 50}}')
    found = {name: catalog.recordings(name) for name in ("philharmonia", "tinysol", "nsynth")}
    for name, table in found.items():
        assert list(table) == files.COLUMNS and table["reason"].tolist() == [""]
        assert set(table["library"]) == set(table["source_family"]) == {name} and sources.kind(name) == "recordings"
    labels = [(table["instrument"][0], table["note_number"][0]) for table in found.values()]
    assert labels == [("french-horn", 69), ("flute", 60), ("organ", 50)]


def test_recordings_among_the_sources_teach_beside_the_banks(bare, tone):
    folder = paths.DATA / "philharmonia"
    for name in ("flute_A4_1_forte_normal.wav", "flute_phrase_forte_trills.wav"):
        tone(folder / "flute" / name)
    banks = catalog.table(Config(sounds_per_instrument=3))
    both = catalog.table(Config(sources=("timgm6mb", "philharmonia"), sounds_per_instrument=3))
    taught = both[both["library"] == "philharmonia"]
    assert len(both) == len(banks) + 1 and taught["note_number"].tolist() == [69]  # a phrase is no note
    assert both[both["library"] == "timgm6mb"]["sound_id"].tolist() == banks["sound_id"].tolist()


def test_what_is_no_recording_is_refused(bare):
    with pytest.raises(sources.SourceMissing, match="recordings of 'timgm6mb', found the soundfont .*TimGM6mb.sf2"):
        catalog.recordings("timgm6mb")
    (paths.DATA / "vsl_cqts").mkdir(parents=True)
    np.savez(paths.DATA / "vsl_cqts" / "klb_48_0a1b.npz", cqt=np.ones((1, 2, 192)))
    with pytest.raises(sources.SourceMissing, match="expected recordings of 'vsl_cqts', found the features"):
        catalog.recordings("vsl_cqts")
    with pytest.raises(ValueError, match="unknown source 'tinysoul'.*Did you mean 'tinysol'"):
        catalog.recordings("tinysoul")


def test_audio_renders_a_row():
    row = catalog.table(Config(sounds_per_instrument=1)).iloc[0]
    y, sr = catalog.audio(row)
    assert sr == 44_100 and y.ndim == 1 and len(y) == round(row["seconds"] * sr)
    assert (y == soundfont.render_row(sources.soundfont_file("timgm6mb"), row)).all()
    unrecorded = catalog.audio(row.to_dict() | {"path": np.nan})  # as in a table joined to one of files
    assert (unrecorded[0] == y).all()


def test_audio_decodes_a_file(tmp_path, tone):
    tone(tmp_path / "flute C5.wav")
    (tmp_path / "text.wav").write_text("no sound")
    table = files.folder_table(tmp_path, "x", "x")
    y, sr = catalog.audio(table.iloc[0])
    assert sr == 44_100 and y.dtype == np.float32 and len(y) == round(800 * 44_100 / 16_000)
    assert np.abs(y[300:-300]).max() == pytest.approx(0.5, abs=0.01)
    with pytest.raises(decode.DecodeError, match="damaged or not audio"):
        catalog.audio(table.iloc[1])


def test_author_features_are_read_where_they_are(tmp_path, monkeypatch):
    monkeypatch.setenv("DML_DATA", str(tmp_path))
    assert catalog.author_features("klb") is None
    cqt = np.random.default_rng(0).random((1, 7, 192))
    (tmp_path / "vsl_cqts").mkdir()
    np.savez(tmp_path / "vsl_cqts" / "klb_48_0a1b.npz", cqt=cqt, time_points=np.arange(7) * 0.05)
    note_number, magnitudes = catalog.author_features("klb")
    assert note_number == 60
    np.testing.assert_array_equal(magnitudes, cqt[0])
    assert catalog.author_features("fl1") is None
    monkeypatch.setenv("DML_DATA", str(tmp_path / "absent"))
    assert catalog.author_features("klb") is None


def test_titles_say_what_is_known():
    table = pd.DataFrame({
        "sound_id": ["a", "b", "c", "d"], "instrument": ["trumpet", "oboe", None, None], "note_number": pd.array([74, None, 61, None], "Int64"),
        "dynamics": ["f", None, "pp", None], "articulation": ["staccato", "long", None, None],
    })
    assert catalog.titles(table) == ["trumpet D5, f staccato", "oboe, long", "C#4, pp", "d"]
    assert catalog.titles(table[["instrument"]].head(2)) == ["trumpet", "oboe"]
