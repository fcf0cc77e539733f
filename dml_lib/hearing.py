"""One file of a user: decoded, analyzed, embedded, described, and made short enough for a page, alone and by any process.

Each file is heard by itself, so it has the same place whatever else is in the call, on whatever machine, in whatever
order. What is known of a sound after that, its *facts*, is plain numbers and bytes: a few hundred bytes a sound.

Source
------
Our choice. `library` calls it, chapter 07 explains it.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile

from . import disputes, duplicates, previews
from .dataset import SILENT_DB, Dataset
from .encoder import Encoder
from .sounds import decode, soundfont
from .weights import open_weights

MAX_SECONDS = 60.0  # of a file: what a map of sounds needs, and a bound on memory
MAX_COPIED = 300_000  # bytes of an MP3 that serves as its own preview


def facts(y, x, cfg):
    """What can be said of a sound without any label.

    Parameters
    ----------
    y : np.ndarray, (n_samples,)
        At `cfg.sr`.
    x : np.ndarray, (n_frames, n_bins)
        Linear magnitudes.
    cfg : Config

    Returns
    -------
    dict
        `loudness_db` (RMS of its loud frames, full scale 0), `centroid_hz` (mean of the bins, by magnitude), `attack_s`
        (from the first loud frame to the loudest), `note_estimate` (see `disputes.pitch`).
    """
    loud = np.flatnonzero(Dataset.single(x).audible(disputes.LOUD_DB))
    power = np.add.reduceat(np.square(y), np.arange(0, len(y), cfg.hop_length)) / cfg.hop_length
    power = power[loud[loud < len(power)]]
    mean = x[loud].mean(axis=0, dtype=np.float64)
    bins = cfg.fmin * 2 ** (np.arange(cfg.n_bins) / cfg.bins_per_octave)
    return {
        "loudness_db": float(10 * np.log10(max(power.mean() if len(power) else 0.0, 1e-12))),
        "centroid_hz": float(bins @ mean / max(mean.sum(), 1e-12)),
        "attack_s": float((x.max(axis=1).argmax() - loud[0]) * cfg.hop_length / cfg.sr),
        "note_estimate": float(disputes.pitch(x[loud], cfg)),
    }


@lru_cache(maxsize=2)
def _ears(weights, digest):
    """Opened once a process."""
    return Encoder(*open_weights(weights))


def _begins(y, sr):
    """Where the preview of a sound (n_samples,) begins, s: at once, or where it is first heard if a preview would be silent before."""
    level = np.abs(y)
    first = float(np.argmax(level >= max(level.max() * 10 ** (-SILENT_DB / 20), decode.SILENCE)) / sr)
    return first if first >= previews.MAX_PREVIEW_S else 0.0


def _preview(path, seconds, begins):
    """A sound as a short MP3; a small one that is that already is left as it is."""
    file = Path(path)
    if file.suffix.lower() == ".mp3" and seconds < previews.MAX_PREVIEW_S and file.stat().st_size <= MAX_COPIED:
        if soundfile.info(path).format == "MP3":
            return file.read_bytes()
    y, info = decode.decode(path, soundfont.SR, begins + previews.MAX_PREVIEW_S)
    y = y[round(begins * soundfont.SR):]
    return previews.mp3(previews.faded(y, soundfont.SR) if info.cut else y, soundfont.SR)


def hear(path, weights, digest, preview):
    """All that a map needs of one file.

    Parameters
    ----------
    path, weights : str
        An audio file, and the file of the network.
    digest : str
        Of the weights: another file by the same name is opened again.
    preview : bool
        Make one.

    Returns
    -------
    x : np.ndarray, (n_frames, n_bins), float16
        Linear magnitudes.
    z : np.ndarray, (n_frames, n_dims), float32
    facts : dict
        Those of `facts`; `x, y, z`, the median place; `seconds` of the file (see `decode.Info`), `cut` (whether only its
        first minute was heard); `wave` and `sketch`, bytes.
    body : bytes or None
        MP3.

    Raises
    ------
    decode.DecodeError
    """
    ears = _ears(weights, digest)
    y, info = decode.decode(path, ears.cfg.sr, MAX_SECONDS)
    data = ears.analyzed(y)
    z, points = ears.placed(data)
    known = facts(y, data.frames.astype(np.float32), ears.cfg) | dict(zip("xyz", map(float, points[0])))
    known |= {"seconds": info.seconds, "cut": info.cut, "sketch": duplicates.sketch(duplicates.fingerprint(data))[0].tobytes()}
    begins = _begins(y, ears.cfg.sr)
    known["wave"] = previews.waveform(y[round(begins * ears.cfg.sr):][:round(previews.MAX_PREVIEW_S * ears.cfg.sr)]).tobytes()
    return data.frames, z, known, _preview(path, info.seconds, begins) if preview else None


def hear_many(paths, weights, digest, preview):
    """`hear` some files, one after another: a list of what it gave, or of the reason (str) why a file is no usable sound."""
    heard = []
    for path in paths:
        try:
            heard.append(hear(path, weights, digest, preview))
        except decode.DecodeError as error:
            heard.append(str(error))
        except MemoryError:
            raise
        except Exception as error:  # of any kind: the other files must go on
            heard.append(f"{type(error).__name__}: {error}")
    return heard
