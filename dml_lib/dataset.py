"""The table of sounds joined to its features and splits, and windows cut from them."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from . import features
from .config import check_name
from .sounds import catalog, soundfont
from .store import FeatureStore, digest

SPLITS = ("random", "held_out", "real")
FRACTIONS = {"train": 0.60, "valid": 0.15, "test": 0.25}  # paper: 72k / 18k / 30k of 120k
SILENT_DB = 60.0


@dataclass
class Dataset:
    """Sounds with their frames.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a sound, see `catalog.table`; `split` is train, valid or test.
    frames : np.ndarray, (n_frames_total, n_bins), float16
        Linear constant-Q magnitudes of all sounds, one after another.
    start, n_frames : np.ndarray, (n_sounds,), int64
        Where each sound lies in `frames`.
    """

    table: pd.DataFrame
    frames: np.ndarray
    start: np.ndarray
    n_frames: np.ndarray

    def __len__(self):
        return len(self.table)

    def where(self, i):
        """Rows of sound `i` in `frames`, a slice."""
        return slice(self.start[i], self.start[i] + self.n_frames[i])

    def features(self, i):
        """Linear magnitudes of sound `i`, (n_frames, n_bins), float16."""
        return self.frames[self.where(i)]

    def windows(self, sounds, frames, n_in):
        """Windows around frames: frame n - n_in/2 to n + n_in/2 - 1, zero beyond a sound's ends.

        Parameters
        ----------
        sounds, frames : np.ndarray, (batch,), int
            Sound numbers, and frame numbers within those sounds.
        n_in : int
            Frames a window.

        Returns
        -------
        np.ndarray, (batch, n_in, n_bins), float32
            Linear magnitudes.

        Source
        ------
        Original code: the window for frame n covers n - 5 to n + 4.
        """
        t = np.asarray(frames)[:, None] + np.arange(n_in) - n_in // 2
        inside = (t >= 0) & (t < self.n_frames[sounds][:, None])
        rows = np.where(inside, self.start[sounds][:, None] + t, 0)
        return self.frames[rows].astype(np.float32) * inside[:, :, None]

    def energy(self):
        """Summed magnitude of each frame, (n_frames_total,), float32."""
        return self.frames.sum(axis=1, dtype=np.float32)

    def audible(self):
        """Which frames count as sound: peak within 60 dB of their sound's maximum; all frames if none.

        Returns
        -------
        np.ndarray, (n_frames_total,), bool
        """
        peak = self.frames.max(axis=1).astype(np.float32)
        loudest = np.maximum.reduceat(peak, self.start)
        return peak >= np.repeat(loudest, self.n_frames) * 10 ** (-SILENT_DB / 20)

    def sound_of_frame(self):
        """The sound number of each frame, (n_frames_total,), int64."""
        return np.repeat(np.arange(len(self)), self.n_frames)

    def subset(self, mask):
        """The sounds where `mask` (n_sounds, bool) holds, as a dataset of their own."""
        keep = mask[self.sound_of_frame()]
        n = self.n_frames[mask]
        return Dataset(self.table[mask].reset_index(drop=True), self.frames[keep], np.cumsum(n) - n, n)


def random_split(n_sounds, seed):
    """Assign each sound to train, valid or test by chance.

    Optimistic: notes of one recorded specimen fall on all sides.

    Returns
    -------
    np.ndarray, (n_sounds,), str

    Source
    ------
    Paper, section 3: 60 / 15 / 25 per cent by sound.
    """
    names, shares = list(FRACTIONS), np.cumsum(list(FRACTIONS.values()))
    rank = np.random.default_rng([seed, 1]).permutation(n_sounds)
    return np.array(names)[np.searchsorted(shares, (rank + 0.5) / n_sounds)]


NOT_RUN = {
    "held_out": "needs networks trained without one source family; this run trains one network a scheme on all its sources",
    "real": "needs labeled recordings as a test set; this run has rendered notes only",
}  # splits of the protocol without figures, and why


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
    far = (rows["note_number"] - note_number).abs()
    return int(rows[far == far.min()]["seconds"].idxmax())


def _analyze(rows, cfg):
    """Render and analyze some rows of the table: (features, reasons)."""
    torch.set_num_threads(1)  # one process a core
    sounds, reasons = [], []
    for row in rows.to_dict("records"):
        try:
            sounds.append(features.resample(*catalog.audio(row), cfg.sr))
            reasons.append("")
        except soundfont.RenderError as error:
            reasons.append(str(error))
    analyzed = iter(features.cqt_many(sounds, features.ConstantQ(**cfg.front_end())))
    nothing = np.zeros((0, cfg.n_bins), np.float32)
    return [nothing if reason else next(analyzed) for reason in reasons], reasons


def build(cfg, run, progress=True):
    """The dataset of a run: render and analyze what the store lacks, read the rest.

    Parameters
    ----------
    cfg : Config
    run : paths.Run
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    dataset : Dataset
        Only sounds that rendered.
    skipped : pandas.DataFrame
        `sound_id, reason` of the others: reported, never used.

    Raises
    ------
    catalog.SourceMissing
        A source is not on this machine.
    """
    table = catalog.table(cfg)
    keys = [digest(sound_id, checksum) for sound_id, checksum in zip(table["sound_id"], table["checksum"])]
    store = FeatureStore(run.store, cfg.front_end())
    blocks = store.missing(keys)
    if blocks:
        spawn = multiprocessing.get_context("spawn")  # forking after torch has threads can deadlock
        bar = tqdm(total=sum(map(len, blocks)), unit=" sounds", desc="analyze", disable=not progress)
        with ProcessPoolExecutor(min(cfg.threads, len(blocks)), mp_context=spawn) as pool, bar:
            jobs = {pool.submit(_analyze, table.iloc[block], cfg): block for block in blocks}
            for job in as_completed(jobs):
                block = jobs.pop(job)
                store.write([keys[i] for i in block], *job.result())
                bar.update(len(block))
    index = store.index().set_index("key").loc[keys]
    good = (index["reason"] == "").to_numpy()
    skipped = table.loc[~good, ["sound_id"]].assign(reason=index["reason"].to_numpy()[~good]).reset_index(drop=True)
    table = table[good].reset_index(drop=True)
    frames, n_frames = store.read([key for key, ok in zip(keys, good) if ok])
    table["split"] = random_split(len(table), cfg.seed)
    return Dataset(table, frames, np.cumsum(n_frames) - n_frames, n_frames), skipped
