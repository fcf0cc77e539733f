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
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from . import portable
from .paths import whole

SHARD_SOUNDS = 256


def _opened(read, file):
    """What `read` makes of a file of a shard; Damaged where that is not whole, or not there."""
    return whole(read, file, "whole", f"delete the folder {file.parent} and run the same command again")


def _frames(shard):
    """The frames of a shard, in place."""
    return _opened(partial(np.load, mmap_mode="r"), shard / "frames.npy")


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
    dtype : numpy type
        Of the arrays: linear magnitudes fit into half floats, places in a space do not.

    Source
    ------
    Our choice.
    """

    def __init__(self, folder, front_end, dtype=np.float16):
        self.dtype, self.folder = dtype, Path(folder) / digest(front_end, *portable.mark())
        self.folder.mkdir(parents=True, exist_ok=True)

    def index(self):
        """One row a stored sound: `key, shard, start, n_frames, reason`; `reason` is "" for a good one, which counts before one that failed."""
        parts = [_opened(pd.read_parquet, p / "index.parquet").assign(shard=p.name) for p in sorted(self.folder.glob("[0-9a-f]*"))]
        if not parts:
            return pd.DataFrame(columns=["key", "start", "n_frames", "reason", "shard"])
        return pd.concat(parts).sort_values("reason", kind="stable", ignore_index=True).drop_duplicates("key")

    def missing(self, keys, again=None):
        """Blocks of positions in `keys` still to be computed, one block a shard, with those that failed for a reason that holds `again`.

        Blocks are cut from the whole list, so that an interrupted run ends with the same shards as an undisturbed one.
        """
        index = self.index()
        known = set(index["key"] if again is None else index["key"][~index["reason"].str.contains(again, regex=False)])
        blocks = [range(i, min(i + SHARD_SOUNDS, len(keys))) for i in range(0, len(keys), SHARD_SOUNDS)]
        blocks = [[i for i in block if keys[i] not in known] for block in blocks]
        return [block for block in blocks if block]

    def write(self, keys, features, reasons, facts=None):
        """Write one shard.

        Parameters
        ----------
        keys : list of str
        features : list of np.ndarray, (n_frames, n_bins)
            Linear magnitudes; no frames at all for a sound that failed.
        reasons : list of str
            "" or why the sound failed.
        facts : pandas.DataFrame, n_sounds rows, optional
            What else `index` shall say of each sound.
        """
        n_frames = np.array([len(f) for f in features])
        index = pd.DataFrame({"key": keys, "start": np.cumsum(n_frames) - n_frames, "n_frames": n_frames, "reason": reasons})
        index = index if facts is None else pd.concat([index, facts.reset_index(drop=True)], axis=1)
        shard = self.folder / (digest(keys, reasons) if any(reasons) else digest(keys))  # one that failed may be tried again
        temporary = Path(tempfile.mkdtemp(prefix=".", dir=self.folder))
        try:
            np.save(temporary / "frames.npy", np.concatenate([f for f in features if len(f)] or features[:1]).astype(self.dtype))
            index.to_parquet(temporary / "index.parquet", index=False)
            os.rename(temporary, shard)
        except OSError:
            if not shard.is_dir():  # otherwise another process was first, with the same bytes
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def read(self, keys):
        """Frames of the given sounds, one after another.

        Returns
        -------
        frames : np.ndarray, (n_frames, n_bins), dtype
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
        n_bins = max((_frames(self.folder / shard).shape[1] for shard in rows["shard"].unique()), default=0)  # fewer where all of a shard failed
        frames = np.empty((ends[-1] if len(ends) else 0, n_bins), self.dtype)
        places = rows.assign(end=ends)
        for shard, group in places.groupby("shard", sort=False):
            source = _frames(self.folder / shard)
            for start, n, end in zip(group["start"], group["n_frames"], group["end"]):
                frames[end - n:end] = source[start:start + n]
        return frames, rows["n_frames"].to_numpy()

    def forget(self, keys):
        """Remove the shards that hold none of the given sounds."""
        index = self.index()
        for shard in set(index["shard"]) - set(index["shard"][index["key"].isin(keys)]):
            shutil.rmtree(self.folder / shard)


class Lazily:
    """Arrays of the sounds of a store in some order, read one at a time when they are asked for.

    Parameters
    ----------
    store : FeatureStore
    index : pandas.DataFrame
        Rows of its `index`, in the order wanted.
    """

    def __init__(self, store, index):
        self.folder, self.open = store.folder, (None, None)
        self.rows = list(zip(index["shard"], index["start"], index["n_frames"]))

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        shard, start, n = self.rows[i]
        if self.open[0] != shard:  # one at a time: pages of all shards together would count as memory of this process
            self.open = shard, _frames(self.folder / shard)
        return np.array(self.open[1][start:start + n])
