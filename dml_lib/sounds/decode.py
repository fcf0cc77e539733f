"""Any audio file to mono samples at one sampling rate, or a short reason why not.

Conventions: samples are float32 of shape (n_samples,), full scale +-1, channels averaged (the loudest alone where they
cancel), mean (DC) removed before resampling. What cannot be used raises `DecodeError`, whose text is fit for a table of
skipped files.

Source
------
16 kHz mono is the paper's front end; libsndfile, soxr at its HQ setting and, for what libsndfile cannot read, the
program ffmpeg are our choice. Used by the chapters `01_sounds` and `07_your_library`.
"""

import os
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from numbers import Real
from pathlib import PurePath

import numpy as np
import soundfile
import soxr

NATIVE_SUFFIXES = frozenset(".wav .wave .w64 .rf64 .aif .aiff .aifc .flac .ogg .oga .opus .mp3 .caf .au .snd".split())
FFMPEG_SUFFIXES = frozenset(".m4a .m4b .aac .alac .wma .wv .ape .mka .weba .tta .mpc .ac3 .amr .mp2".split())
UNTOLD = 1 << 62  # frames: so many has a FLAC file that came out of a pipe
MIN_SR, MAX_SR = 4_000, 768_000  # Hz; outside, the header is damaged, and resampling could ask for any amount of memory
MAX_PEAK = 1e6  # far above integers stored as floats, the bytes are not samples
INTEGERS = 100.0  # a peak above which floats are taken for 16-bit integers: as they are, their magnitudes overflow half floats
CANCELED = 1e-3  # of the loudest channel's peak; a mean below is no sound of either, as where one channel is the other upside down
SILENCE = 1e-5  # -100 dBFS, below one step of 16 bits and above the stop band of the resampler
BLOCK = 1 << 20  # values read at a time, all channels together
FFMPEG_TIMEOUT_S = 120
NEEDS_FFMPEG = "needs the program ffmpeg"  # a file that failed for it is tried again once the program is there


class DecodeError(Exception):
    """A file that is no usable sound; the text is a short reason for its owner."""


@dataclass(frozen=True)
class Info:
    """What the file holds: native `sr` in Hz, `channels`, `cut` if only its beginning was read, `seconds` (of all of it;
    of what was read where it is cut and does not tell its length, and a second more where ffmpeg read it)."""
    sr: int
    channels: int
    seconds: float
    cut: bool


def is_audio_name(path):
    """Whether the suffix is one we decode; the `._` companions that macOS leaves beside files are not audio."""
    path = PurePath(path)
    return path.suffix.lower() in NATIVE_SUFFIXES | FFMPEG_SUFFIXES and not path.name.startswith("._")


def _open(path, flags):
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # else a named pipe waits for its writer


def _read(source, max_seconds):
    """Mono samples (n_samples,), float32, at the native rate, and `Info`, of a path or descriptor read in blocks."""
    with soundfile.SoundFile(source, closefd=False) as file:
        if not MIN_SR <= file.samplerate <= MAX_SR:
            raise DecodeError(f"sampling rate of {file.samplerate} Hz, expected {MIN_SR} to {MAX_SR}")
        blocks, left, step, loudest = [], int(max_seconds * file.samplerate), max(1, BLOCK // file.channels), 0
        while left > 0 and len(block := file.read(min(left, step), dtype="float32", always_2d=True)):
            with np.errstate(invalid="ignore", over="ignore"):  # decode() judges what comes out
                blocks.append(block.mean(axis=1))
                loudest = np.maximum(loudest, np.abs(block).max(axis=0))
            left -= len(block)
        if not blocks:
            raise DecodeError("holds no samples")
        mono, sr = np.concatenate(blocks), file.samplerate
        if np.abs(mono).max() < CANCELED * loudest.max():
            file.seek(0)
            again = file.blocks(step, frames=len(mono), dtype="float32", always_2d=True)
            mono = np.concatenate([block[:, loudest.argmax()] for block in again])
        cut = left == 0 and len(mono) < file.frames
        return mono, Info(sr, file.channels, (file.frames if cut and file.frames < UNTOLD else len(mono)) / sr, cut)


def _read_by_ffmpeg(path, head, error, max_seconds):
    """Second chance for what libsndfile refused with `error`, `head` being the first bytes; returns as `_read`."""
    suffix, ffmpeg, is_mp4 = PurePath(path).suffix.lower(), shutil.which("ffmpeg"), head[4:8] == b"ftyp"
    if not ffmpeg and (is_mp4 or suffix in FFMPEG_SUFFIXES):
        raise DecodeError(f"{'MP4 audio' if is_mp4 else suffix} {NEEDS_FFMPEG}, which was not found")
    if not ffmpeg:
        raise DecodeError(f"damaged or not audio: {error.error_string.strip(' .')}; starts with {head!r}")
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, "copy.w64")
        # A playlist under an audio name must not make ffmpeg reach for the network.
        command = [ffmpeg, "-nostdin", "-v", "error", "-protocol_whitelist", "file", "-i", f"file:{path}",
                   "-map", "0:a:0", "-t", str(max_seconds + 1), "-c:a", "pcm_f32le", "-f", "w64", copy]
        try:
            run = subprocess.run(command, capture_output=True, timeout=FFMPEG_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise DecodeError(f"ffmpeg did not finish in {FFMPEG_TIMEOUT_S} s") from None
        if run.returncode:
            said = run.stderr.decode(errors="replace").strip().rpartition(": ")[2]
            raise DecodeError(f"damaged or not audio: ffmpeg says {said!r}; starts with {head!r}")
        return _read(copy, max_seconds)


def decode(path, sr=16000, max_seconds=600):
    """Decode one file.

    Parameters
    ----------
    path : str, bytes or PathLike
    sr : int, in Hz
    max_seconds : float, the most that is read from the start

    Returns
    -------
    samples : np.ndarray, shape (n_samples,), float32
        Mono, finite, zero mean before resampling, at `sr`; never silent.
    info : Info

    Raises
    ------
    DecodeError
        With what was found: no such file, not a file, no permission, empty, damaged, NaN, silent.
    """
    path = os.fsdecode(path)
    try:
        with open(path, "rb", buffering=0, opener=_open) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise DecodeError("a pipe or device, not a file")
            if not (head := file.read(12)):
                raise DecodeError("empty file (0 bytes)")
            file.seek(0)
            try:
                mono, info = _read(file.fileno(), max_seconds)
            except soundfile.LibsndfileError as error:
                mono, info = _read_by_ffmpeg(path, head, error, max_seconds)
    except (OSError, ValueError, soundfile.SoundFileRuntimeError) as error:  # ValueError: a NUL in the path
        link = "link to a missing file: " if isinstance(error, FileNotFoundError) and os.path.islink(path) else ""
        raise DecodeError(link + (getattr(error, "strerror", None) or str(error))) from None
    return prepared(mono, info.sr, sr), info


def prepared(y, sr, target):
    """Samples (n_samples,), float, at `sr` Hz as `decode` gives those of a file: float32, zero mean, at `target` Hz.

    Raises
    ------
    DecodeError
        With what was found: another shape or type, an absurd rate, NaN, silence.
    """
    y = np.asarray(y)
    if y.ndim != 1 or y.dtype.kind != "f" or not len(y):
        raise DecodeError(f"{y.dtype} of shape {y.shape}, expected float samples (n_samples,) of full scale 1")
    if not (isinstance(sr, Real) and MIN_SR <= sr <= MAX_SR):
        raise DecodeError(f"sampling rate of {sr} Hz, expected {MIN_SR} to {MAX_SR}")
    peak = float(np.abs(y).max())
    if not peak <= MAX_PEAK:  # also true of NaN
        raise DecodeError(f"NaN, infinite or absurd sample values (peak {peak:g}, expected about 1)")
    y = y.astype(np.float32) / np.float32(2**15 if peak > INTEGERS else 1)
    y -= y.mean(dtype=np.float64)  # before resampling, which would ring at the step at either end
    samples = soxr.resample(y, sr, target)
    if not len(samples):
        raise DecodeError(f"only {len(y)} samples at {sr} Hz")
    if np.abs(samples).max() < SILENCE:
        raise DecodeError("silent")
    return samples


def resample(y, sr, target):
    """Bring mono samples from `sr` to `target` Hz, float32."""
    return soxr.resample(y, sr, target).astype(np.float32)
