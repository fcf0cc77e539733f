"""Constant-Q front end: the magnitudes of many sounds, quickly.

Conventions: time first, ``(n_frames, n_bins)``; frame ``t`` is centered on sample ``t * hop_length``; a sound is zero
outside its samples; magnitudes are linear, on a flat scale: a sinusoid of amplitude ``A`` at the center of a bin
reads ``FULL_SCALE * A`` in every bin.

Source
------
Schörkhuber and Klapuri (2010), "Constant-Q transform toolbox for music processing", as in `librosa.cqt`, the oracle
of our tests.  The paper's front end: 24 bins per octave, 8 octaves from 27.5 Hz, 20 frames per second, log(1 + 50 X).
"""

from collections.abc import Sequence

import numpy as np
import scipy.signal
import torch
import torch.nn.functional as F

from .compiled import librosa

FULL_SCALE = 40.0  # the files of the paper's author peak near 40 for a full-scale sinusoid
STOPBAND_DB = 70.0  # the alias of a sinusoid that reads 40 then stays near 0.01
BLOCK = 40  # samples low-passed by one product: fewer make narrow, slow products, more make wasteful ones
BATCH_SAMPLES = 2**19  # samples transformed at once: 2 MB stay in the cache and are reused, 4 MB often are not
PIECE_FRAMES = 640  # longer sounds are cut here (32 s), again to bound memory; a multiple of any `ConstantQ.group`


class ConstantQ(torch.nn.Module):
    """Constant-Q magnitudes of a batch of sounds of one length, on the CPU or a GPU.

    Octave ``k`` below the top is read from the sound decimated ``k`` times by 2, so that filters are as short in every
    octave.  Both steps are matrix products (strided convolutions of one channel are far slower).

    Parameters
    ----------
    sr, hop_length : int
        Sampling rate in Hz; samples between frames.
    fmin : float
        Center of the lowest bin in Hz.
    n_bins, bins_per_octave : int
        Number of bins, in all and per octave.
    filter_scale : float
        Length of the filters relative to librosa's; the author's files measure between 1.4 and 1.65.
    window : str
        Window of the filters; "cosine" is the square root of the Hann window.

    Attributes
    ----------
    group : int
        Shifting a sound by a multiple of `group` frames shifts its magnitudes and changes nothing else.
    reach : int
        No frame depends on samples more than `reach` frames away; a multiple of `group`.

    Raises
    ------
    ValueError
        A filter exceeds the Nyquist frequency, or nothing is left of a size.

    Source
    ------
    Filters: `librosa.filters.wavelet` with L1 norm.  Block products and decimated filters: our choice.
    """

    def __init__(self, sr: int = 16000, hop_length: int = 800, fmin: float = 27.5, n_bins: int = 192,
                 bins_per_octave: int = 24, filter_scale: float = 1.5, window: str = "cosine"):
        super().__init__()
        sizes = sr, hop_length, fmin, n_bins, bins_per_octave, filter_scale
        if not min(sizes) > 0:
            raise ValueError(f"expected rates, sizes and a scale above 0, found {sizes}")
        self.hop_length, self.n_bins = hop_length, n_bins
        freqs, design = _design(fmin, n_bins, bins_per_octave, filter_scale, window)
        cutoff = librosa.filters.wavelet_lengths(freqs=freqs, sr=sr, **design)[1] / sr
        if cutoff >= 0.5:
            raise ValueError(f"expected filters below the Nyquist frequency, {sr / 2:g} Hz, found one that reaches "
                             f"{cutoff * sr:.0f} Hz: lower fmin or n_bins, or raise sr")

        # An octave needs its rate up to cutoff / 2 only: aliases between there and the Nyquist frequency do no harm.
        # That leaves room for a half-band filter, which is zero at every other tap but the middle one.
        n_taps, beta = scipy.signal.kaiserord(STOPBAND_DB, 2 * (0.5 - cutoff))
        taps = scipy.signal.firwin(n_taps // 4 * 4 + 3, 0.5, window=("kaiser", beta))
        self.ringing = len(taps) // 2
        self.middle_tap, self.block = float(taps[self.ringing]), max(BLOCK, self.ringing)
        self._add_constant("low_pass", np.stack(
            [np.pad(taps[::2], (i, self.block - 1 - i)) for i in range(self.block)], axis=1))

        # Frames are whole samples apart only while the hop can be halved.  Below, filters are made at the last such
        # rate, as librosa does, then decimated like the sound: one set for each frame of a group a whole hop long.
        n_octaves = -(-n_bins // bins_per_octave)
        n_whole = min(n_octaves - 1, (hop_length & -hop_length).bit_length() - 1)
        self.octaves = []  # (bins, frames in a group, samples between groups, samples needed before a group)
        reach = 0
        for k in range(n_octaves):
            bins = slice(max(0, n_bins - (k + 1) * bins_per_octave), n_bins - k * bins_per_octave)
            rate, n_halvings = 2 ** min(k, n_whole), max(0, k - n_whole)
            filters, before = _filters(freqs[bins], sr / rate, {**design, "alpha": design["alpha"][bins]})
            filters, before = _decimate_filters(filters, before, hop_length // rate, n_halvings, taps)
            self._add_constant(f"filters_{k}", filters.T)
            self.octaves.append((bins, 2**n_halvings, hop_length // rate, before))
            reach = max(reach, 2**k * (self.ringing + max(before, filters.shape[1] - before)))
        self.group = self.octaves[-1][1]
        self.reach = -(-reach // (hop_length * self.group)) * self.group

        # A decimated sound starts `margin` samples early, which keeps its ringing.  With `lead` samples in front of a
        # sound, its decimation begins with the first of them, and the first frame fits into them.
        self.margin = max(self.ringing, -(-(max(octave[-1] for octave in self.octaves) - self.ringing) // 2))
        self.lead = 2 * self.margin + self.ringing

    def _add_constant(self, name: str, values: np.ndarray) -> None:
        self.register_buffer(name, torch.tensor(values, dtype=torch.float32), persistent=False)

    @torch.no_grad()
    def forward(self, y: torch.Tensor) -> torch.Tensor:
        """Transform a batch of sounds.

        Parameters
        ----------
        y : torch.Tensor, shape (batch, n_samples), float32
            Sounds at the module's rate, full scale 1.

        Returns
        -------
        torch.Tensor, shape (batch, 1 + n_samples // hop_length, n_bins), float32
            Linear magnitudes, full scale `FULL_SCALE`.

        Raises
        ------
        ValueError
            If `y` has another shape or dtype, or no samples.
        """
        if y.ndim != 2 or y.numel() == 0 or y.dtype != self.low_pass.dtype:
            raise ValueError(f"expected a non-empty {self.low_pass.dtype} tensor (batch, n_samples), found {y.dtype} "
                             f"{tuple(y.shape)}: stack sounds of one length, or call cqt_many on a list")
        batches = y.split(max(1, BATCH_SAMPLES // y.shape[1]))
        return torch.cat([self._magnitudes(batch) for batch in batches])

    def _magnitudes(self, y: torch.Tensor) -> torch.Tensor:
        n_frames, start = 1 + y.shape[1] // self.hop_length, 0  # start: index of the sound's first sample
        magnitudes = y.new_empty(len(y), n_frames, self.n_bins)
        for k, (bins, group, step, before) in enumerate(self.octaves):
            if k > 0:
                y, start = self._decimate(y), self.margin
            filters, n_groups = getattr(self, f"filters_{k}"), -(-n_frames // group)
            shift = self.lead - start
            length = max(shift + y.shape[1], self.lead - before + step * (n_groups - 1) + len(filters))
            length = -(-length // (2 * self.block)) * 2 * self.block
            y = F.pad(y, (shift, length - shift - y.shape[1]))
            frames = y[:, self.lead - before:].unfold(1, len(filters), step)[:, :n_groups]  # (batch, n_groups, taps)
            products = (frames.flatten(0, 1) @ filters).view(len(y), n_groups * group, 2, -1)
            real, imag = products[:, :n_frames].unbind(2)
            torch.hypot(real, imag, out=magnitudes[:, :, bins])  # MKL's square root differs from processor to processor
        return magnitudes

    def _decimate(self, y: torch.Tensor) -> torch.Tensor:
        """Low-pass and halve the rate: (batch, n_samples), a multiple of two blocks, to (batch, n_samples / 2)."""
        # The batch is one long line of blocks: a filter that sees the next sound finds the zeros it leads with.
        line = y.view(-1)
        blocks, middle = line[::2].reshape(-1, self.block), line[self.ringing::2]
        out, tail = blocks @ self.low_pass[:self.block], self.low_pass[self.block:]
        out[:-1].addmm_(blocks[1:, :len(tail)], tail)
        out.view(-1)[:len(middle)].add_(middle, alpha=self.middle_tap)
        return out.view(len(y), -1)


def _design(fmin: float, n_bins: int, bins_per_octave: int, filter_scale: float,
            window: str) -> tuple[np.ndarray, dict]:
    """Centers in Hz, (n_bins,), and what `librosa.filters` must know to give the filters of `librosa.cqt`."""
    ratio = 2 ** (2 / bins_per_octave)
    alpha = np.full(n_bins, (ratio - 1) / (ratio + 1))
    freqs = librosa.cqt_frequencies(n_bins, fmin=fmin, bins_per_octave=bins_per_octave)
    return freqs, dict(window=window, filter_scale=filter_scale, gamma=0, alpha=alpha)


def _filters(freqs: np.ndarray, sr: float, design: dict) -> tuple[np.ndarray, int]:
    """Filters of one octave as rows, real parts above imaginary parts, and the index of their center."""
    wavelets, _ = librosa.filters.wavelet(freqs=freqs, sr=sr, norm=1, dtype=np.complex128, **design)
    center, used = wavelets.shape[1] // 2, np.flatnonzero(wavelets.any(axis=0))
    # Backwards, since librosa multiplies spectra, that is, convolves; doubled, since a sinusoid is half a phasor.
    wavelets = 2 * FULL_SCALE * wavelets[:, used[0]:used[-1] + 1][:, ::-1]
    return np.concatenate([wavelets.real, wavelets.imag]), int(used[-1] - center)


def _decimate_filters(filters: np.ndarray, center: int, hop: int, n_halvings: int,
                      taps: np.ndarray) -> tuple[np.ndarray, int]:
    """Filters for ``2**n_halvings`` frames, `hop` apart, at a rate lower by that factor; center for the first."""
    last = 2**n_halvings - 1
    filters = np.concatenate([np.pad(filters, ((0, 0), (i * hop, (last - i) * hop))) for i in range(last + 1)])
    for _ in range(n_halvings):
        odd = (center + len(taps) // 2) % 2  # the center must be among the samples that stay
        filters = 2 * scipy.signal.upfirdn(taps, np.pad(filters, ((0, 0), (odd, 0))), down=2)
        center = (center + len(taps) // 2 + odd) // 2
    return filters, center


def cqt_many(sounds: Sequence[np.ndarray], cq: ConstantQ) -> list[np.ndarray]:
    """Transform sounds of any lengths, in batches of similar length; long sounds in overlapping pieces.

    Parameters
    ----------
    sounds : sequence of np.ndarray, shape (n_samples,), float
        Sounds at the rate of `cq`, full scale 1.
    cq : ConstantQ
        The transform; its device does the work.

    Returns
    -------
    list of np.ndarray, shape (1 + n_samples // hop_length, n_bins), float32
        Linear magnitudes, full scale `FULL_SCALE`; each depends on its own sound only.

    Raises
    ------
    ValueError
        If a sound is empty, not one-dimensional, or not finite.

    Source
    ------
    Our choice.
    """
    sounds = [_checked(y, f"sound {i}") for i, y in enumerate(sounds)]
    results = [np.empty((1 + len(y) // cq.hop_length, cq.n_bins), np.float32) for y in sounds]
    pieces = []  # (samples, frames to skip, where the frames after them go)
    for y, result in zip(sounds, results):
        for first in range(0, len(result), PIECE_FRAMES):
            skip = min(first, cq.reach)
            stop = (first + PIECE_FRAMES + cq.reach) * cq.hop_length
            pieces.append((y[(first - skip) * cq.hop_length:stop], skip, result[first:first + PIECE_FRAMES]))
    pieces.sort(key=lambda piece: len(piece[0]))

    while pieces:
        longest = len(pieces[-1][0])
        # A sound less than 3/4 as long as the longest would be mostly padding: it waits for the next batch.
        batch = [piece for piece in pieces[-max(1, BATCH_SAMPLES // longest):] if 4 * len(piece[0]) >= 3 * longest]
        del pieces[-len(batch):]
        padded = np.zeros((len(batch), longest), np.float32)
        for row, (y, _, _) in zip(padded, batch):
            row[:len(y)] = y
        magnitudes = cq(torch.from_numpy(padded).to(cq.low_pass.device)).cpu().numpy()
        for frames, (_, skip, result) in zip(magnitudes, batch):
            result[:] = frames[skip:skip + len(result)]
    return results


def cqt_reference(y: np.ndarray, sr: int = 16000, hop_length: int = 800, fmin: float = 27.5, n_bins: int = 192,
                  bins_per_octave: int = 24, filter_scale: float = 1.5, window: str = "cosine") -> np.ndarray:
    """Transform one sound by `librosa.cqt`: slow, the oracle of the tests.

    Parameters
    ----------
    y : np.ndarray, shape (n_samples,), float
        Sound, full scale 1.
    sr, hop_length, fmin, n_bins, bins_per_octave, filter_scale, window
        As in `ConstantQ`.

    Returns
    -------
    np.ndarray, shape (1 + n_samples // hop_length, n_bins), float32
        Linear magnitudes, full scale `FULL_SCALE`.

    Raises
    ------
    ValueError
        If `y` is empty, not one-dimensional, or not finite.

    Source
    ------
    `librosa.cqt` with L1 norm and ``scale=True``, which multiplies by the root of the filter length: divided away.
    """
    y = _checked(y, "y")
    freqs, design = _design(fmin, n_bins, bins_per_octave, filter_scale, window)
    lengths, _ = librosa.filters.wavelet_lengths(freqs=freqs, sr=sr, **design)
    # librosa cuts decimated sounds off where they end, and so loses the ringing; zeros on either side keep it.
    n_pad = int(np.ceil(lengths[0] / hop_length))
    cqt = librosa.cqt(np.pad(y, n_pad * hop_length), sr=sr, hop_length=hop_length, fmin=fmin, n_bins=n_bins,
                      bins_per_octave=bins_per_octave, filter_scale=filter_scale, norm=1, window=window, scale=True,
                      sparsity=0)  # librosa's default, 0.01, trades accuracy for speed
    magnitudes = 2 * FULL_SCALE * np.abs(cqt.T) / np.sqrt(lengths)
    return magnitudes[n_pad:n_pad + 1 + len(y) // hop_length].astype(np.float32)


def log_compress(X, gain: float = 50.0):
    """Compress linear magnitudes, an array or tensor of any shape: log(1 + gain X).

    Source
    ------
    The paper's front end: gain 50.
    """
    return torch.log1p(gain * X) if isinstance(X, torch.Tensor) else np.log1p(gain * X)


def _checked(y: np.ndarray, name: str) -> np.ndarray:
    """`y` as float32, if it is a sound."""
    y = np.asarray(y, dtype=np.float32)
    if y.ndim != 1:
        raise ValueError(f"expected {name} one-dimensional, found shape {y.shape}: mix its channels down to one")
    if y.size == 0:
        raise ValueError(f"expected {name} to hold samples, found none: leave it out")
    if not np.isfinite(y).all():
        raise ValueError(f"expected {name} finite, found NaN or infinity: check how it was read")
    return y
