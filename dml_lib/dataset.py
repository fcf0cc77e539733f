"""The table of sounds joined to its features and splits, and windows cut from them."""

import multiprocessing
import shutil
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from . import features
from .config import check_name
from .intake import can_start
from .sounds import catalog, decode, soundfont, sources
from .splits import SPLITS, protocols
from .store import FeatureStore, digest

SILENT_DB = 60.0


@dataclass
class Dataset:
    """Sounds with their frames.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a sound, see `catalog.table`; the columns `random`, `held_out` and `real` are those of `protocols`.
    frames : np.ndarray, (n_frames_total, n_bins), float16
        Linear constant-Q magnitudes of all sounds, one after another.
    n_frames : np.ndarray, (n_sounds,), int64
    """

    table: pd.DataFrame
    frames: np.ndarray
    n_frames: np.ndarray

    @classmethod
    def single(cls, x):
        """One sound without labels, of its magnitudes (n_frames, n_bins)."""
        return cls(pd.DataFrame(index=[0]), x, np.array([len(x)]))

    @classmethod
    def joined(cls, parts):
        """The sounds of several datasets, one after another."""
        table = pd.concat([part.table for part in parts], ignore_index=True)
        return cls(table, np.concatenate([part.frames for part in parts]), np.concatenate([part.n_frames for part in parts]))

    @cached_property
    def start(self):
        """Where each sound begins in `frames`, (n_sounds,), int64."""
        return np.cumsum(self.n_frames) - self.n_frames

    @property
    def splits(self):
        """Which of `SPLITS` its table has; networks of one run share the training sounds of all."""
        return [split for split in SPLITS if split in self.table]

    def __len__(self):
        return len(self.table)

    def where(self, i):
        """Rows of sound `i` in `frames`, a slice."""
        return slice(self.start[i], self.start[i] + self.n_frames[i])

    def features(self, i):
        """Linear magnitudes of sound `i`, (n_frames, n_bins), float16."""
        return self.frames[self.where(i)]

    def windows(self, sounds, frames, n_in, zero_padding=True):
        """Windows around frames: frame n - n_in/2 to n + n_in/2 - 1, zero beyond a sound's ends.

        Parameters
        ----------
        sounds, frames : np.ndarray, (batch,), int
            Sound numbers, and frame numbers within those sounds.
        n_in : int
            Frames a window.
        zero_padding : bool
            Else the first and the last frame are repeated beyond the ends.

        Returns
        -------
        np.ndarray, (batch, n_in, n_bins), float32
            Linear magnitudes.

        Source
        ------
        Original code: the window for frame n covers n - 5 to n + 4.
        """
        t = np.asarray(frames)[:, None] + np.arange(n_in) - n_in // 2
        within = np.clip(t, 0, self.n_frames[sounds][:, None] - 1)
        x = self.frames[self.start[sounds][:, None] + within].astype(np.float32)
        return x * (t == within)[:, :, None] if zero_padding else x

    def audible(self, within_db=SILENT_DB):
        """Which frames count as sound: peak within 60 dB, or so many, of their sound's maximum; all frames if none.

        Returns
        -------
        np.ndarray, (n_frames_total,), bool
        """
        peak = self.frames.max(axis=1).astype(np.float32)
        loudest = np.maximum.reduceat(peak, self.start)
        return peak >= np.repeat(loudest, self.n_frames) * 10 ** (-within_db / 20)

    def leveled(self, level):
        """The same sounds, each scaled so that its peak magnitude is `level`; 0 leaves levels as they are.

        The column `gain` of the table says by which factor in all.
        """
        if not level:
            return self
        peak = np.maximum.reduceat(self.frames.max(axis=1), self.start).astype(np.float32)
        gain = level / np.maximum(peak, 1e-6)
        factor = np.repeat(gain, self.n_frames).astype(np.float32)
        frames = np.multiply(self.frames, factor[:, None], np.empty_like(self.frames), dtype=np.float32, casting="unsafe")  # in blocks
        return replace(self, table=self.table.assign(gain=gain * self.table.get("gain", 1.0)), frames=frames)

    def sound_of_frame(self):
        """The sound number of each frame, (n_frames_total,), int64."""
        return np.repeat(np.arange(len(self)), self.n_frames)

    def subset(self, mask):
        """The sounds where `mask` (n_sounds, bool) holds, as a dataset of their own."""
        keep = mask[self.sound_of_frame()]
        n = self.n_frames[mask]
        return Dataset(self.table[mask].reset_index(drop=True), self.frames[keep], n)


def exemplar(table, instrument, note_number=60):
    """The sound to show an instrument by: a long one, if there is any, at the nearest note.

    Parameters
    ----------
    table : pandas.DataFrame
    instrument : str
        Canonical slug.
    note_number : int

    Returns
    -------
    int
        Row number in the table.

    Raises
    ------
    ValueError
        The table has no such instrument.
    """
    check_name("instrument", instrument, sorted(table["instrument"].dropna().unique()))
    rows = table[table["instrument"] == instrument]
    long = rows[rows["articulation"] == "long"]
    rows = long if len(long) else rows
    far = (rows["note_number"] - note_number).abs().astype(float).fillna(np.inf)
    return int(rows[far == far.min()]["seconds"].astype(float).fillna(0).idxmax())


def _analyze(rows, cfg):
    """Render or decode some rows of the table and analyze them: (features, reasons)."""
    torch.set_num_threads(1)  # one process a core
    sounds, reasons = [], []
    for row in rows.to_dict("records"):
        try:
            sounds.append(catalog.audio(row, cfg.sr)[0])
            reasons.append("")
        except (soundfont.RenderError, decode.DecodeError) as error:
            reasons.append(str(error))
    analyzed = iter(features.cqt_many(sounds, features.ConstantQ(**cfg.front_end())))
    nothing = np.zeros((0, cfg.n_bins), np.float32)
    return [nothing if reason else next(analyzed) for reason in reasons], reasons


def analyze(table, cfg, run, progress=True):
    """The features of some sounds: render, decode and analyze what the store lacks, read the rest.

    May be killed at any moment and run again; it goes on where it was. Processes share the work, so a script needs
    `if __name__ == "__main__":` around the call.

    Parameters
    ----------
    table : pandas.DataFrame
        Recipes or files, see `catalog`.
    cfg : Config
    run : paths.Run
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    dataset : Dataset
        Only sounds that could be used, at the level of their files: a network hears them as `leveled(cfg.level)`. `recorded`
        in its table tells files from recipes.
    skipped : pandas.DataFrame
        `sound_id, reason` of the others: reported, never used. They are also left in `skipped.csv` of the run, with
        their paths (a recipe has none: its `sound_id`).
    """
    recorded = table["path"].notna().to_numpy() if "path" in table else np.zeros(len(table), bool)
    keys = [digest(c) if r else digest(s, c) for s, c, r in zip(table["sound_id"], table["checksum"], recorded)]
    store = FeatureStore(run.store, cfg.front_end())
    blocks = store.missing(keys, decode.NEEDS_FFMPEG if shutil.which("ffmpeg") else None)  # which perhaps was not there before
    if blocks:
        spawn = multiprocessing.get_context("spawn")  # forking after torch has threads can deadlock
        bar = tqdm(total=sum(map(len, blocks)), unit=" sounds", desc="analyze", disable=not progress)
        with ProcessPoolExecutor(min(cfg.threads, len(blocks)), mp_context=spawn) as pool, bar:
            jobs = {pool.submit(_analyze, table.iloc[block], cfg): block for block in blocks}
            try:
                for job in as_completed(jobs):
                    block = jobs.pop(job)
                    store.write([keys[i] for i in block], *job.result())
                    bar.update(len(block))
            except BrokenExecutor:
                can_start()
                raise RuntimeError("a process that analyzed sounds crashed: run it again, it goes on where it was; if it ends there again, a sound is to blame") from None
    index = store.index().set_index("key").loc[keys]
    good = (index["reason"] == "").to_numpy()
    bad = table[~good].assign(reason=index["reason"].to_numpy()[~good]).reset_index(drop=True)
    places = bad["path"].fillna(bad["sound_id"]) if "path" in bad else bad["sound_id"]
    pd.DataFrame({"path": places, "reason": bad["reason"]}).to_csv(run.skipped, index=False)
    frames, n_frames = store.read([key for key, ok in zip(keys, good) if ok])
    table = table[good].reset_index(drop=True).assign(recorded=recorded[good])
    return Dataset(table, frames, n_frames), bad[["sound_id", "reason"]]


def build(cfg, run, progress=True):
    """The dataset of a run: the notes that it trains on and, where they are found, labeled recordings to test on.

    Parameters
    ----------
    cfg : Config
        `sources` to train on, `recordings` to test on.
    run : paths.Run
    progress : bool

    Returns
    -------
    dataset : Dataset
    skipped : pandas.DataFrame
        See `analyze`.

    Raises
    ------
    sources.SourceMissing
        A source to train on is not on this machine.
    """
    tables, rng = [catalog.table(cfg).assign(kind="note")], np.random.default_rng([cfg.seed, 8])
    for name in cfg.recordings:
        if sources.folder(name) and name not in cfg.sources:
            notes = catalog.notes(name)
            chosen = rng.choice(len(notes), min(cfg.recordings_each, len(notes)), replace=False)
            tables.append(notes.iloc[np.sort(chosen)])
    data, skipped = analyze(pd.concat(tables, ignore_index=True), cfg, run, progress)
    for name, split in protocols(data.table, cfg.seed, cfg.sources).items():
        data.table[name] = split
    return data.leveled(cfg.level), skipped
