"""The feature store: whole shards or none, whatever happens to the processes that write."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from dml_lib import store as store_module
from dml_lib.config import Config
from dml_lib.paths import Damaged
from dml_lib.store import FeatureStore, Lazily, digest

FRONT_END = Config().front_end()
# Writes 60 sounds in shards of 5, slowly enough to be killed half-way; its argument is the store's folder.
WRITER = """
import sys, time
import numpy as np
from dml_lib import store
from dml_lib.config import Config
store.SHARD_SOUNDS = 5
keys = [store.digest(i) for i in range(60)]
there = store.FeatureStore(sys.argv[1], Config().front_end())
for block in there.missing(keys):
    rng = [np.random.default_rng(i) for i in block]
    there.write([keys[i] for i in block], [r.random((i % 7, 192)) for r, i in zip(rng, block)], ["" if i % 7 else "silent" for i in block])
    time.sleep(float(sys.argv[2]))
"""


def made(n=6, n_bins=8, seed=0):
    rng = np.random.default_rng(seed)
    return [digest("sound", i) for i in range(n)], [rng.random((i + 1, n_bins)).astype(np.float32) for i in range(n)]


def shards(there):
    """The files of the whole shards of a store and their bytes."""
    return {str(p.relative_to(there.folder)): p.read_bytes() for p in sorted(there.folder.glob("[0-9a-f]*/*"))}


def test_digest_is_short_stable_and_tells_parts_apart():
    assert digest("a", 1) == digest("a", 1) and len(digest("a", 1)) == 20
    assert digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})
    assert len({digest("a", "b"), digest("ab"), digest("a"), digest(["a", "b"]), digest("b", "a")}) == 5


def test_round_trip_in_any_order(tmp_path):
    keys, features = made()
    there = FeatureStore(tmp_path, FRONT_END)
    there.write(keys[:4], features[:4], [""] * 4)
    there.write(keys[4:], features[4:], [""] * 2)
    order = [5, 0, 3, 4]
    frames, n_frames = FeatureStore(tmp_path, FRONT_END).read([keys[i] for i in order])
    assert frames.dtype == np.float16 and n_frames.dtype == np.int64
    assert n_frames.tolist() == [6, 1, 4, 5]
    np.testing.assert_array_equal(frames, np.concatenate([features[i] for i in order]).astype(np.float16))


def test_a_sound_may_be_read_twice(tmp_path):
    keys, features = made()
    there = FeatureStore(tmp_path, FRONT_END)
    there.write(keys, features, [""] * 6)
    frames, n_frames = there.read([keys[2], keys[1], keys[2]])
    np.testing.assert_array_equal(frames, np.concatenate([features[2], features[1], features[2]]).astype(np.float16))
    assert n_frames.tolist() == [3, 2, 3]


def test_an_empty_store(tmp_path):
    there = FeatureStore(tmp_path, FRONT_END)
    assert list(there.index()) == ["key", "start", "n_frames", "reason", "shard"] and not len(there.index())
    frames, n_frames = there.read([])
    assert len(frames) == len(n_frames) == 0
    with pytest.raises(KeyError, match="1 of 1 sounds are not in the store .*, first 'abc': add them first"):
        there.read(["abc"])


def test_an_absent_key_among_present_ones(tmp_path):
    keys, features = made()
    there = FeatureStore(tmp_path, FRONT_END)
    there.write(keys, features, [""] * 6)
    with pytest.raises(KeyError, match="2 of 4 sounds are not in the store .*, first 'absent': add them first"):
        there.read([keys[0], "absent", keys[1], "absent too"])


def test_missing_cuts_blocks_from_the_whole_list(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "SHARD_SOUNDS", 4)
    keys, features = made(10)
    there = FeatureStore(tmp_path, FRONT_END)
    assert [list(b) for b in there.missing(keys)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    there.write(keys[4:8], features[4:8], [""] * 4)
    assert [list(b) for b in there.missing(keys)] == [[0, 1, 2, 3], [8, 9]]
    there.write(keys[1:3], features[1:3], [""] * 2)
    assert [list(b) for b in there.missing(keys)] == [[0, 3], [8, 9]]
    there.write([keys[0], keys[3], *keys[8:]], [features[0], features[3], *features[8:]], [""] * 4)
    assert there.missing(keys) == [] and there.missing([]) == []


def test_a_failed_sound_keeps_its_reason_and_is_not_tried_again(tmp_path):
    keys, features = made(3)
    features[1] = np.zeros((0, 8), np.float32)
    there = FeatureStore(tmp_path, FRONT_END)
    there.write(keys, features, ["", "silent render: peak 0", ""])
    index = there.index().set_index("key")
    assert index["reason"].loc[keys].tolist() == ["", "silent render: peak 0", ""]
    assert index["n_frames"].loc[keys].tolist() == [1, 0, 3]
    assert there.missing(keys) == []
    np.testing.assert_array_equal(there.read([keys[2]])[0], features[2].astype(np.float16))


def test_a_sound_that_failed_for_want_of_a_program_is_tried_again_and_then_good(tmp_path):
    keys, features = made()
    there = FeatureStore(tmp_path, FRONT_END)
    there.write(keys[:2], [features[0][:0]] * 2, ["needs ffmpeg", "needs ffmpeg"])
    there.write(keys[2:], features[2:], [""] * (len(keys) - 2))
    assert there.missing(keys) == [] and there.missing(keys, "needs ffmpeg") == [[0, 1]]
    there.write(keys[:2], [features[0], features[0][:0]], ["", "silent, says ffmpeg"])  # the same block again
    found = there.index().set_index("key")["reason"]
    assert found[keys[0]] == "" and found.index.is_unique
    np.testing.assert_array_equal(there.read(keys[:1])[0], features[0].astype(np.float16))


def test_a_file_that_cannot_be_opened_now_is_not_called_damaged(tmp_path, monkeypatch):
    keys, features = made()
    there = FeatureStore(tmp_path, FRONT_END)
    there.write(keys, features, [""] * len(keys))

    def full(*_, **__):
        raise OSError(errno.EMFILE, "Too many open files", "frames.npy")

    monkeypatch.setattr(store_module.np, "load", full)
    with pytest.raises(OSError, match="Too many open files"):
        there.read(keys)


def test_another_front_end_lives_elsewhere(tmp_path):
    keys, features = made()
    there = FeatureStore(tmp_path, FRONT_END)
    there.write(keys, features, [""] * 6)
    for name, value in (("hop_length", 400), ("window", "hann"), ("filter_scale", 1.0)):
        other = FeatureStore(tmp_path, FRONT_END | {name: value})
        assert other.folder != there.folder
        assert len(other.index()) == 0
    assert FeatureStore(tmp_path, dict(reversed(FRONT_END.items()))).folder == there.folder


def test_a_half_written_folder_is_ignored(tmp_path):
    keys, features = made()
    there = FeatureStore(tmp_path, FRONT_END)
    there.write(keys[:3], features[:3], [""] * 3)
    half = there.folder / ".half"
    half.mkdir()
    (half / "frames.npy").write_bytes(b"\x93NUMPY")
    assert set(there.index()["key"]) == set(keys[:3])
    there.write(keys[3:], features[3:], [""] * 3)
    np.testing.assert_array_equal(there.read(keys)[0], np.concatenate(features).astype(np.float16))


@pytest.mark.parametrize("name", ["frames.npy", "index.parquet"])
def test_a_damaged_shard_is_named(name, tmp_path):
    keys, features = made()
    there = FeatureStore(tmp_path, FRONT_END)
    there.write(keys, features, [""] * len(keys))
    lazily = Lazily(there, there.index())
    file, = there.folder.glob(f"*/{name}")
    file.write_bytes(file.read_bytes()[:5])
    with pytest.raises(Damaged, match=f"{name} is not whole .* delete the folder .*{file.parent.name} and run the same command again"):
        there.read(keys)
    if name == "frames.npy":
        with pytest.raises(Damaged):
            lazily[0]
    shutil.rmtree(file.parent)
    assert there.missing(keys) == [list(range(len(keys)))]


def test_a_shard_is_not_there_before_the_last_step(tmp_path, monkeypatch):
    keys, features = made()
    there = FeatureStore(tmp_path, FRONT_END)
    seen = []

    def stop(source, target):
        seen.append((there.missing(keys), len(there.index()), sorted(p.name for p in source.iterdir())))
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", stop)
    with pytest.raises(KeyboardInterrupt):
        there.write(keys, features, [""] * 6)
    assert seen == [([list(range(6))], 0, ["frames.npy", "index.parquet"])]
    assert list(there.folder.iterdir()) == []


def test_a_sound_in_two_shards_counts_once(tmp_path):
    """Two processes with different lists may both write it."""
    keys, features = made()
    there = FeatureStore(tmp_path, FRONT_END)
    there.write(keys[:4], features[:4], [""] * 4)
    there.write(keys[2:], features[2:], [""] * 4)
    assert len(there.index()) == 6
    frames, n_frames = there.read(keys)
    assert n_frames.tolist() == [1, 2, 3, 4, 5, 6]
    np.testing.assert_array_equal(frames, np.concatenate(features).astype(np.float16))


def test_a_failed_write_leaves_nothing(tmp_path):
    keys, _ = made(2)
    there = FeatureStore(tmp_path, FRONT_END)
    with pytest.raises(ValueError, match="dimension"):
        there.write(keys, [np.zeros((1, 8)), np.zeros((1, 9))], ["", ""])
    assert list(there.folder.iterdir()) == []


def test_two_writers_of_one_shard(tmp_path):
    keys, features = made()
    first, second = FeatureStore(tmp_path, FRONT_END), FeatureStore(tmp_path, FRONT_END)
    first.write(keys, features, [""] * 6)
    before = shards(first)
    second.write(keys, features, [""] * 6)
    assert shards(second) == before and len(before) == 2
    assert len(second.index()) == 6
    assert [p.name for p in second.folder.iterdir()] == [digest(keys)]  # no temporary folder is left


def writer(folder, pause):
    return subprocess.Popen([sys.executable, "-c", WRITER, str(folder), str(pause)])


def test_killed_and_finished_gives_the_bytes_of_an_undisturbed_run(tmp_path):
    for folder in ("whole", "killed"):
        (tmp_path / folder).mkdir()
    whole, killed = (FeatureStore(tmp_path / f, FRONT_END) for f in ("whole", "killed"))
    undisturbed, disturbed = writer(tmp_path / "whole", 0), writer(tmp_path / "killed", 0.1)
    deadline = time.monotonic() + 60
    while len(shards(killed)) < 6 and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(disturbed.pid, signal.SIGKILL)
    assert disturbed.wait() == -signal.SIGKILL
    assert undisturbed.wait() == 0
    assert 6 <= len(shards(killed)) < len(shards(whole)) == 24  # it was really cut short
    finishers = [writer(tmp_path / "killed", 0), writer(tmp_path / "killed", 0)]  # two at once
    assert [p.wait() for p in finishers] == [0, 0]
    assert shards(killed) == shards(whole)
    keys = [digest(i) for i in range(60)]
    np.testing.assert_array_equal(killed.read(keys)[0], whole.read(keys)[0])
    assert killed.index().set_index("key").loc[keys, "reason"].tolist() == ["" if i % 7 else "silent" for i in range(60)]


def test_sounds_that_failed_beside_them_change_no_width(tmp_path):
    """A block in which all failed holds no bins, and may be the first that the folder lists."""
    store = FeatureStore(tmp_path, {"m": 1})
    store.write(["good"], [np.ones((5, 192))], [""])
    for i in range(20):
        store.write([f"bad{i}"], [np.zeros((0, 1))], ["no sound"])
    assert store.read(["good"])[0].shape == (5, 192)
