"""The feature store: constant-Q magnitudes of many sounds in memory-mapped shards.

A shard is a folder `<name>/` with `frames.npy` (float16, (n_frames, n_bins), linear magnitudes) and `index.parquet`
(`key, start, n_frames, reason`). It is written beside its place and renamed into it, so a shard is there whole or
not at all: a run may be killed at any moment and started again, and two processes may fill one store.
"""

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

SHARD_SOUNDS = 256


def digest(*parts):
    """A short stable hash of anything JSON can write."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:20]


class FeatureStore:
    """Features by key.

    Parameters
    ----------
    folder : path
    front_end : dict
        What fixes a feature array; another front end lives in another sub-folder.

    Source
    ------
    Our choice.
    """

    def __init__(self, folder, front_end):
        self.folder = Path(folder) / digest(front_end)
        self.folder.mkdir(parents=True, exist_ok=True)

    def index(self):
        """One row a stored sound: `key, shard, start, n_frames, reason`; `reason` is "" for a good one."""
        parts = [pd.read_parquet(p / "index.parquet").assign(shard=p.name) for p in sorted(self.folder.glob("[0-9a-f]*"))]
        if not parts:
            return pd.DataFrame(columns=["key", "start", "n_frames", "reason", "shard"])
        return pd.concat(parts, ignore_index=True).drop_duplicates("key")

    def missing(self, keys):
        """Blocks of positions in `keys` still to be computed, one block a shard.

        Blocks are cut from the whole list, so that an interrupted run ends with the same shards as an undisturbed one.
        """
        known = set(self.index()["key"])
        blocks = [range(i, min(i + SHARD_SOUNDS, len(keys))) for i in range(0, len(keys), SHARD_SOUNDS)]
        blocks = [[i for i in block if keys[i] not in known] for block in blocks]
        return [block for block in blocks if block]

    def write(self, keys, features, reasons):
        """Write one shard.

        Parameters
        ----------
        keys : list of str
        features : list of np.ndarray, (n_frames, n_bins)
            Linear magnitudes; no frames at all for a sound that failed.
        reasons : list of str
            "" or why the sound failed.
        """
        n_frames = np.array([len(f) for f in features])
        index = pd.DataFrame({"key": keys, "start": np.cumsum(n_frames) - n_frames, "n_frames": n_frames, "reason": reasons})
        temporary = Path(tempfile.mkdtemp(prefix=".", dir=self.folder))
        try:
            np.save(temporary / "frames.npy", np.concatenate(features).astype(np.float16))
            index.to_parquet(temporary / "index.parquet", index=False)
            os.rename(temporary, self.folder / digest(keys))
        except OSError:
            if not (self.folder / digest(keys)).is_dir():  # otherwise another process was first, with the same bytes
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def read(self, keys):
        """Frames of the given sounds, one after another.

        Returns
        -------
        frames : np.ndarray, (n_frames, n_bins), float16
        n_frames : np.ndarray, (n_sounds,), int64

        Raises
        ------
        KeyError
            A sound is not in the store.
        """
        index = self.index().set_index("key")
        absent = [key for key in keys if key not in index.index]
        if absent:
            raise KeyError(f"{len(absent)} of {len(keys)} sounds are not in the store {self.folder}, first {absent[0]!r}: add them first")
        rows = index.loc[list(keys)]
        ends = np.cumsum(rows["n_frames"].to_numpy())
        n_bins = next((np.load(p / "frames.npy", mmap_mode="r").shape[1] for p in self.folder.glob("[0-9a-f]*")), 0)
        frames = np.empty((ends[-1] if len(ends) else 0, n_bins), np.float16)
        places = rows.assign(end=ends)
        for shard, group in places.groupby("shard", sort=False):
            source = np.load(self.folder / shard / "frames.npy", mmap_mode="r")
            for start, n, end in zip(group["start"], group["n_frames"], group["end"]):
                frames[end - n:end] = source[start:start + n]
        return frames, rows["n_frames"].to_numpy()
