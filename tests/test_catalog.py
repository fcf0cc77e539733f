"""Named sources: found, fetched, or one sentence that says how to get them."""

import gc
import http.server
import io
import threading
import warnings
import zipfile
from dataclasses import replace
from functools import partial

import numpy as np
import pooch
import pytest
import soundfile

from dml_lib import paths
from dml_lib.config import Config
from dml_lib.sounds import catalog, decode, files, soundfont

FLUID = "FluidR3_GM.sf2"


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine with an empty data folder and no soundfonts of the system."""
    monkeypatch.setattr(paths, "DATA", tmp_path / "data")
    monkeypatch.setattr(catalog, "SYSTEM_FOLDERS", (str(tmp_path / "system"),))
    monkeypatch.delenv("DML_DATA", raising=False)
    return tmp_path


@pytest.fixture
def served(bare, monkeypatch):
    """A function (source, file name, bytes) that offers a file on a server of our own as what the source downloads."""
    (bare / "www").mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(bare / "www")))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def offer(source, name, content=None):
        if content is not None:
            (bare / "www" / name).write_bytes(content)
        url = f"http://127.0.0.1:{server.server_port}/{name}"
        monkeypatch.setitem(catalog.SOURCES, source, replace(catalog.SOURCES[source], url=url))

    yield offer
    server.shutdown()
    thread.join()
    server.server_close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # pooch leaves a connection open that ended in an error
        gc.collect()


def tone(path, freq=440.0):
    """A short sound in a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * freq * np.arange(800) / 16_000), 16_000)
    return path


def zipped(names):
    """The bytes of an archive that holds a few bytes under each name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, f"bytes of {name}")
    return buffer.getvalue()


def program(folder, name, text):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("#!/bin/sh\n" + text)
    (folder / name).chmod(0o755)


def test_timgm_is_found_in_its_package(bare):
    path = catalog.find("timgm6mb")
    assert path.is_file() and path.name == "TimGM6mb.sf2"
    assert catalog.locate("timgm6mb") == path == catalog.fetch("timgm6mb")
    assert not paths.DATA.exists()


def test_a_missing_source_says_what_to_do_in_a_line(bare):
    assert catalog.find("fluidr3") is None
    with pytest.raises(catalog.SourceMissing, match=r"source 'fluidr3' \(FluidR3_GM\.sf2\) is not on this machine") as caught:
        catalog.locate("fluidr3")
    message = str(caught.value)
    assert "python -m dml_lib fetch fluidr3" in message and "fluid-soundfont-gm" in message and str(paths.DATA) in message
    assert "\n" not in message


def test_table_with_a_missing_source(bare):
    with pytest.raises(catalog.SourceMissing, match="'fluidr3'.*is not on this machine"):
        catalog.table(Config(sources=("timgm6mb", "fluidr3"), sounds_per_instrument=2))


@pytest.mark.parametrize("call", [catalog.find, catalog.locate, catalog.fetch])
def test_an_unknown_source(call):
    with pytest.raises(ValueError, match=r"unknown source 'fluidr4'.*Did you mean 'fluidr3'\?"):
        call("fluidr4")


def test_a_file_in_the_data_folder_is_found_first(bare):
    for folder in (bare / "system", bare / "data"):
        folder.mkdir()
        (folder / FLUID).write_bytes(b"sf2")
    with pytest.warns(UserWarning, match=f"{FLUID} is not the FluidR3_GM.sf2 that this project has seen"):
        assert catalog.find("fluidr3") == paths.DATA / FLUID == catalog.fetch("fluidr3")
    (paths.DATA / FLUID).unlink()
    assert catalog.find("fluidr3") == bare / "system" / FLUID


def test_fetch_without_apt_get(bare, monkeypatch):
    (bare / "bin").mkdir()
    monkeypatch.setenv("PATH", str(bare / "bin"))
    with pytest.raises(catalog.SourceMissing, match=r"cannot fetch 'fluidr3' here \(missing: apt-get, dpkg-deb\)\. Run .*put FluidR3_GM"):
        catalog.fetch("fluidr3")


def test_fetch_when_apt_get_fails_gives_its_last_line(bare, monkeypatch):
    program(bare / "bin", "apt-get", "echo first >&2; echo 'E: Unable to locate package' >&2; exit 100\n")
    program(bare / "bin", "dpkg-deb", "exit 0\n")
    monkeypatch.setenv("PATH", f"{bare / 'bin'}:/usr/bin:/bin")
    with pytest.raises(catalog.SourceMissing, match="apt-get download said 'E: Unable to locate package'.*Debian package fluid"):
        catalog.fetch("fluidr3")
    assert not list(paths.DATA.iterdir())  # no half-made folder stays behind


def test_fetch_when_apt_get_fails_without_a_word(bare, monkeypatch):
    program(bare / "bin", "apt-get", "exit 1\n")
    program(bare / "bin", "dpkg-deb", "exit 0\n")
    monkeypatch.setenv("PATH", f"{bare / 'bin'}:/usr/bin:/bin")
    with pytest.raises(catalog.SourceMissing, match="said 'no message'"):
        catalog.fetch("fluidr3")


def test_fetch_of_a_package_without_the_file(bare, monkeypatch):
    program(bare / "bin", "apt-get", "touch $2.deb\n")
    program(bare / "bin", "dpkg-deb", "exit 0\n")
    monkeypatch.setenv("PATH", f"{bare / 'bin'}:/usr/bin:/bin")
    with pytest.raises(catalog.SourceMissing, match="fluid-soundfont-gm holds no FluidR3_GM.sf2"):
        catalog.fetch("fluidr3")


def test_fetch_unpacks_the_package_into_data(bare, monkeypatch):
    program(bare / "bin", "apt-get", '[ "$1" = download ] && touch $2.deb\n')
    program(bare / "bin", "dpkg-deb", f'mkdir -p "$3/usr/share/sounds/sf2" && cat "$2" > "$3/usr/share/sounds/sf2/{FLUID}"\n')
    monkeypatch.setenv("PATH", f"{bare / 'bin'}:/usr/bin:/bin")
    with pytest.warns(UserWarning, match="figures may differ"):
        assert catalog.fetch("fluidr3") == paths.DATA / FLUID
    assert [path.name for path in paths.DATA.iterdir()] == [FLUID]
    assert catalog.find("fluidr3") == paths.DATA / FLUID


def test_status_has_a_row_a_source(bare):
    (bare / "data").mkdir()
    (bare / "data" / FLUID).write_bytes(bytes(2_500_000))
    rows = catalog.status().set_index("source")
    tone(bare / "data" / "philharmonia" / "cello" / "cello_A2_1_forte_normal.wav")
    rows = catalog.status().set_index("source")
    assert list(catalog.status()) == ["source", "kind", "found", "family", "instruments", "licence", "MB", "where"]
    assert list(rows.index) == list(catalog.SOURCES)
    assert rows.index[rows["found"]].tolist() == ["timgm6mb", "fluidr3", "philharmonia"]
    assert rows.loc["fluidr3", "MB"] == 2.5 and rows.loc["fluidr3", "where"] == str(paths.DATA / FLUID)
    assert rows.loc["philharmonia", "MB"] == 0.0
    assert rows.loc["philharmonia", "where"] == str(paths.DATA / "philharmonia")
    assert rows["MB"].notna().tolist() == rows["found"].tolist()
    for name in rows.index[~rows["found"]]:
        where = rows.loc[name, "where"]
        assert str(paths.DATA) in where and "\n" not in where
        assert f"python -m dml_lib fetch {name}" in where or where.startswith("Unpack what ")
    assert "magenta.tensorflow.org" in rows.loc["nsynth", "where"] and "zenodo" in rows.loc["tinysol", "where"]


def test_sources_that_share_recordings_share_a_family():
    families = {}
    for source in catalog.SOURCES.values():
        families.setdefault(source.family, []).append(source.name)
        assert source.licence and source.citation and source.instruments and source.how().endswith(".")
        assert (source.kind == "soundfont") == bool(source.file) and (source.file or source.holds)
    assert families == {
        "timgm": ["timgm6mb", "csound_gm"], "fluid": ["fluidr3", "musescore_general"],
        "generaluser": ["generaluser_gs"],
        "philharmonia": ["philharmonia"], "tinysol": ["tinysol"], "nsynth": ["nsynth"], "vsl": ["vsl_cqts"],
    }


def test_recorded_checksums_are_those_of_the_files_here():
    known = {name: catalog.find(name) for name, source in catalog.SOURCES.items() if source.sha256}
    assert set(known) == {"timgm6mb", "fluidr3", "musescore_general", "csound_gm"} and known["timgm6mb"]
    for name in filter(known.get, known):
        assert pooch.file_hash(str(known[name])) == catalog.SOURCES[name].sha256
        assert catalog.fetch(name) == known[name]  # and says nothing


def test_the_readers_folder_is_searched(bare, monkeypatch):
    monkeypatch.setenv("DML_DATA", str(bare / "mine"))
    tone(bare / "mine" / "philharmonia" / "flute" / "flute_C5_1_forte_normal.wav")
    (bare / "mine" / FLUID).write_bytes(b"sf2")
    assert catalog.find("philharmonia") == bare / "mine" / "philharmonia" == catalog.locate("philharmonia")
    assert catalog.find("fluidr3") == bare / "mine" / FLUID


def test_a_folder_without_its_sounds_is_not_the_source(bare):
    for name in ("philharmonia", "tinysol", "nsynth", "vsl_cqts", "generaluser_gs"):
        (paths.DATA / name).mkdir(parents=True)
        (paths.DATA / name / "README.txt").write_text("no sounds")
        assert catalog.find(name) is None
    with pytest.raises(catalog.SourceMissing, match=r"'tinysol' \(recordings\) is not on this machine\. Unpack what doi"):
        catalog.locate("tinysol")


def test_generaluser_is_a_soundfont_or_the_folder_of_its_notes(bare):
    with pytest.raises(catalog.SourceMissing, match="expected recordings of 'generaluser_gs', found nothing. Run"):
        catalog.recordings("generaluser_gs")
    tone(paths.DATA / "generaluser_gs" / "double-bass_As1_0a1b2c.flac")
    assert catalog.find("generaluser_gs") == paths.DATA / "generaluser_gs"
    assert catalog.kind("generaluser_gs") == "recordings"
    with pytest.raises(catalog.SourceMissing, match="'generaluser_gs': expected a soundfont, found the folder"):
        catalog.table(Config(sources=("generaluser_gs",), sounds_per_instrument=1))
    row = catalog.recordings("generaluser_gs").iloc[0]
    assert (row["sound_id"], row["source_family"]) == ("generaluser_gs/double-bass_As1_0a1b2c.flac", "generaluser")
    assert (row["instrument"], row["note_number"]) == ("double-bass", 34)
    for name in ("GeneralUser-GS.sf2", "GeneralUser_GS_1.47.sf2", "GeneralUser GS v1.471.sf2"):
        (paths.DATA / name).write_bytes(b"sf2")
        assert catalog.find("generaluser_gs") == paths.DATA / name and catalog.kind("generaluser_gs") == "soundfont"
        assert len(catalog.recordings("generaluser_gs")) == 1  # the notes are still there
        (paths.DATA / name).unlink()


def test_recordings_are_read_in_their_layouts(bare):
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
        assert set(table["library"]) == set(table["source_family"]) == {name} and catalog.kind(name) == "recordings"
    labels = [(table["instrument"][0], table["note_number"][0]) for table in found.values()]
    assert labels == [("french-horn", 69), ("flute", 60), ("organ", 50)]


def test_what_is_no_recording_is_refused(bare):
    with pytest.raises(catalog.SourceMissing, match="recordings of 'timgm6mb', found the soundfont .*TimGM6mb.sf2"):
        catalog.recordings("timgm6mb")
    (paths.DATA / "vsl_cqts").mkdir(parents=True)
    np.savez(paths.DATA / "vsl_cqts" / "klb_48_0a1b.npz", cqt=np.ones((1, 2, 192)))
    with pytest.raises(catalog.SourceMissing, match="expected recordings of 'vsl_cqts', found the features"):
        catalog.recordings("vsl_cqts")
    with pytest.raises(ValueError, match="unknown source 'tinysoul'.*Did you mean 'tinysol'"):
        catalog.recordings("tinysoul")


def test_fetch_unpacks_the_sounds_of_an_archive(served):
    names = ["cello/cello_A2_1_forte_arco-normal.mp3", "percussion/agogo bells/agogo-bells__025_mezzo-forte_damped.mp3"]
    served("philharmonia", "gh-pages.zip", zipped([f"philharmonia-samples-gh-pages/audio/{name}" for name in names] + [
        "philharmonia-samples-gh-pages/README.md", "philharmonia-samples-gh-pages/index.html"]))
    assert catalog.fetch("philharmonia") == paths.DATA / "philharmonia" == catalog.find("philharmonia")
    assert [path.name for path in paths.DATA.iterdir()] == ["philharmonia"]
    table = catalog.recordings("philharmonia")
    assert table["sound_id"].tolist() == [f"philharmonia/{name}" for name in names]
    assert table["kind"].tolist() == ["note", "percussion"]


def test_fetch_downloads_a_soundfont(served):
    served("generaluser_gs", "GeneralUser-GS.sf2", b"sf2")
    assert catalog.fetch("generaluser_gs") == paths.DATA / "GeneralUser-GS.sf2" == catalog.find("generaluser_gs")
    assert [path.name for path in paths.DATA.iterdir()] == ["GeneralUser-GS.sf2"]


@pytest.mark.parametrize("content, words", [
    (None, r"\(HTTPError: 404 Client Error"),
    (b"<html>sign in</html>", r"\(BadZipFile: File is not a zip file\)"),
    (zipped(["repository/README.md"]), "holds no folder audio with sounds in it"),
    (zipped(["repository/audio/README.md"]), "holds no folder audio with sounds in it"),
    (zipped(["repository/audio/cello/cello_A2_1_forte_normal.mp3"])[:60], r"\(BadZipFile"),
])
def test_downloads_that_fail_say_what_to_do(served, content, words):
    served("philharmonia", "gh-pages.zip", content)
    with pytest.raises(catalog.SourceMissing, match=words) as caught:
        catalog.fetch("philharmonia")
    assert "or unpack what github.com/skratchdot/philharmonia-samples offers into" in str(caught.value)
    assert not list(paths.DATA.iterdir())  # no half-made folder stays behind


def test_fetch_without_a_network(bare, monkeypatch):
    unused = "http://127.0.0.1:1/GeneralUser-GS.sf2"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setitem(catalog.SOURCES, "generaluser_gs", replace(catalog.SOURCES["generaluser_gs"], url=unused))
    with pytest.raises(catalog.SourceMissing, match=r"'generaluser_gs' \(ConnectionError.*put GeneralUser\*GS\*\.sf2 into"):
        catalog.fetch("generaluser_gs")


def test_fetch_does_not_replace_what_lies_in_its_place(served):
    served("philharmonia", "gh-pages.zip", zipped(["repository/audio/cello/cello_A2_1_forte_normal.mp3"]))
    (paths.DATA / "philharmonia").mkdir(parents=True)
    (paths.DATA / "philharmonia" / "notes of mine").write_text("keep")
    with pytest.raises(catalog.SourceMissing, match="cannot fetch 'philharmonia' .*not empty"):
        catalog.fetch("philharmonia")
    assert (paths.DATA / "philharmonia" / "notes of mine").read_text() == "keep"


@pytest.mark.parametrize("name", ["tinysol", "nsynth", "vsl_cqts"])
def test_fetch_of_what_only_people_can_get(bare, name):
    with pytest.raises(catalog.SourceMissing, match=f"'{name}' here .missing: a download.. Unpack what .* offers into"):
        catalog.fetch(name)
    assert not paths.DATA.exists()


def test_fetch_where_the_data_folder_cannot_be_made(bare):
    paths.DATA.write_text("a file in the way")
    with pytest.raises(catalog.SourceMissing, match=r"cannot fetch 'fluidr3' \((FileExists|NotADirectory)Error"):
        catalog.fetch("fluidr3")


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


def test_audio_renders_a_row():
    row = catalog.table(Config(sounds_per_instrument=1)).iloc[0]
    y, sr = catalog.audio(row)
    assert sr == 44_100 and y.ndim == 1 and len(y) == round(row["seconds"] * sr)
    assert (y == soundfont.render_row(catalog.locate("timgm6mb"), row)).all()
    unrecorded = catalog.audio(row.to_dict() | {"path": np.nan})  # as in a table joined to one of files
    assert (unrecorded[0] == y).all()


def test_audio_decodes_a_file(tmp_path):
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
