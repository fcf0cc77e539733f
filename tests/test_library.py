"""A user's folder: the same map after any accident, only new files heard, nothing of the user's changed."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import duckdb
import numpy as np
import pandas as pd
import pytest
import soundfile

from dml_lib import hearing, intake, library, paths, train
from dml_lib.config import Config
from dml_lib.library import Library, read, update
from dml_lib.paths import Damaged
from dml_lib.weights import save_weights

GOOD = 7  # usable files of the fixture `folder`


@pytest.fixture
def mapped(folder, small_weights, tmp_path):
    """A function that maps the folder (or others) into `tmp_path / "map"` in this process, and returns the table and what was said."""

    def make(*folders, out="map", **options):
        said = []
        with ThreadPoolExecutor(2) as pool:
            options = {"executor": pool, "progress": False, "say": said.append} | options
            return update(folders or [folder], tmp_path / out, small_weights, **options), said

    return make


def files(place):
    """All files below a folder with size and time of change."""
    return {p: (p.stat().st_size, p.stat().st_mtime_ns) for p in place.rglob("*") if p.is_file()}


def test_a_folder_becomes_a_map(mapped, folder, tmp_path):
    before = files(folder)
    table, said = mapped()
    out = tmp_path / "map"
    assert files(folder) == before  # the user's files are as they were
    assert len(table) == GOOD and table.equals(read(out)) and np.isfinite(table[["x", "y", "z"]]).all(axis=None)
    assert table.set_index("sound_id").loc["My Samples/flute/flute_A4.wav", ["instrument", "note_number"]].tolist() == ["flute", 69]
    skipped = pd.read_csv(out / "skipped.csv")
    assert sorted(os.path.basename(path) for path in skipped["path"]) == ["broken.wav", "silent.wav"]
    assert "silent" in set(skipped["reason"])
    copies = pd.read_csv(out / "duplicates.csv")
    assert {os.path.basename(p) for p in copies.loc[0, ["path_a", "path_b"]]} == {"oboe_A4_forte.flac", "copy of oboe.flac"}
    assert copies.loc[0, "correlation"] == pytest.approx(1, abs=1e-4)
    for name in ("index.html", "report.html", "data.js"):
        assert (out / name).is_file()
    assert len(list((out / "audio").glob("*.mp3"))) == GOOD - 1  # the copy shares its preview
    assert any("9 files, 8 of them to be heard" in text for text in said) and any("7 sounds, 2 files skipped" in text for text in said)


def test_other_programs_read_the_map(mapped, tmp_path):
    table, _ = mapped()
    rows = duckdb.sql(f"SELECT instrument, count(*) AS n FROM '{tmp_path / 'map' / 'map.parquet'}' GROUP BY instrument ORDER BY n DESC").fetchall()
    assert dict(rows)["flute"] == 2 and sum(n for _, n in rows) == GOOD


def test_a_second_run_hears_only_what_is_new_and_forgets_what_is_gone(mapped, folder, tmp_path, monkeypatch):
    heard, hear_many = [], hearing.hear_many
    monkeypatch.setattr(hearing, "hear_many", lambda paths, *rest: heard.extend(paths) or hear_many(paths, *rest))
    first, _ = mapped()
    heard.clear()
    again, said = mapped()
    assert not heard and again.equals(first) and said == ["nothing changed: 7 sounds, 2 files skipped"]
    (folder / "another.wav").write_text("no sound")  # only what is skipped is another
    mapped()
    assert "another.wav" in (tmp_path / "map" / "report.html").read_text()
    (folder / "another.wav").unlink()
    heard.clear()
    (folder / "takes" / "deep" / "x.aiff").unlink()
    shutil.move(folder / "trumpet_E4.ogg", folder / "trumpet_F4.ogg")  # the content is known
    soundfile.write(folder / "flute" / "flute_A4.wav", 0.1 * np.sin(np.arange(8_000)), 16_000)
    third, _ = mapped()
    assert [os.path.basename(path) for path in heard] == ["flute_A4.wav"] and len(third) == GOOD - 1
    assert "My Samples/trumpet_F4.ogg" in set(third["sound_id"]) and not third["sound_id"].str.contains("deep").any()
    previews = {file.stem for file in (tmp_path / "map" / "audio").iterdir()}
    assert previews == set(third["checksum"].str[:16])
    fresh, _ = mapped(out="fresh")
    assert fresh.equals(third)


def test_a_sound_has_one_place_whatever_else_is_there(mapped, folder, tmp_path, small_weights):
    table, _ = mapped()
    table = table.set_index("path")[["x", "y", "z"]]
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(folder / "flute" / "flute_C5.wav", alone)
    one, _ = mapped(alone, out="one")
    assert one[["x", "y", "z"]].to_numpy() == pytest.approx(table.loc[[str(folder / "flute" / "flute_C5.wav")]].to_numpy(), abs=1e-5)
    both, _ = mapped(alone, folder, out="both")
    again = both.set_index("path").loc[table.index, ["x", "y", "z"]]
    assert again.to_numpy() == pytest.approx(table.to_numpy(), abs=1e-5)
    assert list(both["library"].unique()) == ["alone", "My Samples"]
    opened = Library.open(tmp_path / "both")
    assert [len(opened.places), len(opened.dataset)] == [len(both)] * 2
    middle = [np.median(opened.places[i][opened.dataset.audible()[opened.dataset.where(i)]], axis=0) for i in range(len(both))]
    assert np.stack(middle) == pytest.approx(both[["x", "y", "z"]].to_numpy(), abs=1e-5)


def test_labels_of_a_file_are_believed(mapped, folder, tmp_path):
    (folder / "labels.csv").write_text("path,instrument,note\ntakes/take 1.wav,cello,C3\n")
    table, _ = mapped(labels=folder / "labels.csv")
    row = table.set_index("sound_id").loc["My Samples/takes/take 1.wav"]
    assert (row["instrument"], row["note_number"]) == ("cello", 48)
    (tmp_path / "labels.csv").write_text("path,instrument\nelsewhere.wav,cello\n")
    with pytest.raises(ValueError, match="to list files of these folders"):
        mapped(labels=tmp_path / "labels.csv")


def test_an_accent_is_the_same_however_it_is_spelled(mapped, folder, tmp_path):
    shutil.copy(folder / "trumpet_E4.ogg", folder / unicodedata.normalize("NFD", "Vielle à roue.ogg"))
    (folder / "labels.csv").write_text("path,instrument\n" + "".join(f"{unicodedata.normalize(form, 'Vielle à roue.ogg')},cello\n" for form in ("NFC", "NFD")), "utf-8")
    table, _ = mapped(labels=folder / "labels.csv")
    assert table.set_index("sound_id")["instrument"].loc[table["sound_id"][table["sound_id"].str.contains("roue")]].tolist() == ["cello"]


def test_labels_and_folders_without_sound_make_nothing_new(mapped, folder, tmp_path):
    (folder / "labels.csv").write_text("path,instrument\ntakes/take 1.wav,cello\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "linked").symlink_to(folder)  # the same folder by another name
    first, _ = mapped(folder, tmp_path / "empty", tmp_path / "linked", labels=folder / "labels.csv")
    again, said = mapped(folder, tmp_path / "empty", tmp_path / "linked", labels=folder / "labels.csv")
    assert again.equals(first) and len(first) == GOOD and said == ["nothing changed: 7 sounds, 2 files skipped"]


def test_a_copy_of_a_map_is_no_sound(mapped, folder, tmp_path):
    mapped()
    shutil.copytree(tmp_path / "map", folder / "copy", ignore=shutil.ignore_patterns(".*"))
    assert len(mapped()[0]) == GOOD


def test_a_map_has_three_dimensions(folder, tmp_path):
    cfg = Config.preset("fast", n_dims=8)
    save_weights(tmp_path / "wide.safetensors", train.untrained(cfg, "ours"), cfg, "ours")
    with pytest.raises(ValueError, match="expected a network of three dimensions for a map, found 8"):
        update([folder], tmp_path / "map", tmp_path / "wide.safetensors", progress=False, say=str)


def test_the_page_keeps_the_time_of_the_network(folder, tmp_path):
    cfg = Config.preset("fast", hop_length=400, gain=20.0, size="small")
    save_weights(tmp_path / "quick.safetensors", train.untrained(cfg, "ours"), cfg, "ours")
    update([folder], tmp_path / "map", tmp_path / "quick.safetensors", progress=False, say=str)
    assert '"frame_s": 0.025' in (tmp_path / "map" / "data.js").read_text()


def test_a_map_within_its_folder_does_not_map_itself(mapped, folder):
    first, _ = mapped(out=folder / "map")
    again, said = mapped(out=folder / "map")
    assert len(again) == len(first) == GOOD and said[-1].startswith("nothing changed")


def test_no_audio(mapped, tmp_path):
    mapped()
    mapped(audio=False)
    assert not list((tmp_path / "map" / "audio").iterdir()) and '"audio": ["", ' in (tmp_path / "map" / "data.js").read_text()
    mapped()
    assert len(list((tmp_path / "map" / "audio").iterdir())) == GOOD - 1


@pytest.mark.parametrize("make, words", [
    (lambda tmp: [tmp / "none"], "expected a folder of sounds or a CSV file, found none"),
    (lambda tmp: [tmp / "one.flac"], "found the sound .*one.flac: name its folder"),
    (lambda tmp: [tmp / "map"], "expected a place for the map that does not hold the sounds"),
    (lambda tmp: [tmp / "empty"], "expected audio files in"),
    (lambda tmp: [tmp / "bad"], "expected sounds that can be read, found none in 1 files"),
])
def test_nothing_usable(make, words, mapped, tmp_path):
    for name in ("map", "empty", "bad"):
        (tmp_path / name).mkdir()
    (tmp_path / "bad" / "a.wav").write_text("text")
    (tmp_path / "one.flac").touch()
    with pytest.raises(ValueError, match=words):
        mapped(*make(tmp_path))


@pytest.mark.parametrize("out", [".", "My Samples", "mine", "mine/index.html"])
def test_what_is_there_already_is_not_touched(out, mapped, folder, tmp_path):
    for name in ("index.html", "data.js", "audio/take.mp3", "frames/take/f.txt"):
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_text("the user's own")
    before = files(tmp_path)
    with pytest.raises(ValueError, match="choose another -o"):
        mapped(out=out)
    assert files(tmp_path) == before


def test_what_is_in_nobodys_way_may_be_there(mapped, folder, tmp_path):
    (tmp_path / "map").mkdir()
    (tmp_path / "map" / ".DS_Store").write_text("hidden")
    (tmp_path / "map" / "list.csv").write_text(f"path\n{folder / 'flute' / 'flute_A4.wav'}\n")
    assert len(mapped(tmp_path / "map" / "list.csv")[0]) == 1
    (tmp_path / "map" / "frames" / ".DS_Store").write_text("hidden")
    shutil.copytree(folder, tmp_path / "map" / "sounds")  # beside what a map is made of
    assert len(mapped(tmp_path / "map" / "sounds")[0]) == GOOD
    with pytest.raises(ValueError, match="choose another -o"):
        mapped(tmp_path / "map" / "audio")


def test_weights_that_are_none_are_no_fault_of_the_sounds(mapped, folder, tmp_path):
    mapped()
    before = files(tmp_path / "map")
    (tmp_path / "bad.safetensors").write_text("no network")
    shutil.copy(folder / "flute" / "flute_A4.wav", folder / "more.wav")
    with pytest.raises(Damaged, match="not a whole file of weights"):
        update([folder], tmp_path / "map", tmp_path / "bad.safetensors", progress=False, say=str)
    assert files(tmp_path / "map") == before


def test_no_room_on_the_disk_is_said_and_the_next_run_completes(mapped, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(intake.FeatureStore, "write", full)
        with pytest.raises(RuntimeError, match="expected room on the disk"):
            mapped()
    assert not (tmp_path / "map" / "map.parquet").exists()
    assert len(mapped()[0]) == GOOD


def test_a_damaged_or_missing_map(mapped, tmp_path):
    with pytest.raises(ValueError, match="found no map.parquet"):
        Library.open(tmp_path)
    mapped()
    (tmp_path / "map" / "map.parquet").write_bytes(b"PAR1")
    with pytest.raises(Damaged, match="delete it"):
        Library.open(tmp_path / "map")


def test_a_map_that_lost_its_parts_is_made_whole_by_the_same_command(mapped, tmp_path):
    table, _ = mapped()
    out = tmp_path / "map"
    kept = intake.stores(out, library.files.checksum(out / "weights.safetensors")[0])
    shards = [each.folder / each.index().set_index("key").loc[table["checksum"].iloc[0], "shard"] / "frames.npy" for each in kept]
    for lost in (out / "weights.safetensors", *shards, *(each.folder for each in kept)):
        shutil.rmtree(lost) if lost.is_dir() else lost.unlink()
        with pytest.raises(Damaged):
            list(Library.open(out).places), Library.open(out).heard
        if lost.suffix == ".npy":
            shutil.rmtree(lost.parent)  # as it is told
        assert mapped()[0].equals(table)
        assert len(list(Library.open(out).places)) == len(Library.open(out).heard) == GOOD


def test_other_weights_make_another_map(mapped, tmp_path, small_weights):
    table, _ = mapped()
    model, cfg = library.Library.open(tmp_path / "map").network
    for p in model.parameters():
        p.data.mul_(1.1)
    save_weights(tmp_path / "other.safetensors", model, cfg, "ours")
    said = []
    with ThreadPoolExecutor(1) as pool:
        other = update([tmp_path / "My Samples"], tmp_path / "map", tmp_path / "other.safetensors", executor=pool, progress=False, say=said.append)
    assert said[0] == "another network than before (other.safetensors): all sounds are heard again"
    assert not np.allclose(other[["x", "y", "z"]], table[["x", "y", "z"]]) and len(list((tmp_path / "map" / "frames").iterdir())) == 2


def command(folder, out, weights):
    return [sys.executable, "-m", "dml_lib", "map", str(folder), "-o", str(out), "--weights", str(weights)]


def test_an_interrupt_ends_it_soon_and_without_a_traceback(folder, small_weights, tmp_path):
    for i in range(200):
        soundfile.write(folder / f"more {i}.wav", 0.2 * np.sin(np.arange(8_000 + i)), 16_000)
    call = command(folder, tmp_path / "out", small_weights)
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    listens = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background does not
    run = subprocess.Popen(call, cwd=paths.ROOT, start_new_session=True, preexec_fn=listens, **pipes)
    while not list((tmp_path / "out").glob("frames/*/*/index.parquet")):
        assert run.poll() is None
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGINT)
    said = run.communicate()[1]
    assert run.returncode == 1 and "run the same command to go on" in said and "Traceback" not in said
    assert not (tmp_path / "out" / "map.parquet").exists()


def test_a_killed_run_ends_as_an_undisturbed_one_and_a_second_process_is_told(mapped, folder, small_weights, tmp_path, monkeypatch):
    whole, _ = mapped(out="whole")
    out = tmp_path / "killed"
    run = subprocess.Popen(command(folder, out, small_weights), cwd=paths.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    while not (out / ".holder").is_file():
        time.sleep(0.02)
    with pytest.raises(intake.Busy, match=f"held by process {run.pid} on "):
        mapped(out="killed")
    while not list((out / "frames").glob("*/*/index.parquet")):
        assert run.poll() is None
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    done = subprocess.run(command(folder, out, small_weights), cwd=paths.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert read(out).equals(whole) and (out / "index.html").is_file()
