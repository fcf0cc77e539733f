"""Named sources: found, fetched, or one sentence that says how to get them."""

import gc
import http.server
import io
import threading
import warnings
import zipfile
from dataclasses import replace
from functools import partial

import pooch
import pytest

from dml_lib import paths
from dml_lib.config import Config
from dml_lib.sounds import catalog, sources

FLUID = "FluidR3_GM.sf2"


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
        monkeypatch.setitem(sources.SOURCES, source, replace(sources.SOURCES[source], url=url))

    yield offer
    server.shutdown()
    thread.join()
    server.server_close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # pooch leaves a connection open that ended in an error
        gc.collect()


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
    path = sources.find("timgm6mb")
    assert path.is_file() and path.name == "TimGM6mb.sf2"
    assert sources.soundfont_file("timgm6mb") == path == sources.fetch("timgm6mb")
    assert not paths.DATA.exists()


def test_a_missing_source_says_what_to_do_in_a_line(bare):
    assert sources.find("fluidr3") is None
    with pytest.raises(sources.SourceMissing, match=r"source 'fluidr3' \(FluidR3_GM\.sf2\) is not on this machine") as caught:
        sources.soundfont_file("fluidr3")
    message = str(caught.value)
    assert "python -m dml_lib fetch fluidr3" in message and "fluid-soundfont-gm" in message and str(paths.DATA) in message
    assert "\n" not in message


@pytest.mark.parametrize("call", [sources.find, sources.soundfont_file, sources.fetch])
def test_an_unknown_source(call):
    with pytest.raises(ValueError, match=r"unknown source 'fluidr4'.*Did you mean 'fluidr3'\?"):
        call("fluidr4")


def test_a_file_in_the_data_folder_is_found_first(bare):
    for folder in (bare / "system", bare / "data"):
        folder.mkdir()
        (folder / FLUID).write_bytes(b"sf2")
    with pytest.warns(UserWarning, match=f"{FLUID} is not the FluidR3_GM.sf2 that this project has seen"):
        assert sources.find("fluidr3") == paths.DATA / FLUID == sources.fetch("fluidr3")
    (paths.DATA / FLUID).unlink()
    assert sources.find("fluidr3") == bare / "system" / FLUID


def test_fetch_without_apt_get(bare, monkeypatch):
    (bare / "bin").mkdir()
    monkeypatch.setenv("PATH", str(bare / "bin"))
    with pytest.raises(sources.SourceMissing, match=r"cannot fetch 'fluidr3' here \(missing: apt-get, dpkg-deb\)\. Run .*put FluidR3_GM"):
        sources.fetch("fluidr3")


@pytest.mark.parametrize("apt_get, words", [
    ("echo first >&2; echo 'E: Unable to locate package' >&2; exit 100",
     "apt-get download said 'E: Unable to locate package'.*Debian package fluid"),
    ("exit 1", "said 'no message'"),
    ("touch $2.deb", "fluid-soundfont-gm holds no FluidR3_GM.sf2"),
])
def test_fetch_when_apt_get_fails(bare, monkeypatch, apt_get, words):
    program(bare / "bin", "apt-get", f"{apt_get}\n")
    program(bare / "bin", "dpkg-deb", "exit 0\n")
    monkeypatch.setenv("PATH", f"{bare / 'bin'}:/usr/bin:/bin")
    with pytest.raises(sources.SourceMissing, match=words):
        sources.fetch("fluidr3")
    assert not list(paths.DATA.iterdir())  # no half-made folder stays behind


def test_fetch_unpacks_the_package_into_data(bare, monkeypatch):
    program(bare / "bin", "apt-get", '[ "$1" = download ] && touch $2.deb\n')
    program(bare / "bin", "dpkg-deb", f'mkdir -p "$3/usr/share/sounds/sf2" && cat "$2" > "$3/usr/share/sounds/sf2/{FLUID}"\n')
    monkeypatch.setenv("PATH", f"{bare / 'bin'}:/usr/bin:/bin")
    with pytest.warns(UserWarning, match="figures may differ"):
        assert sources.fetch("fluidr3") == paths.DATA / FLUID
    assert [path.name for path in paths.DATA.iterdir()] == [FLUID]
    assert sources.find("fluidr3") == paths.DATA / FLUID


def test_status_has_a_row_a_source(bare, tone):
    (bare / "data").mkdir()
    (bare / "data" / FLUID).write_bytes(bytes(2_500_000))
    rows = sources.status().set_index("source")
    tone(bare / "data" / "philharmonia" / "cello" / "cello_A2_1_forte_normal.wav")
    rows = sources.status().set_index("source")
    assert list(sources.status()) == ["source", "kind", "found", "family", "instruments", "licence", "MB", "where"]
    assert list(rows.index) == list(sources.SOURCES)
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
    for source in sources.SOURCES.values():
        families.setdefault(source.family, []).append(source.name)
        assert source.licence and source.citation and source.instruments and source.how().endswith(".")
        assert (source.kind == "soundfont") == bool(source.file) and (source.file or source.holds)
    assert families == {
        "timgm": ["timgm6mb", "csound_gm"], "fluid": ["fluidr3", "musescore_general"],
        "generaluser": ["generaluser_gs", "generaluser_147"], "sonivox": ["sonivox"],
        "philharmonia": ["philharmonia"], "tinysol": ["tinysol"], "nsynth": ["nsynth"], "vsl": ["vsl_cqts"],
        "timbre_ratings": ["timbre_ratings"],
    }


def test_recorded_checksums_are_those_of_the_files_here():
    known = {name: sources.find(name) for name, source in sources.SOURCES.items() if source.sha256}
    assert set(known) == {"timgm6mb", "fluidr3", "musescore_general", "csound_gm", "generaluser_147", "sonivox"} and known["timgm6mb"]
    for name in filter(known.get, known):
        assert pooch.file_hash(str(known[name])) == sources.SOURCES[name].sha256
        assert sources.fetch(name) == known[name]  # and says nothing


def test_the_readers_folder_is_searched(bare, monkeypatch, tone):
    monkeypatch.setenv("DML_DATA", str(bare / "mine"))
    tone(bare / "mine" / "philharmonia" / "flute" / "flute_C5_1_forte_normal.wav")
    (bare / "mine" / FLUID).write_bytes(b"sf2")
    assert sources.find("philharmonia") == bare / "mine" / "philharmonia"
    assert sources.find("fluidr3") == bare / "mine" / FLUID


def test_a_folder_without_its_sounds_is_not_the_source(bare):
    for name in ("philharmonia", "tinysol", "nsynth", "vsl_cqts", "generaluser_gs"):
        (paths.DATA / name).mkdir(parents=True)
        (paths.DATA / name / "README.txt").write_text("no sounds")
        assert sources.find(name) is None
    with pytest.raises(sources.SourceMissing, match=r"'tinysol' \(recordings\) is not on this machine\. Unpack what doi"):
        sources.soundfont_file("tinysol")


def test_generaluser_is_a_soundfont_or_the_folder_of_its_notes(bare, tone):
    with pytest.raises(sources.SourceMissing, match="expected recordings of 'generaluser_gs', found nothing. Run"):
        catalog.recordings("generaluser_gs")
    tone(paths.DATA / "generaluser_gs" / "double-bass_As1_0a1b2c.flac")
    assert sources.find("generaluser_gs") == paths.DATA / "generaluser_gs"
    assert sources.kind("generaluser_gs") == "recordings"
    with pytest.raises(sources.SourceMissing, match="'generaluser_gs': expected a soundfont, found the folder"):
        sources.soundfont_file("generaluser_gs")
    taught = catalog.table(Config(sources=("generaluser_gs",)))  # such a folder teaches as it is
    assert taught["sound_id"].tolist() == ["generaluser_gs/double-bass_As1_0a1b2c.flac"]
    row = catalog.recordings("generaluser_gs").iloc[0]
    assert (row["sound_id"], row["source_family"]) == ("generaluser_gs/double-bass_As1_0a1b2c.flac", "generaluser")
    assert (row["instrument"], row["note_number"]) == ("double-bass", 34)
    for name in ("GeneralUser-GS.sf2", "GeneralUser_GS_1.47.sf2", "GeneralUser GS v1.471.sf2"):
        (paths.DATA / name).write_bytes(b"sf2")
        assert sources.find("generaluser_gs") == paths.DATA / name and sources.kind("generaluser_gs") == "soundfont"
        assert len(catalog.recordings("generaluser_gs")) == 1  # the notes are still there
        (paths.DATA / name).unlink()


def test_fetch_unpacks_the_sounds_of_an_archive(served):
    names = ["cello/cello_A2_1_forte_arco-normal.mp3", "percussion/agogo bells/agogo-bells__025_mezzo-forte_damped.mp3"]
    served("philharmonia", "gh-pages.zip", zipped([f"philharmonia-samples-gh-pages/audio/{name}" for name in names] + [
        "philharmonia-samples-gh-pages/README.md", "philharmonia-samples-gh-pages/index.html"]))
    assert sources.fetch("philharmonia") == paths.DATA / "philharmonia" == sources.find("philharmonia")
    assert [path.name for path in paths.DATA.iterdir()] == ["philharmonia"]
    table = catalog.recordings("philharmonia")
    assert table["sound_id"].tolist() == [f"philharmonia/{name}" for name in names]
    assert table["kind"].tolist() == ["note", "percussion"]


def test_fetch_downloads_a_soundfont(served):
    served("generaluser_gs", "GeneralUser-GS.sf2", b"sf2")
    assert sources.fetch("generaluser_gs") == paths.DATA / "GeneralUser-GS.sf2" == sources.find("generaluser_gs")
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
    with pytest.raises(sources.SourceMissing, match=words) as caught:
        sources.fetch("philharmonia")
    assert "or unpack what github.com/skratchdot/philharmonia-samples offers into" in str(caught.value)
    assert not list(paths.DATA.iterdir())  # no half-made folder stays behind


def test_fetch_without_a_network(bare, monkeypatch):
    unused = "http://127.0.0.1:1/GeneralUser-GS.sf2"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setitem(sources.SOURCES, "generaluser_gs", replace(sources.SOURCES["generaluser_gs"], url=unused))
    with pytest.raises(sources.SourceMissing, match=r"'generaluser_gs' \(ConnectionError.*put GeneralUser\*GS\*\.sf2 into"):
        sources.fetch("generaluser_gs")


def test_fetch_does_not_replace_what_lies_in_its_place(served):
    served("philharmonia", "gh-pages.zip", zipped(["repository/audio/cello/cello_A2_1_forte_normal.mp3"]))
    (paths.DATA / "philharmonia").mkdir(parents=True)
    (paths.DATA / "philharmonia" / "notes of mine").write_text("keep")
    with pytest.raises(sources.SourceMissing, match="cannot fetch 'philharmonia' .*not empty"):
        sources.fetch("philharmonia")
    assert (paths.DATA / "philharmonia" / "notes of mine").read_text() == "keep"


@pytest.mark.parametrize("name", ["tinysol", "nsynth", "vsl_cqts"])
def test_fetch_of_what_only_people_can_get(bare, name):
    with pytest.raises(sources.SourceMissing, match=f"'{name}' here .missing: a download.. Unpack what .* offers into"):
        sources.fetch(name)
    assert not paths.DATA.exists()


def test_fetch_where_the_data_folder_cannot_be_made(bare):
    paths.DATA.write_text("a file in the way")
    with pytest.raises(sources.SourceMissing, match=r"cannot fetch 'fluidr3' \((FileExists|NotADirectory)Error"):
        sources.fetch("fluidr3")
