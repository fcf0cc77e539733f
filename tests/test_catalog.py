"""Named sources: found, fetched, or one sentence that says how to get them."""

import numpy as np
import pytest

from dml_lib import paths
from dml_lib.config import Config
from dml_lib.sounds import catalog, soundfont

FLUID = "FluidR3_GM.sf2"


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine with an empty data folder and no soundfonts of the system."""
    monkeypatch.setattr(paths, "DATA", tmp_path / "data")
    monkeypatch.setattr(catalog, "SYSTEM_FOLDERS", (str(tmp_path / "system"),))
    return tmp_path


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
    assert catalog.fetch("fluidr3") == paths.DATA / FLUID
    assert [path.name for path in paths.DATA.iterdir()] == [FLUID]
    assert catalog.find("fluidr3") == paths.DATA / FLUID


def test_status_has_a_row_a_source(bare):
    (bare / "data").mkdir()
    (bare / "data" / FLUID).write_bytes(bytes(2_500_000))
    rows = catalog.status().set_index("source")
    assert list(catalog.status()) == ["source", "found", "family", "licence", "MB", "where"]
    assert list(rows.index) == list(catalog.SOURCES) and rows["found"].all()
    assert rows.loc["fluidr3", "MB"] == 2.5 and rows.loc["fluidr3", "where"] == str(paths.DATA / FLUID)
    (bare / "data" / FLUID).unlink()
    rows = catalog.status().set_index("source")
    assert list(rows["found"]) == [True, False]
    assert "python -m dml_lib fetch fluidr3" in rows.loc["fluidr3", "where"]


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
    expected = soundfont.render(
        catalog.locate("timgm6mb"), row["instrument"], int(row["note_number"]), int(row["velocity"]), row["seconds"]
    )
    assert (y == expected).all()


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
