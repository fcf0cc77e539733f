"""Folders and manifests to tables of sounds: fixtures in the published layouts, and every hostile thing in a folder."""

import hashlib
import io
import json
import os

import numpy as np
import pandas as pd
import pytest
import soundfile

from dml_lib import paths
from dml_lib.sounds import catalog, decode, files, soundfont

COLUMNS = """sound_id library source_family instrument note_number dynamics articulation velocity kind path checksum
    seconds reason""".split()
TINYSOL = """Path,Fold,Family,Instrument (abbr.),Instrument (in full),Technique (abbr.),Technique (in full),Pitch,\
Pitch ID,Dynamics,Dynamics ID,Instance ID,String ID (if applicable),Needed digital retuning
Brass/Bass_Tuba/ordinario/BTb-ord-F#1-pp-N-N.wav,2,Brass,BTb,Bass Tuba,ord,ordinario,F#1,30,pp,0,0,,FALSE
Brass/Horn/ordinario/Hn-ord-A#1-mf-N-T15d.wav,0,Brass,Hn,French Horn,ord,ordinario,A#1,34,mf,2,0,,TRUE
Winds/Clarinet_Bb/ordinario/ClBb-ord-D3-ff-N-N.wav,1,Winds,ClBb,Clarinet in B-flat,ord,ordinario,D3,50,ff,4,0,,FALSE
Strings/Contrabass/ordinario/Cb-ord-E1-pp-4c-N.wav,1,Strings,Cb,Contrabass,ord,ordinario,E1,28,pp,0,0,4,FALSE
Keyboards/Accordion/ordinario/Acc-ord-C4-mf-N-N.wav,1,Keyboards,Acc,Accordion,ord,ordinario,C4,60,mf,2,0,,FALSE
"""  # header and forms of the published file


def write(path, freq=440.0):
    """A short tone of its own, so that each file has its own checksum."""
    path.parent.mkdir(parents=True, exist_ok=True)
    y = 0.5 * np.sin(2 * np.pi * freq * np.arange(160) / 16_000)
    buffer = io.BytesIO()  # libsndfile would take the format from odd names
    soundfile.write(buffer, y, 16_000, format="FLAC" if path.suffix == ".flac" else "WAV")
    path.write_bytes(buffer.getvalue())
    return path


def said(table):
    """The labels of each row, with None for what is missing."""
    labels = table[["instrument", "note_number", "dynamics", "articulation", "kind"]]
    return [tuple(None if pd.isna(value) else value for value in row) for row in labels.itertuples(index=False)]


def manifest(folder, text, name="list.csv"):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_folder_becomes_a_table(tmp_path):
    names = ["b/violin_A4_05_forte_arco-normal.wav", "b/flute_C5_025_pianissimo_normal.flac", "a/mystery.WAV",
             "b/guitar_E4_phrase_forte_normal.wav", "snare-drum__025_forte_with-snares.wav",
             "deep/er/Cello/cello Bb2.flac"]
    for i, name in enumerate(names):
        write(tmp_path / "root" / name, 200 + i)
    (tmp_path / "root" / "README.txt").write_text("no sound")
    table = files.folder_table(tmp_path / "root", "mine", "ours")
    assert list(table) == COLUMNS
    order = [names[i] for i in (2, 1, 3, 0, 5, 4)]
    assert table["sound_id"].tolist() == [f"mine/{name}" for name in order]
    assert table["path"].tolist() == [str(tmp_path / "root" / name) for name in order]
    assert said(table) == [
        (None, None, None, None, "note"),
        ("flute", 72, "pp", "normal", "note"),
        ("guitar", 64, "f", "normal", "phrase"),
        ("violin", 69, "f", "normal", "note"),
        ("cello", 46, None, None, "note"),
        ("snare-drum", None, "f", "with-snares", "percussion"),
    ]
    assert set(table["library"]) == {"mine"} and set(table["source_family"]) == {"ours"}
    assert set(table["reason"]) == {""}
    assert table["note_number"].dtype == table["velocity"].dtype == "Int64" and table["seconds"].dtype == np.float64
    assert table["velocity"].isna().all() and table["seconds"].isna().all()
    for path, checksum in zip(table["path"], table["checksum"]):
        with open(path, "rb") as file:
            assert checksum == hashlib.sha256(file.read()).hexdigest()


def test_a_folder_gives_the_same_table_from_anywhere(tmp_path, monkeypatch):
    write(tmp_path / "trumpet" / "violin" / "A4.wav")
    write(tmp_path / "trumpet" / "mine" / "A4.wav")
    monkeypatch.chdir(tmp_path / "trumpet")
    for name, instrument in (("violin", "violin"), ("mine", None)):  # its own name counts, the folder above does not
        absolute = files.folder_table(tmp_path / "trumpet" / name, "x", "x")
        assert files.folder_table(name, "x", "x").equals(absolute)
        assert said(absolute) == [(instrument, 69, None, None, "note")]


def test_the_table_joins_rendered_ones_and_survives_parquet(tmp_path):
    write(tmp_path / "sounds" / "flute C5.wav")
    write(tmp_path / "sounds" / "unknown.wav", 300)
    table = files.folder_table(tmp_path / "sounds", "x", "x")
    joined = pd.concat([soundfont.recipes("timgm6mb", 1).assign(kind="note"), table], ignore_index=True)
    assert len(joined) == 26 and joined["path"].notna().sum() == 2 and joined["velocity"].notna().sum() == 24
    joined.to_parquet(tmp_path / "table.parquet")
    assert said(pd.read_parquet(tmp_path / "table.parquet").tail(2)) == said(table)


def test_an_empty_folder_is_an_empty_table(tmp_path):
    table = files.folder_table(tmp_path, "x", "x")
    assert list(table) == COLUMNS and len(table) == 0 and table["note_number"].dtype == "Int64"


def test_a_missing_folder_and_a_file_in_its_place(tmp_path):
    for place in (tmp_path / "absent", write(tmp_path / "a.wav")):
        with pytest.raises(ValueError, match="expected a folder, found none at .*: check the name"):
            files.folder_table(place, "x", "x")


def test_hidden_files_are_passed_over(tmp_path):
    for name in (".hidden.wav", ".folder/a.wav", "__MACOSX/._b.wav", "seen.wav"):
        write(tmp_path / name)
    assert files.folder_table(tmp_path, "x", "x")["sound_id"].tolist() == ["x/seen.wav"]


@pytest.mark.parametrize("name", [
    "flute C5 \n new line.wav", "flute C5 ' \" ; $(true) `x`.wav", "flute C5 ♯ 音 é e\u0303 \u202e.wav",
    "-rf flute C5.wav",
    "flute C5 % {0} \\ *?.wav", "flute C5 " + "x" * 240 + ".wav", "flute C5 .. .wav",
])
def test_hostile_names_keep_their_labels(tmp_path, name):
    write(tmp_path / name)
    table = files.folder_table(tmp_path, "x", "x")
    assert table["sound_id"].tolist() == [f"x/{name}"] and table["reason"].tolist() == [""]
    assert said(table) == [("flute", 72, None, None, "note")]
    assert decode.decode(table["path"][0], 16_000)[0].shape == (160,)
    table.to_parquet(tmp_path / "table.parquet")


def test_a_name_that_is_not_utf8_gets_a_reason(tmp_path):
    raw = os.fsencode(tmp_path) + b"/flute C5 \xff\xfe.wav"
    try:
        with open(raw, "wb") as file:
            file.write(b"RIFF")
    except OSError:
        pytest.skip("this file system refuses names that are not UTF-8")
    table = files.folder_table(tmp_path, "x", "x")
    assert table["sound_id"].tolist() == [r"x/flute C5 \xff\xfe.wav"] and table["checksum"].tolist() == [""]
    assert table["reason"].tolist() == ["a name that is not UTF-8: rename it"] and said(table)[0][:2] == ("flute", 72)
    table.to_parquet(tmp_path / "table.parquet")


def test_links_out_of_the_folder_and_loops(tmp_path):
    root, other = tmp_path / "root", tmp_path / "root-of-another"  # the second begins with the name of the first
    write(root / "real.wav")
    write(other / "secret.wav", 300)
    (root / "inside.wav").symlink_to("real.wav")
    (root / "out.wav").symlink_to(other / "secret.wav")
    (root / "up.wav").symlink_to("../root-of-another/secret.wav")
    (root / "dangling.wav").symlink_to("absent.wav")
    (root / "loop.wav").symlink_to("loop.wav")
    (root / "others").symlink_to(other)
    (root / "self").symlink_to(".")
    table = files.folder_table(root, "x", "x").set_index("sound_id")
    assert table.index.tolist() == [f"x/{name}" for name in ("dangling.wav", "inside.wav", "loop.wav", "others", "out.wav", "real.wav", "self", "up.wav")]
    assert table.loc["x/others", "reason"] == table.loc["x/self", "reason"] == "folder: a link, not followed"
    assert table.loc["x/out.wav", "reason"] == table.loc["x/up.wav", "reason"] == "link out of the folder"
    assert table.loc["x/dangling.wav", "reason"] == "link to a missing file: No such file or directory"
    assert "symbolic links" in table.loc["x/loop.wav", "reason"]
    assert table.loc["x/inside.wav", "checksum"] == table.loc["x/real.wav", "checksum"] != ""
    assert (table.loc[table["reason"] != "", "checksum"] == "").all()
    assert hashlib.sha256((other / "secret.wav").read_bytes()).hexdigest() not in set(table["checksum"])


def test_a_folder_reached_by_a_link_is_read(tmp_path):
    write(tmp_path / "far" / "a.wav")
    (tmp_path / "near").symlink_to("far")
    table = files.folder_table(tmp_path / "near", "x", "x")
    assert table["path"].tolist() == [str(tmp_path / "near" / "a.wav")] and table["reason"].tolist() == [""]


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    assert files.folder_table(tmp_path, "x", "x")["reason"].tolist() == ["not a regular file"]


def test_what_may_not_be_read_gets_a_reason(tmp_path):
    for folder in (tmp_path, *tmp_path.parents[:2]):  # another user must get to them
        folder.chmod(0o755)
    write(tmp_path / "open.wav")
    write(tmp_path / "shut.wav").chmod(0)
    write(tmp_path / "closed" / "inner.wav")
    (tmp_path / "closed").chmod(0)
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)
    try:
        table = files.folder_table(tmp_path, "x", "x").set_index("sound_id")
    finally:
        if was_root:
            os.seteuid(0)
        (tmp_path / "closed").chmod(0o755)
    assert table["reason"].to_dict() == {
        "x/closed": "folder: Permission denied", "x/open.wav": "", "x/shut.wav": "Permission denied"}


def test_a_manifest_with_all_columns(tmp_path):
    sounds = tmp_path / "sounds"
    for i, name in enumerate("abcdefgh"):
        write(sounds / f"{name}.wav", 200 + i)
    path = manifest(sounds, (
        "Path , Instrument,note_number,Dynamics,articulation,kind,remark\n"
        "a.wav,Violoncello,57,forte,pizz,,\n"
        " b.wav ,Horn in F,Bb3,mezzo-piano,ordinario,note,\"with, comma\"\n"
        "./c.wav,kazoo,H4,loud,whistled,,\n"
        "d.wav,,,,,,\n"
        "e.wav,snare,38,ff,,,\n"
        "f.wav,vln.,61.0,piano,arco/tremolo,phrase,\n"
        "g.wav,piano,128,pp,staccato,choir,\n"
        "h.wav,flute/oboe,60,,,,\n"
        ",,,,,,\n\n"
    ))
    table = files.manifest_table(path)
    assert list(table) == COLUMNS and table["sound_id"].tolist() == [f"list/{name}.wav" for name in "abcdefgh"]
    assert set(table["library"]) == set(table["source_family"]) == {"list"} and set(table["reason"]) == {""}
    assert said(table) == [
        ("cello", 57, "f", "pizzicato", "note"),
        ("french-horn", 58, "mp", "normal", "note"),
        ("kazoo", None, None, None, "note"),
        (None, None, None, None, "note"),
        ("snare-drum", None, "ff", None, "percussion"),
        ("violin", 61, "p", "tremolo", "phrase"),
        ("piano", None, "pp", "staccato", "note"),
        (None, 60, None, None, "note"),
    ]
    assert table["checksum"].tolist() == files.folder_table(sounds, "x", "x")["checksum"].tolist()
    named = files.manifest_table(path, "mine", "ours")
    assert named["sound_id"][0] == "mine/a.wav" and set(named["source_family"]) == {"ours"}
    assert set(files.manifest_table(path, "mine")["source_family"]) == {"mine"}


@pytest.mark.parametrize("column, cells", [
    ("midi", ["69", "60"]), ("note", ["A4", "C4"]), ("note_number", ["A4", "60"])])
def test_notes_by_any_column(tmp_path, column, cells):
    path = manifest(tmp_path, f"path,{column}\na.wav,{cells[0]}\nb.wav,{cells[1]}\n")
    assert files.manifest_table(path)["note_number"].tolist() == [69, 60]


def test_what_has_no_column_comes_from_the_name(tmp_path):
    path = manifest(
        tmp_path, "path,dynamics\nviolin_A4_05_forte_arco-normal.wav,pp\nsnare-drum__025_forte_with-snares.wav,\n")
    table = files.manifest_table(path)
    assert said(table)[0] == ("violin", 69, "pp", "normal", "note")
    assert said(table)[1] == ("snare-drum", None, None, "with-snares", "percussion")
    assert table["reason"].tolist() == ["No such file or directory"] * 2 and table["checksum"].tolist() == ["", ""]


def test_a_phrase_by_its_name_stays_one(tmp_path):
    path = manifest(tmp_path, "path,instrument\ncello_A3_phrase_forte_arco-normal.wav,viola\n")
    assert said(files.manifest_table(path)) == [("viola", 57, "f", "normal", "phrase")]


def test_a_manifest_may_point_elsewhere(tmp_path):
    sound = write(tmp_path / "far" / "a.wav")
    (tmp_path / "lists").mkdir()
    path = manifest(tmp_path / "lists", f"path\n../far/a.wav\n{sound}\n../lists\n")
    table = files.manifest_table(path, "x")
    assert table["sound_id"].tolist() == ["x/../far/a.wav", f"x/{sound}", "x/../lists"]
    assert table["path"].tolist() == [str(sound), str(sound), str(tmp_path / "lists")]
    assert table["reason"].tolist() == ["", "", "not a regular file"]


@pytest.mark.parametrize("text, words", [
    ("file,instrument\na.wav,flute\n", r"expected a column 'path', found file, instrument: rename one"),
    ("", "expected a column 'path', found none"),
    ("path,note\na.wav,A4\n,B4\n", "expected a path in each row, each path once, found '' in .*'note': 'B4'"),
    ("path\na.wav\n./a.wav\n", "each path once, found 'a.wav'"),
    ("path\n" + "x" * 200_000 + "\n", "expected a CSV table in UTF-8, found field larger than field limit"),
])
def test_a_bad_manifest_says_what_to_do(tmp_path, text, words):
    with pytest.raises(ValueError, match=words) as caught:
        files.manifest_table(manifest(tmp_path, text))
    assert str(tmp_path / "list.csv") in str(caught.value)


def test_a_manifest_that_is_no_text_or_absent(tmp_path):
    (tmp_path / "list.csv").write_bytes(b"path\n\xff\xfe\n")
    for place in (tmp_path / "list.csv", tmp_path / "absent.csv", tmp_path):
        with pytest.raises(ValueError, match="expected a CSV table in UTF-8, found .*: save it as CSV"):
            files.manifest_table(place)


def test_a_manifest_with_a_byte_order_mark_and_windows_lines(tmp_path):
    (tmp_path / "list.csv").write_bytes("\ufeffpath,instrument\r\na.wav,Fagott\r\n".encode())
    assert said(files.manifest_table(tmp_path / "list.csv")) == [("bassoon", None, None, None, "note")]


@pytest.mark.parametrize("sounds, lists", [("", ""), ("audio", "annotation"), ("TinySOL", "")])
def test_tinysol_in_the_published_layout(tmp_path, sounds, lists):
    lines = TINYSOL.splitlines()[1:]
    for i, line in enumerate(lines[:-1]):  # the last sound is missing
        write(tmp_path / sounds / line.split(",")[0], 200 + i)
    (tmp_path / lists).mkdir(exist_ok=True)
    manifest(tmp_path / lists, TINYSOL, "TinySOL_metadata.csv")
    table = files.tinysol_table(tmp_path)
    assert table["sound_id"].tolist() == ["tinysol/" + line.split(",")[0] for line in lines]
    assert said(table) == [
        ("tuba", 30, "pp", "normal", "note"),
        ("french-horn", 34, "mf", "normal", "note"),
        ("clarinet", 50, "ff", "normal", "note"),
        ("double-bass", 28, "pp", "normal", "note"),
        ("accordion", 60, "mf", "normal", "note"),
    ]
    assert table["reason"].tolist() == [""] * 4 + ["No such file or directory"]
    assert table["checksum"].nunique() == 5 and set(table["source_family"]) == {"tinysol"}


def test_tinysol_without_its_metadata(tmp_path):
    with pytest.raises(ValueError, match="expected the published file TinySOL_metadata.csv, found none in"):
        files.tinysol_table(tmp_path)


def nsynth_note(family, source, pitch):
    """The entries of one note in the published file that are read, and some that are not."""
    return {"instrument_family_str": family, "instrument_source_str": source, "pitch": pitch, "velocity": 127,
            "sample_rate": 16000, "instrument_str": f"{family}_{source}_000", "qualities_str": ["bright"], "note": 1}


def test_nsynth_in_the_published_layout(tmp_path):
    parts = {
        "nsynth-test": [("flute", "acoustic", 72), ("bass", "synthetic", 33)],
        "nsynth-valid": [("guitar", "acoustic", 64), ("mallet", "acoustic", 21), ("synth_lead", "synthetic", 60)],
    }
    for part, notes in parts.items():
        named = {f"{family}_{source}_000-{pitch:03d}-127": nsynth_note(family, source, pitch)
                 for family, source, pitch in notes}
        for name, note in named.items():
            write(tmp_path / part / "audio" / f"{name}.wav", note["pitch"])
        (tmp_path / part / "examples.json").write_text(json.dumps(named))
    table = files.nsynth_table(tmp_path)
    assert table["sound_id"].tolist()[:2] == [
        "nsynth/nsynth-test/audio/bass_synthetic_000-033-127.wav",
        "nsynth/nsynth-test/audio/flute_acoustic_000-072-127.wav"]
    assert said(table) == [
        (None, 33, None, None, "note"), ("flute", 72, None, None, "note"), ("acoustic-guitar", 64, None, None, "note"),
        (None, 21, None, None, "note"), (None, 60, None, None, "note")]
    assert set(table["reason"]) == {""} and table["checksum"].nunique() == 5
    alone = files.nsynth_table(tmp_path / "nsynth-test")
    assert alone["sound_id"][0] == "nsynth/audio/bass_synthetic_000-033-127.wav"
    assert alone["checksum"].tolist() == table["checksum"].tolist()[:2]


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}', '{"a": {"pitch": 60}}', "\x00"])
def test_a_damaged_nsynth_table(tmp_path, text):
    (tmp_path / "examples.json").write_text(text)
    with pytest.raises(ValueError, match="examples.json: expected NSynth's table of notes, found .*: unpack it again"):
        files.nsynth_table(tmp_path)


def test_nsynth_without_its_metadata(tmp_path):
    with pytest.raises(ValueError, match="expected the published file examples.json"):
        files.nsynth_table(tmp_path)


@pytest.mark.parametrize("name, count, notes, kinds", [
    ("philharmonia", 3921, 3540, {"note": 3540, "phrase": 267, "percussion": 114}),
    ("generaluser_gs", 284, 284, {"note": 284})])
def test_real_folders(name, count, notes, kinds):
    if not (paths.user_data() and (paths.user_data() / name).is_dir()):
        pytest.skip(f"no real sounds here: set DML_DATA to a folder that holds {name}")
    table = catalog.recordings(name)
    labeled = (table["kind"] == "note") & table["instrument"].notna() & table["note_number"].notna()
    assert (len(table), labeled.sum(), table["kind"].value_counts().to_dict()) == (count, notes, kinds)
    assert (table["reason"] == "").all() and (table["checksum"].str.len() == 64).all() and table["sound_id"].is_unique
    y, sr = catalog.audio(table.iloc[0])
    assert sr == 44_100 and y.dtype == np.float32 and len(y) > 4_000
