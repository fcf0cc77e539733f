"""Tests of `dml_lib.features`, against `librosa.cqt` and against what a sinusoid must read."""
import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from dml_lib import features
from dml_lib.features import FULL_SCALE, ConstantQ, cqt_many, cqt_reference, log_compress

SR, HOP, N_BINS = 16000, 800, 192
CENTERS_HZ = 27.5 * 2 ** (np.arange(N_BINS) / 24)


@pytest.fixture(scope="module")
def cq():
    return ConstantQ()


def notes(n_samples, seed=0):
    """Harmonic notes that decay, with noise: energy in every octave."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(n_samples) / SR
    y = 0.01 * rng.standard_normal(n_samples)
    for onset_s in np.arange(0, max(time_s[-1], 0.01), 0.7):
        f0, after = 27.5 * 2 ** rng.uniform(0, 5), time_s - onset_s
        for harmonic in range(1, int(7500 / f0)):
            y += (after >= 0) * 0.2 / harmonic * np.sin(2 * np.pi * harmonic * f0 * after) * np.exp(-3 * abs(after))
    return y.astype(np.float32)


def relative_error(found, expected):
    assert found.shape == expected.shape and found.dtype == expected.dtype == np.float32
    return np.abs(found - expected).max() / np.abs(expected).max()


def test_sinusoid_peaks_in_its_bin_and_reads_full_scale(cq):
    time_s = np.arange(3 * SR) / SR
    y = 0.5 * np.cos(2 * np.pi * CENTERS_HZ[:, None] * time_s + 1).astype(np.float32)
    middle = cq(torch.from_numpy(y))[:, 28:32].numpy()  # (192 sinusoids, 4 frames: each of a group, 192 bins)
    assert (middle.argmax(axis=2) == np.arange(N_BINS)[:, None]).all()
    read = middle[np.arange(N_BINS), :, np.arange(N_BINS)]
    np.testing.assert_allclose(read, 0.5 * FULL_SCALE, rtol=0.03)
    # No alias: 12 bins away from the sinusoid, nothing above the sidelobes of the window.
    far = np.abs(np.arange(N_BINS) - np.arange(N_BINS)[:, None]) >= 48
    assert middle.max(axis=1)[far].max() < 0.005 * 0.5 * FULL_SCALE


@pytest.mark.parametrize("n_samples", [1, 333, 5001, 2 * SR, 3 * SR + 17])
def test_agrees_with_librosa(cq, n_samples):
    y = notes(n_samples, seed=n_samples)
    expected = cqt_reference(y)
    found = cqt_many([y], cq)[0]
    assert relative_error(found, expected) < 0.01
    assert np.corrcoef(log_compress(found).ravel(), log_compress(expected).ravel())[0, 1] > 0.999


def test_agrees_with_librosa_at_other_settings():
    setting = dict(sr=22050, hop_length=512, fmin=65.4, n_bins=70, bins_per_octave=12, filter_scale=1.0, window="hann")
    y = notes(2 * SR)
    found = ConstantQ(**setting)(torch.from_numpy(y)[None])[0].numpy()
    assert relative_error(found, cqt_reference(y, **setting)) < 0.01


def test_reference_differs_from_plain_librosa_by_the_scale_only():
    import librosa

    y = notes(4 * SR)
    plain = np.abs(librosa.cqt(y, sr=SR, hop_length=HOP, fmin=27.5, n_bins=N_BINS, bins_per_octave=24, filter_scale=1.5,
                               window="cosine", sparsity=0)).T
    ratio = (cqt_reference(y) / plain)[30:50]
    lengths = 1.5 * SR / CENTERS_HZ * (2 ** (1 / 12) + 1) / (2 ** (1 / 12) - 1)
    np.testing.assert_allclose(np.median(ratio, axis=0), 2 * FULL_SCALE / np.sqrt(lengths), rtol=1e-2)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 3 * SR), min_size=2, max_size=12), st.integers(0, 99))
def test_neighbors_and_padding_do_not_matter(cq, lengths, seed):
    # The neighbors are loud and the sound ends loud, so that any leak would show.
    rng = np.random.default_rng(seed)
    sounds = [rng.standard_normal(n, dtype=np.float32) + np.float32(0.5) for n in lengths]
    together = cqt_many(sounds, cq)
    for y, found in zip(sounds, together):
        assert found.shape == (1 + len(y) // HOP, N_BINS)
        assert relative_error(found, cq(torch.from_numpy(y)[None])[0].numpy()) < 1e-5
        padded = np.pad(y, (0, 12345))
        assert relative_error(found, cq(torch.from_numpy(padded)[None])[0, :len(found)].numpy()) < 1e-5


def test_quiet_sound_beside_loud_ones(cq):
    quiet, loud = notes(SR) * np.float32(1e-4), notes(SR, seed=1)
    alone = cqt_many([quiet], cq)[0]
    assert relative_error(cqt_many([loud, quiet, loud], cq)[1], alone) < 1e-5


def test_pieces_equal_the_whole(cq, monkeypatch):
    y = np.random.default_rng(0).standard_normal(25 * SR + 123, dtype=np.float32)
    whole = cq(torch.from_numpy(y)[None])[0].numpy()
    assert relative_error(cqt_many([y], cq)[0], whole) < 1e-5
    monkeypatch.setattr(features, "PIECE_FRAMES", 96)
    assert relative_error(cqt_many([y, y[:SR]], cq)[0], whole) < 1e-5
    # The test can fail: with too little overlap the pieces differ.
    monkeypatch.setattr(cq, "reach", 4)
    assert relative_error(cqt_many([y], cq)[0], whole) > 1e-3


def test_ten_minutes_in_bounded_pieces(cq, monkeypatch):
    seen = []
    monkeypatch.setattr(cq, "forward", lambda y: seen.append(y.shape) or ConstantQ.forward(cq, y))
    y = np.tile(notes(SR * 10), 60)
    found = cqt_many([y], cq)[0]
    assert found.shape == (12001, N_BINS)
    assert len(seen) >= 10 and max(n for _, n in seen) <= (features.PIECE_FRAMES + 2 * cq.reach) * HOP
    # The sound repeats every 200 frames, and so must the result, across the cuts.
    inner = found[200:11800].reshape(-1, 200, N_BINS)
    assert np.abs(inner - inner[:1]).max() < 1e-5 * found.max()


def test_deterministic(cq):
    y = torch.from_numpy(np.stack([notes(SR, seed) for seed in range(8)]))
    assert torch.equal(cq(y), cq(y))
    assert torch.equal(cq(y), ConstantQ()(y))


def test_scale_is_linear(cq):
    y = torch.from_numpy(notes(SR))[None]
    torch.testing.assert_close(cq(8 * y), 8 * cq(y), rtol=1e-6, atol=0)  # a power of two: only exponents change
    torch.testing.assert_close(cq(0.3 * y), 0.3 * cq(y), rtol=1e-3, atol=1e-5)


def test_silence_reads_zero_and_constant_reads_little(cq):
    assert (cq(torch.zeros(2, 2 * SR)) == 0).all()
    constant = cq(torch.ones(1, 4 * SR))[0]
    assert constant.shape == (81, N_BINS) and torch.isfinite(constant).all()
    assert constant[40].max() < 0.01 * FULL_SCALE  # mid-sound; its two edges are clicks, and read more
    assert constant[0].max() > constant[40].max()


def test_click_is_read_at_its_frame(cq):
    y = torch.zeros(1, 2 * SR)
    y[0, 20 * HOP] = 1
    magnitudes = cq(y)[0]
    assert (magnitudes[:, 96:].argmax(dim=0) == 20).all()
    torch.testing.assert_close(magnitudes[19, :48], magnitudes[21, :48], rtol=0.02, atol=0)


@pytest.mark.parametrize("n_samples, n_frames", [(1, 1), (799, 1), (800, 2), (801, 2), (31999, 40), (32000, 41)])
def test_shape_and_dtype(cq, n_samples, n_frames):
    found = cq(torch.rand(3, n_samples))
    assert found.shape == (3, n_frames, N_BINS) and found.dtype == torch.float32 and found.is_contiguous()


def test_one_sample_reads_the_middle_of_each_filter(cq):
    # A click reads 2 FULL_SCALE times the middle of the filter, which is pi / 2 times its mean, 1 / length.
    lengths = 1.5 * SR / CENTERS_HZ * (2 ** (1 / 12) + 1) / (2 ** (1 / 12) - 1)
    expected = 2 * FULL_SCALE * np.pi / 2 / lengths
    np.testing.assert_allclose(cq(torch.ones(1, 1))[0, 0].numpy(), expected, rtol=0.02)


def test_no_sounds(cq):
    assert cqt_many([], cq) == []


def test_log_compress():
    X = np.array([0, 0.02, 1], np.float32)
    expected = np.log(np.array([1, 2, 51], np.float32))
    np.testing.assert_allclose(log_compress(X), expected, rtol=1e-6)
    np.testing.assert_allclose(log_compress(torch.from_numpy(X)).numpy(), expected, rtol=1e-6)
    assert log_compress(X).dtype == np.float32
    np.testing.assert_allclose(log_compress(X, gain=1), np.log(1 + X), rtol=1e-6)


@pytest.mark.parametrize("y, match", [
    (np.zeros(0, np.float32), "hold samples, found none"),
    (np.zeros((2, 100), np.float32), r"one-dimensional, found shape \(2, 100\): mix"),
    (np.array([0, np.nan, 0], np.float32), "finite, found NaN"),
    (np.array([0, np.inf, 0], np.float32), "finite, found NaN or infinity"),
])
def test_refuses_what_is_not_a_sound(cq, y, match):
    with pytest.raises(ValueError, match="expected sound 1 .*" + match):
        cqt_many([np.zeros(10, np.float32), y], cq)
    with pytest.raises(ValueError, match="expected y .*" + match):
        cqt_reference(y)


@pytest.mark.parametrize("y, match", [
    (torch.zeros(100), r"\(batch, n_samples\), found torch.float32 \(100,\)"),
    (torch.zeros(2, 0), r"non-empty .* found torch.float32 \(2, 0\)"),
    (torch.zeros(1, 100, dtype=torch.float64), "found torch.float64"),
])
def test_forward_refuses(cq, y, match):
    with pytest.raises(ValueError, match=match):
        cq(y)


def test_refuses_bins_above_nyquist():
    for nothing in ("sr", "hop_length", "fmin", "n_bins", "bins_per_octave", "filter_scale"):
        with pytest.raises(ValueError, match="expected rates, sizes and a scale above 0, found"):
            ConstantQ(**{nothing: 0})
    with pytest.raises(ValueError, match="Nyquist frequency, 4000 Hz, found .* lower fmin or n_bins"):
        ConstantQ(sr=8000)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_equals_cpu(cq):
    y = notes(2 * SR)
    assert relative_error(cqt_many([y], ConstantQ().cuda())[0], cqt_many([y], cq)[0]) < 1e-4
