"""Measures of a path made sound."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from dml_lib import config, embed, soundcheck as C, train
from dml_lib.dataset import Dataset
from dml_lib.units import Units

CFG = config.Config(threads=1)
SR = 44_100


def tone(hz, seconds=1.0):
    t = np.arange(round(seconds * SR)) / SR
    return (0.3 * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def dtw(x, y):
    """Dynamic time warping by the textbook: mean distance along the cheapest way."""
    far = np.linalg.norm(x[:, None] - y, axis=2)
    best = {(0, 0): (far[0, 0], 1)}
    for i in range(len(x)):
        for j in range(len(y)):
            if i or j:
                total, n = min(best[p] for p in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if p in best)
                best[i, j] = total + far[i, j], n + 1
    total, n = best[len(x) - 1, len(y) - 1]
    return total / n


def test_reembedding_error_against_the_textbook():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(9, 3)), rng.normal(size=(12, 3))
    assert np.isclose(C.reembedding_error(y, x, 2.0), dtw(x, y) / 2)
    assert C.reembedding_error(np.repeat(x, 3, axis=0), x) < 1e-12


def test_reembed_is_embed_frames():
    model = train.untrained(CFG, "ours")
    x = C.analyze(tone(440), SR, CFG)
    data = Dataset(pd.DataFrame(index=[0, 1]), np.concatenate([x, x]), np.array([len(x)] * 2))
    assert x.shape == (21, 192) and np.allclose(C.reembed(x, model, CFG), embed.embed_frames(model, data, CFG)[:len(x)], atol=1e-6)


def test_analyze_follows_the_level_of_the_config():
    assert np.isclose(C.analyze(tone(440), SR, CFG.with_(level=10.0)).max(), 10)


def test_at_level():
    x = np.random.default_rng(0).random((8, 5)).astype(np.float32)
    assert np.allclose(C.at_level(3 * x, x), x, rtol=1e-5) and not C.at_level(0 * x, x).any()


def played(chosen, y, method):
    """A corpus of one tone and one silence of 20 frames each, and something made of it."""
    frames = np.concatenate([np.ones((20, 8)), np.zeros((20, 8))]).astype(np.float16)
    data = Dataset(pd.DataFrame(index=[0, 1]), frames, np.array([20, 20]))
    units = Units(np.zeros((40, 3)), data, CFG)
    units.audible[20:] = False
    return SimpleNamespace(chosen=np.array(chosen), y=y, sr=SR, method=method), units


def test_flux_where_nothing_is_joined_is_that_of_the_source():
    y = tone(440) + np.random.default_rng(0).normal(0, 0.001, SR).astype(np.float32)
    made, units = played([0, 5, 10], y, "ours")
    found = C.joins(made, units, lambda sound: C.flux(y, SR))
    assert len(found) == 2 and not found["changed"].any()
    assert (found["here"] == found["before"]).all() and (found["here"] == found["after"]).all()


def test_flux_shows_a_jump_and_leaves_silence_out():
    noise = np.random.default_rng(0).normal(0, 0.001, SR).astype(np.float32)
    calm, cut = tone(440) + noise, tone(440) + noise
    at = round(0.225 * SR)
    cut[at:] = tone(1500)[at:] + noise[at:]
    made, units = played([0, 5, 25, 30], cut, "ours")
    found = C.joins(made, units, lambda sound: C.flux(calm, SR))
    assert len(found) == 2 and found["after"].isna().tolist() == [False, True]  # the last meeting lies in silence
    assert found["changed"].tolist() == [False, True]
    assert found["here"].iloc[0] > 5 * found["before"].max()


def test_grains_meet_halfway_between_their_middles():
    made, units = played([4, 8], np.zeros(SR, np.float32), "author")
    found = C.joins(made, units, lambda sound: np.arange(200.0)).iloc[0]
    assert found["before"] == round((4 + 2.5) * 5 + 0.5) + 3 and found["after"] == round((8 - 2.5) * 5 + 0.5) + 3 and found["changed"]


def test_discontinuity_by_hand():
    nan = np.nan
    a = pd.DataFrame({"here": [1.0, 20], "before": [1.0, 2], "after": [nan, nan], "changed": [False, True]})
    b = pd.DataFrame({"here": [3.0], "before": [nan], "after": [9.0], "changed": [True]})
    assert C.discontinuity([a, b]) == {"join_discontinuity": 4.0, "join_discontinuity_median": 1.5, "join_discontinuity_changed": 5.75}
    assert C.discontinuity([a[:0]]) == {} and "join_discontinuity_changed" not in C.discontinuity([a[:1]])


@pytest.mark.parametrize("note, cents", [(57, 1200), (69, 0), (70, 100)])
def test_pitch_error_of_a_sine(note, cents):
    assert abs(C.pitch_error(tone(440), SR, note) - cents) < 6


@pytest.mark.parametrize("note", [21, 45, 94, 99, 102, 105, 108])
def test_pitch_error_of_all_the_pianos_keys(note):
    t, f0 = np.arange(SR) / SR, 440 * 2 ** ((note - 69) / 12)
    y = sum(np.sin(2 * np.pi * f0 * k * t) / k for k in range(1, 7) if f0 * k < SR / 2)
    assert C.pitch_error(0.2 * y.astype(np.float32), SR, note) < 20


def test_loudness_variation():
    assert C.loudness_variation(np.ones((10, 4))) == 0 == C.loudness_variation(np.zeros((10, 4)))
    x = np.ones((9, 4)) * np.sqrt(10.0 ** (np.arange(9) % 2))[:, None]  # up and down by 10 dB
    assert np.isclose(C.loudness_variation(x), 10, rtol=1e-4)
