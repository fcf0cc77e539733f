"""Phases of sounds whose phases are known."""

import numpy as np
import pytest

from dml_lib import adsr

FRAME_S = 0.05


def envelope(attack=4, decay=6, sustain=20, release=8, silence=5):
    """Level in dB: from -40 up to 0, down to -12, held, down to -50, silence."""
    rise, fall, end = np.linspace(-40, 0, attack + 1), np.linspace(0, -12, decay + 1)[1:], np.linspace(-12, -50, release + 1)[1:]
    return np.concatenate([rise, fall, np.full(sustain, -12.0), end, np.full(silence, -90.0)])


def test_known_phases_are_found():
    found = adsr.phases(envelope(), FRAME_S, released=(4 + 6 + 20) * FRAME_S)
    assert list(found) == ["attack", "decay", "sustain", "release"]
    edges = np.array([found["attack"][0], *(end for _, end in found.values())]) / FRAME_S
    assert np.allclose(edges, [0, 4, 10, 30, 39], atol=1.01)


def test_release_is_found_where_nobody_says_when_the_key_was_let_go():
    assert abs(adsr.phases(envelope(), FRAME_S)["release"][0] / FRAME_S - 31) <= 2


def test_a_swell_is_no_attack():
    level = np.concatenate([np.linspace(-40, -10, 3), np.linspace(-10, 0, 60)])
    assert adsr.phases(level, FRAME_S)["attack"][1] <= 3 * FRAME_S


@pytest.mark.parametrize("level", [np.zeros(1), np.zeros(9), np.array([-90.0, 0, -90]), np.linspace(-50, 0, 9), np.linspace(0, -50, 9)])
def test_phases_follow_each_other_in_any_sound(level):
    for released in (None, 0.0, 0.2, 9.0):
        spans = list(adsr.phases(level, FRAME_S, released).values())
        assert all(a <= b for a, b in spans) and all(p[1] == q[0] for p, q in zip(spans, spans[1:]))
        assert spans[-1][1] == pytest.approx((np.flatnonzero(level >= -60)[-1] + 1) * FRAME_S)


def test_level_is_decibels_below_the_loudest_frame():
    level = adsr.level(np.array([[3.0, 4.0], [0.0, 0.5], [0.0, 0.0]]))
    assert np.allclose(level[:2], [0, -20], atol=1e-5) and level[2] < -100
    assert np.isfinite(adsr.level(np.zeros((2, 3)))).all()
