"""What is taken in from folders: only what changed is read, and no file can stop the others."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from dml_lib import hearing, intake, library, paths
from dml_lib.intake import walk


def test_walk_reads_only_what_changed(folder, monkeypatch):
    first = walk([folder])
    monkeypatch.setattr(intake.files, "checksum", lambda path: pytest.fail(f"{path} was read again"))
    assert walk([folder], first)["checksum"].equals(first["checksum"])


def dies(paths, *rest):
    """Stands for a decoder that crashes on one file."""
    if any("take 1" in path for path in paths):
        os.kill(os.getpid(), signal.SIGKILL)
    return hearing.hear_many(paths, *rest)


def dies_or_counts(paths, *rest):
    """Stands for listening, where one file kills."""
    if any(path.endswith("take 5") for path in paths):
        os.kill(os.getpid(), signal.SIGKILL)
    return [len(path) for path in paths]


def test_a_file_that_kills_its_worker_is_skipped_and_the_others_go_on(folder, small_weights, tmp_path):
    paths_ = [str(path) for path in sorted(folder.rglob("*.wav"))]
    heard = dict()
    for block, found in intake._alone(range(len(paths_)), lambda block: (dies, [paths_[i] for i in block], str(small_weights), "", False)):
        heard |= {os.path.basename(paths_[i]): each for i, each in zip(block, found)}
    assert heard["take 1.wav"] == "the process that listened to it crashed"
    assert len(heard["flute_A4.wav"]) == 4 and heard["silent.wav"] == "silent" and len(heard) == 5


def test_a_worker_that_dies_between_two_blocks_costs_only_its_file(tmp_path, monkeypatch):
    names = [str(tmp_path / f"take {i}") for i in range(8)]
    monkeypatch.setattr(hearing, "hear_many", dies_or_counts)
    heard = {}
    for block, found in intake._tasks(names, "", "", False, None, False):
        time.sleep(0.3)  # the pool breaks while what it gave is written
        heard |= dict(zip(block, found))
    assert [i for i, each in heard.items() if isinstance(each, str)] == [5] and len(heard) == 8
    assert heard[5] == "the process that listened to it crashed"


def test_a_file_that_crashed_is_tried_again(folder, small_weights, tmp_path, monkeypatch):
    hears = hearing.hear_many
    for listens, there in ((dies, False), (hears, True)):
        monkeypatch.setattr(hearing, "hear_many", listens)
        table = library.update([folder], tmp_path / "map", small_weights, audio=False, progress=False, say=str)
        assert table["path"].str.endswith("take 1.wav").any() == there


SCRIPT = """
import sys
from dml_lib import library
library.update([sys.argv[1]], sys.argv[2], sys.argv[3], progress=False)
"""


def test_a_script_that_starts_itself_again_is_told_so(folder, small_weights, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    call = [sys.executable, tmp_path / "script.py", folder, tmp_path / "map", small_weights]
    done = subprocess.run(call, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(paths.ROOT)})
    assert done.returncode == 1 and "a script needs `if __name__" in done.stderr.splitlines()[-1]
    assert not list((tmp_path / "map").glob("frames/*/*/index.parquet"))


def test_what_ends_its_workers_leaves_other_processes_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(hearing, "hear_many", dies_or_counts)
    other = get_context("spawn").Process(target=time.sleep, args=(60,), daemon=True)
    other.start()
    heard = intake._tasks([str(tmp_path / f"take {i}") for i in range(3)], "", "", False, None, False)
    next(heard)
    with pytest.raises(KeyboardInterrupt):
        heard.throw(KeyboardInterrupt)
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:  # one that the caller brings
        heard = intake._tasks([str(tmp_path / f"take {i}") for i in range(3)], "", "", False, pool, False)
        next(heard)
        with pytest.raises(KeyboardInterrupt):
            heard.throw(KeyboardInterrupt)
        assert pool.submit(len, "abc").result() == 3
    other.join(1)
    assert other.exitcode is None
    other.kill()


def test_labels_are_read_without_listening(tmp_path, monkeypatch):
    (tmp_path / "a.wav").write_bytes(b"sound")
    (tmp_path / "labels.csv").write_text("path,instrument\na.wav,cello\n")
    known = walk([tmp_path])
    monkeypatch.setattr(intake.files.manifest_table, "__defaults__", (None, None, lambda path: pytest.fail(f"{path} was read")))
    assert walk([tmp_path], labels=tmp_path / "labels.csv", known=known)["instrument"].tolist() == ["cello"]
