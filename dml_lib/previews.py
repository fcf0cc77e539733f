"""Short compressed sounds for a page, and the small pictures that go with them."""

import hashlib
import io
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import soundfile
from tqdm import tqdm

from .features import log_compress
from .sounds import decode, soundfont

MAX_PREVIEW_S = 5.0
FADE_S = 0.03  # at the end of a sound that was cut
BLOCK = 50  # sounds in memory at a time
WAVE, BINS = 120, 48  # columns of a waveform, rows of a constant-Q thumbnail


def mp3(y, sr):
    """Encode mono sound as MP3 bytes; loud sounds are scaled down to full scale, never clipped.

    Parameters
    ----------
    y : np.ndarray, (n_samples,), float
    sr : int
        Hz.

    Raises
    ------
    ValueError
        No samples, or samples that are not finite.
    """
    y = np.asarray(y, np.float32)
    if y.ndim != 1 or not len(y) or not np.isfinite(y).all():
        raise ValueError(f"expected finite mono samples, found shape {y.shape}")
    y = y * min(1.0, 0.99 / max(float(np.abs(y).max()), 1e-9))
    buffer = io.BytesIO()
    soundfile.write(buffer, y, sr, format="MP3")
    return buffer.getvalue()


def faded(y, sr):
    """Samples whose last 30 ms fade out: the end of a sound that was cut."""
    return y * np.minimum(1, (len(y) - np.arange(len(y))) / (FADE_S * sr)).astype(np.float32)


def waveform(y):
    """Largest magnitude in each of `WAVE` stretches, as bytes, the loudest of which is 255 (0 for silence).

    Parameters
    ----------
    y : np.ndarray, (n_samples,), float

    Returns
    -------
    np.ndarray, (WAVE,), uint8
    """
    edges = np.minimum(np.linspace(0, len(y), WAVE + 1).astype(int)[:-1], len(y) - 1)
    peaks = np.maximum.reduceat(np.abs(y), edges)
    return np.rint(255 * peaks / max(float(peaks.max()), 1e-9)).astype(np.uint8)


def thumbnail(picture, gain):
    """Log constant-Q as bytes, `BINS` rows, each the loudest of its bins; the loudest of all is 255.

    Parameters
    ----------
    picture : np.ndarray, (n_frames, n_bins)
        Linear magnitudes.
    gain : float

    Returns
    -------
    np.ndarray, (n_frames, BINS), uint8
    """
    z = log_compress(np.asarray(picture, np.float32), gain)
    z = np.maximum.reduceat(z, np.linspace(0, z.shape[1], BINS + 1).astype(int)[:-1], axis=1)
    return np.rint(255 * z / max(float(z.max()), 1e-9)).astype(np.uint8)


def _key(row):
    """What a preview's file is called: nothing of its sound's name, and the same in the next run where its content is known."""
    what = [row.get("sound_id"), row.get("path"), row.get("checksum") or row.name]
    return hashlib.sha256(repr(what).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _preview(row, audio, folder, max_seconds):
    """(key, samples and rate to encode or None, waveform) of one row; key "" for what is no sound."""
    key = _key(row)
    if row.get("checksum") and (file := folder / f"{key}.mp3").is_file():
        return key, None, waveform(soundfile.read(file, dtype="float32")[0])
    try:
        y, sr = audio(row)
    except (decode.DecodeError, soundfont.RenderError):
        return "", None, None
    if len(y) > (cut := round(max_seconds * sr)):
        y = faded(y[:cut], sr)
    return key, (y, sr), waveform(y)


def write(folder, table, audio, progress=True, say=print, max_seconds=MAX_PREVIEW_S):
    """Write an MP3 of each sound of a table; one that is there already, by its checksum, is not made again.

    Parameters
    ----------
    folder : path
        Previews of sounds that are not in the table are removed from it, other files never.
    table : pandas.DataFrame
        Rows that `audio` takes.
    audio : callable
        From a row to (y, sr). One by one, because the renderer of soundfonts has one state; they are encoded in parallel.
    progress : bool
    say : callable
        Told how large all will be once the first are known.
    max_seconds : float
        Longer sounds are cut, and fade out.

    Returns
    -------
    keys : list of str
        File of each sound without `.mp3`, "" where there is no sound.
    waves : list of np.ndarray, (WAVE,), uint8, or None
    size : int
        Bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    n, sizes = len(table), {}
    keys, waves, step = [""] * n, [None] * n, -(-n // BLOCK)
    with ThreadPoolExecutor() as pool, tqdm(total=n, unit=" sounds", desc="previews", disable=not progress) as bar:
        for first in range(step):  # each block is a sample of all: the first says how large all will be
            rows = range(first, n, step)
            made = [_preview(table.iloc[i], audio, folder, max_seconds) for i in rows]
            new = [(key, sound) for key, sound, _ in made if sound is not None]
            for (key, _), body in zip(new, pool.map(lambda item: mp3(*item[1]), new)):
                (folder / f"{key}.mp3").write_bytes(body)
            sizes |= {key: (folder / f"{key}.mp3").stat().st_size for key, _, _ in made if key}
            for i, (key, _, wave) in zip(rows, made):
                keys[i], waves[i] = key, wave
            if first == 0:
                expected = sum(sizes.values()) / len(made) * n / 1e6
                say(f"previews: {n:,} of at most {max_seconds:.0f} s, about {expected:.1f} MB of MP3")
            bar.update(len(made))
    for file in folder.glob("*.mp3"):
        if re.fullmatch("[0-9a-f]{16}", file.stem) and file.stem not in sizes:
            file.unlink()
    return keys, waves, sum(sizes.values())


def ready(folder, table):
    """What `write` returns, for previews made before: columns `preview` (key or "") and `wave` (bytes) of a table; else none."""
    if "preview" not in table:
        return [""] * len(table), [None] * len(table), 0
    keys, waves = table["preview"].tolist(), [np.frombuffer(wave, np.uint8) for wave in table["wave"]]
    return keys, waves, sum((folder / f"{key}.mp3").stat().st_size for key in set(keys) if key)
