"""Units: the frames of a corpus that a path may be played with, and the audio around them.

A unit is a frame: its place in the space, its sound and its time within that sound. Audio is never stored: a sound is
rendered or decoded when one of its units is played, and the latest ones are kept.

Source
------
Concatenative synthesis by units from a corpus: Schwarz 2007, "Corpus-based concatenative synthesis". Chapter 06.
"""

from collections import OrderedDict
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pooch
from scipy.spatial import cKDTree

from . import transposition
from .features import log_compress
from .sounds import catalog, decode, soundfont, sources

CACHE_BYTES = 256 * 2**20
MANY = 1_000  # units left out, beyond which the others get a tree of their own: in place of as many more neighbors of each point
QUIET_DB = 40.0
SPECTRUM_BINS = 4  # neighboring bins summed up in a unit's spectrum, 6 bands an octave are left


class Units:
    """The units of a dataset.

    Parameters
    ----------
    z : np.ndarray, (n_frames_total, n_dims)
        Places of all frames of the dataset.
    dataset : Dataset
    cfg : Config
    keep : np.ndarray, (n_sounds,), bool, optional
        Sounds that may be played; all if not given.

    Attributes
    ----------
    z : np.ndarray, (n_units, n_dims), float32
    sound, frame : np.ndarray, (n_units,), int64
        Row in the table of sounds, and frame number within that sound. Units of one sound follow each other.
    row : np.ndarray, (n_units,), int64
        Of `dataset.frames`.
    source : np.ndarray, (n_units,), int64
        Row in the table of the sound that is played: of a copy, that of which it is one; see `transposition`.
    speed, time : np.ndarray, (n_units,), float
        How fast it is played, and where in the sound itself a unit lies, in its frames.
    frame_s : float
        Seconds from one frame to the next.

    Raises
    ------
    ValueError
        Nothing is left to play, or the places are not those of this dataset.
    """

    def __init__(self, z, dataset, cfg, keep=None):
        if len(z) != len(dataset.frames) or not np.isfinite(z).all():
            raise ValueError(f"expected a finite place for each of {len(dataset.frames)} frames, found {np.shape(z)}: embed this dataset")
        sound = dataset.sound_of_frame()
        self.row = np.arange(len(sound)) if keep is None else np.flatnonzero(keep[sound])
        if not len(self.row):
            raise ValueError("expected at least one sound to play from, found none: keep more sounds")
        self.z, self.sound = np.asarray(z, np.float32)[self.row], sound[self.row]
        self.frame = self.row - dataset.start[self.sound]
        self.source = np.asarray(dataset.table.get("copy_of", np.arange(len(dataset))))[self.sound]
        self.speed = transposition.speed(dataset.table.get("transpose", np.zeros(len(dataset))))[self.sound]
        self.time = self.frame * self.speed
        self.dataset, self.gain, self.frame_s = dataset, cfg.gain, cfg.hop_length / cfg.sr

    def __len__(self):
        return len(self.z)

    @cached_property
    def tree(self):
        """The KD-tree of all places, made once."""
        return cKDTree(self.z)

    @cached_property
    def own(self):
        """Places of the units of all sounds as they are, without those of copies, (n, n_dims)."""
        return self.z[self.source == self.sound]

    @cached_property
    def radius(self):
        """Root mean square distance of these from their mean: how large the corpus is in the space."""
        return float(np.sqrt(self.own.var(axis=0).sum()))

    @cached_property
    def _last(self):
        return np.flatnonzero(np.append(np.diff(self.sound) != 0, True))

    @cached_property
    def _compressed(self):
        """Log magnitudes of all values of half precision by their bits, (65536,): to look one up is faster than to work it out."""
        values = np.arange(2**16, dtype=np.uint16).view(np.float16)
        return log_compress(np.where(values >= 0, values, 0).astype(np.float32), self.gain)

    @cached_property
    def audible(self):
        """Which frames of the dataset count as sound, (n_frames_total,), bool."""
        return self.dataset.audible()

    @cached_property
    def quiet(self):
        """Which units are quieter than the loudest of their sound by more than `QUIET_DB`, (n_units,), bool: a hole where they are played."""
        return ~self.dataset.audible(QUIET_DB)[self.row]

    def end(self, units):
        """The last unit of the sound that each unit belongs to."""
        return self._last[np.searchsorted(self._last, units)]

    def check(self, path, least=1):
        """The path as an array, if it leads through the corpus.

        Parameters
        ----------
        path : np.ndarray, (n_steps, n_dims)
        least : int
            Steps it must have.

        Raises
        ------
        ValueError
            Too short, of another number of dimensions, not finite, or farther from all units than the corpus is large.
        """
        path = np.asarray(path, np.float32)
        if path.ndim != 2 or len(path) < least or path.shape[1] != self.z.shape[1] or not np.isfinite(path).all():
            raise ValueError(f"expected a finite path (n_steps, {self.z.shape[1]}) of at least {least} steps, found {path.shape}")
        far = float(self.tree.query(path)[0].max())
        if far > max(self.radius, 1e-6):
            raise ValueError(
                f"expected a path through the corpus, found a point {far:.3g} away from every unit, where the corpus has a "
                f"radius of {self.radius:.3g}: choose points nearer to its sounds"
            )
        return path

    def nearest(self, path, k=1, banned=()):
        """The k nearest units of each path point that are of no banned sound, nearest first.

        Parameters
        ----------
        path : np.ndarray, (n_steps, n_dims)
        k : int
        banned : sequence of int
            Rows of the table of sounds; with each, all copies of the same sound.

        Returns
        -------
        np.ndarray, (n_steps, min(k, units left)), int64

        Raises
        ------
        ValueError
            All units are banned.
        """
        is_banned = np.isin(self.source, self.source[np.isin(self.sound, banned)]) if len(banned) else np.zeros(len(self), bool)
        n_banned = int(is_banned.sum())  # the k nearest others are among the k + n_banned nearest
        k = min(k, len(self) - n_banned)
        if not k:
            raise ValueError("expected at least one sound to play from, found none: leave out fewer sounds")
        if n_banned > MANY:
            free = np.flatnonzero(~is_banned)
            return free[cKDTree(self.z[free]).query(path, k=np.arange(1, k + 1), workers=-1)[1]]
        found = self.tree.query(path, k=np.arange(1, k + n_banned + 1), workers=-1)[1]
        free = ~is_banned[found]
        place = np.argsort(~free, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(found, place, axis=1)

    def spectra(self, units):
        """Log magnitudes of units in bands of 4 bins, units.shape + (n_bands,), float32."""
        units = np.asarray(units)
        x = self._compressed.take(self.dataset.frames[self.row[units.ravel()]].astype(np.float16, copy=False).view(np.uint16))
        n_bands = x.shape[1] // SPECTRUM_BINS
        mean = np.full(SPECTRUM_BINS, 1 / SPECTRUM_BINS, np.float32)
        return x[:, :n_bands * SPECTRUM_BINS].reshape(*units.shape, n_bands, SPECTRUM_BINS) @ mean

    def magnitudes(self, units, n):
        """The `n` frames from each unit on, one stretch after another, silence past a sound's end: (len(units) * n, n_bins), float32."""
        frame, end = np.asarray(units)[:, None] + np.arange(n), self.end(units)[:, None]
        x = self.dataset.frames[self.row[np.minimum(frame, end).ravel()]].astype(np.float32)
        return x * (frame <= end).reshape(-1, 1)

    def level(self, units):
        """Level of the frames of units in dB, (n,), float: 0 where the magnitudes sum up to 1 in power."""
        x = self.dataset.frames[self.row[units]].astype(np.float32)
        return 10 * np.log10(np.square(x).sum(axis=-1) + 1e-6)


class SourceChanged(ValueError):
    """The file of a sound is not there any more, or is another one."""


@lru_cache(maxsize=4096)
def _checksum(path, size, modified):
    return pooch.file_hash(path)


class AudioCache:
    """Audio of the sounds of a table, rendered or decoded on demand; the latest are kept, up to a number of bytes.

    Where the table has the `gain` of `Dataset.leveled`, it is at the level at which the network heard the sound.

    Parameters
    ----------
    table : pandas.DataFrame
        See `catalog.table`; where it has checksums, source files must still have them.
    limit : int
        Bytes; the sound in use is kept in any case.
    """

    sr = soundfont.SR

    def __init__(self, table, limit=CACHE_BYTES):
        self.table, self.limit, self.size, self.kept = table, limit, 0, OrderedDict()

    def gain(self, sounds):
        """By which factors sounds are louder here than in their files, (n,), float."""
        return self.table["gain"].to_numpy(float)[sounds] if "gain" in self.table else np.ones(len(sounds))

    def __call__(self, sound):
        """Mono samples of one sound at 44.1 kHz, (n_samples,), float32.

        Raises
        ------
        SourceChanged
            Its file is missing, cannot be decoded, or is not the one that was analyzed.
        """
        sound = int(sound)
        if sound not in self.kept:
            row = self.table.iloc[sound]
            file = row["path"] if isinstance(row.get("path"), str) else sources.soundfont_file(row["library"])
            try:
                stat = Path(file).stat()
                known = row.get("checksum")
                if isinstance(known, str) and known and _checksum(str(file), stat.st_size, stat.st_mtime_ns) != known:
                    raise SourceChanged(f"expected the file that was analyzed, found another one at {file}: analyze the sounds again")
                y = transposition.audio(catalog.audio(row)[0], self.sr, row.get("transpose", 0)) * np.float32(self.gain([sound])[0])
            except (OSError, decode.DecodeError) as error:
                raise SourceChanged(f"expected the source of {row['sound_id']}, found {error}: put {file} back, or analyze again") from None
            self.kept[sound] = y
            self.size += y.nbytes
            while self.size > self.limit and len(self.kept) > 1:
                self.size -= self.kept.popitem(last=False)[1].nbytes
        self.kept.move_to_end(sound)
        return self.kept[sound]
