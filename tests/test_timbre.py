"""Listening tests: read as they are laid out, and figures that agree with a slow count."""

import librosa
import numpy as np
import pytest
import scipy.fft
import soundfile
from scipy.spatial.distance import cdist
from scipy.stats import rankdata

from dml_lib import paths, timbre, train
from dml_lib.config import Config

SR = 44_100


def symmetric(n, seed=0):
    d = np.triu(np.random.default_rng(seed).random((n, n)), 1)
    return d + d.T


@pytest.fixture
def tests(tmp_path, tone):
    """Two tests of four tones, further apart in pitch and in what listeners said of them."""
    tmp_path = tmp_path / "made"
    for test, hz in (("B2001", (220, 440, 880, 1760)), ("A1999", (100, 200, 400, 800))):
        for i, f in enumerate(hz):
            tone(tmp_path / test / f"{i}.wav", f)
        octaves = np.abs(np.subtract.outer(np.arange(4), np.arange(4)))
        np.savetxt(tmp_path / test / "dissimilarity.txt", np.triu(10.0 + 5 * octaves, 1))
    return tmp_path


def test_perfect_opposite_and_meaningless_distances():
    d = symmetric(9)
    assert [x.mean() for x in timbre.agreement(3 * d, d)] == pytest.approx([1, 1])
    against = 1 - d - np.eye(9)
    assert [x.mean() for x in timbre.agreement(against, d)] == pytest.approx([-1, 0])
    assert [x.tolist() for x in timbre.agreement(np.zeros((9, 9)), d)] == [[0] * 9, [0] * 9]
    chance = np.mean([[x.mean() for x in timbre.agreement(symmetric(9, s), d)] for s in range(1, 200)], axis=0)
    assert chance == pytest.approx([0, 0.5], abs=0.05)


def test_figures_are_those_of_a_slow_count():
    theirs, ours = symmetric(7, 1), symmetric(7, 2)
    spearman, triplets = timbre.agreement(ours, theirs, margin=0.2)
    for a in range(7):
        others = [i for i in range(7) if i != a]
        ranks = [rankdata([d[a, i] for i in others]) for d in (ours, theirs)]
        assert spearman[a] == pytest.approx(np.corrcoef(*ranks)[0, 1])
        right = [
            (ours[a, i] < ours[a, j]) == (theirs[a, i] < theirs[a, j])
            for i in others for j in others if i < j and abs(theirs[a, i] - theirs[a, j]) > 0.2
        ]
        assert triplets[a] == pytest.approx(np.mean(right))


def test_ratings_are_symmetric_and_scaled(tests):
    d = timbre.ratings(tests / "A1999")
    assert (d == d.T).all() and not d.diagonal().any()
    assert d[0].tolist() == [0, 0.6, 0.8, 1]


@pytest.mark.parametrize("text, words", [
    ("0 1\n0 0\n", r"expected 4 x 4 finite numbers, one row a sound beside it, found \(2, 2\)"),
    ("0 1 2 nan\n" * 4, "expected 4 x 4 finite numbers"), ("0 1 two 3\n" * 4, "expected rows of numbers"), ("0 1\n0\n", "expected rows of numbers"),
])
def test_bad_ratings_are_refused(text, words, tests):
    (tests / "A1999" / "dissimilarity.txt").write_text(text)
    with pytest.raises(ValueError, match=words):
        timbre.ratings(tests / "A1999")


def test_listening_tests_are_analyzed_in_sorted_order(tests, tmp_path):
    cfg = Config(threads=1)
    data, said = timbre.listening_tests(tests, cfg, paths.Run("t", str(tmp_path / "run")))
    assert list(said) == ["A1999", "B2001"] and data.table["test"].tolist() == ["A1999"] * 4 + ["B2001"] * 4
    assert [path[-5:] for path in data.table["path"]] == ["0.wav", "1.wav", "2.wav", "3.wav"] * 2
    loudest = np.array([data.features(i).sum(axis=0).argmax() for i in range(8)])
    assert [data.features(i).max() for i in range(8)] == pytest.approx([cfg.level] * 8, rel=2e-3)
    assert np.diff(loudest[:4]) == pytest.approx([24] * 3, abs=2)  # an octave of quarter tones
    values = timbre.evaluate(loudest[:, None], data.table["test"], said)
    assert values["spearman"] > 0.9 and set(values) >= {"triplets", "A1999.spearman", "B2001.triplets"}
    z = np.random.default_rng(0).random((8, 3))
    values = timbre.evaluate(z, data.table["test"], said)
    each = [timbre.agreement(cdist(z[i:i + 4], z[i:i + 4]), said[t])[0] for i, t in ((0, "A1999"), (4, "B2001"))]
    assert values["spearman"] == pytest.approx(np.concatenate(each).mean())
    alone, of_one = timbre.listening_tests(tests / "A1999", cfg, paths.Run("t", str(tmp_path / "run")))
    assert list(of_one) == ["A1999"] and np.array_equal(alone.frames, data.frames[:len(alone.frames)])


def test_folders_without_tests_and_sounds_that_cannot_be_used(tests, tmp_path):
    with pytest.raises(ValueError, match="expected folders with sounds and dissimilarity.txt in .*, found none"):
        timbre.listening_tests(tmp_path / "run", Config(), paths.Run("t", str(tmp_path / "run")))
    (tests / "A1999" / "2.wav").write_text("not a sound")
    with pytest.raises(ValueError, match="A1999/2.wav.* cannot be used .*: a test needs all its sounds"):
        timbre.listening_tests(tests, Config(threads=1), paths.Run("t", str(tmp_path / "run")))


def test_report_has_a_row_for_each_network_and_the_two_without(tests, tmp_path, monkeypatch, cfg, bare):
    cfg = Config(threads=1)
    assert timbre.report({}, cfg, paths.Run("t", str(tmp_path / "run")))[0] == {}
    assert "no listening tests: set DML_DATA to" in timbre.report({}, cfg, paths.Run("t", str(tmp_path / "run")))[1]["ears"]
    monkeypatch.setenv("DML_DATA", str(tests.parent))
    tests.rename(tests.parent / "timbre_ratings")
    values, missing = timbre.report({"a": train.untrained(cfg, "ours")}, cfg, paths.Run("t", str(tests.parent / "run")))
    rows = ("a.ears", "a.ears_trajectory", "mfcc_native.ears", "log_cqt_native.ears")
    assert missing == {} and set(values) == {f"{row}_{m}" for row in rows for m in ("spearman", "triplets")}
    assert all(np.isfinite(v) and -1 <= v <= 1 for v in values.values()) and values["mfcc_native.ears_spearman"] != values["a.ears_spearman"]


def test_mean_mfcc_hears_timbre_and_not_the_silence_after_it(tmp_path):
    time = np.arange(SR) / SR
    for hz in (220, 3520):
        y = 0.5 * np.sin(2 * np.pi * hz * time) * np.exp(-3 * time)
        for silence in (0, 2):
            soundfile.write(tmp_path / f"{hz}_{silence}.wav", np.append(y, np.zeros(silence * SR)), SR)
    a, after, b = (timbre.mean_mfcc({"path": str(tmp_path / name)}) for name in ("220_0.wav", "220_2.wav", "3520_0.wav"))
    assert a.shape == (40,) and np.isfinite(a).all() and np.linalg.norm(a - b) > 100 > 5 * np.linalg.norm(a - after)


def test_mel_bands_count_alike(tmp_path):
    """As torchaudio has them, that timbremetrics is made with: high bands are wider and not divided by their width."""
    soundfile.write(tmp_path / "noise.wav", np.random.default_rng(0).normal(0, 0.1, SR), SR)
    mfcc = timbre.mean_mfcc({"path": str(tmp_path / "noise.wav")})
    bands = scipy.fft.idct(np.append(mfcc, np.zeros(88)), norm="ortho")  # dB; white noise rises with the width of the bands
    width = np.diff(librosa.mel_frequencies(130, fmax=SR / 2, htk=True), n=1)
    assert np.ptp(bands[20:] - 10 * np.log10(width[20:128])) < 3 < np.ptp(bands[20:])
