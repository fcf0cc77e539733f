"""What stretches and joins cost."""

import numpy as np
import pytest

from dml_lib import costs as C, selection
from dml_lib.units import Units


def test_join_costs(corpus, path):
    costs, unit = C.Costs(path, corpus), np.array([0, 11, 40])
    cost, a = costs.join(unit, unit), costs.context(unit)
    notes = corpus.dataset.table["note_number"].to_numpy()[corpus.sound[unit]]
    assert np.array_equal(np.diag(cost), [0, 0, 0])
    spectral = np.sqrt(np.square(a[0] - a[1]).mean())
    assert np.isclose(cost[0, 1], C.CHANGE + spectral + C.RISE * costs.rise(a, a)[0, 1] + C.PITCH * abs(notes[0] - notes[1]) / 12, rtol=1e-4)


def test_a_copy_counts_at_the_pitch_at_which_it_is_played(corpus, path):
    unit = np.array([0, 40])
    table, sound = corpus.dataset.table, corpus.sound[unit]
    apart = abs(np.diff(table["note_number"].to_numpy()[sound])[0])
    before = C.Costs(path, corpus).join(unit, unit)[0, 1]
    corpus.dataset.table = table.assign(transpose=np.where(np.arange(len(table)) == sound[1], 12, 0))
    assert C.Costs(path, corpus).join(unit, unit)[0, 1] == pytest.approx(before + C.PITCH * (1 - apart / 12), rel=1e-4)
    corpus.dataset.table = table.drop(columns="note_number").assign(transpose=1)
    assert np.isfinite(C.Costs(path, corpus).join(unit, unit)).all()


def test_only_what_gets_louder_at_a_join_rises(corpus, path):
    costs = C.Costs(path, corpus)
    silence, soft, loud = (np.full((1, 4, 6), x, np.float32) for x in (0, 0.1, 2))
    assert abs(costs.rise(loud, soft)) < 1e-6 and abs(costs.rise(loud, silence)) < 1e-6
    assert costs.rise(soft, loud) > 0 and costs.rise(silence, soft) > costs.rise(soft, loud) / 2  # soft as it is, it enters from nothing
    assert np.isclose(costs.rise(silence, soft)[0, 0], np.log1p(C.RISE_GAIN / corpus.gain * np.expm1(0.1)))
    late = silence.copy()
    late[:, 3] = 2
    assert np.isclose(costs.rise(silence, late), costs.rise(silence, loud))  # an attack soon after the join counts as one at it


def test_an_attack_is_what_rises_within_a_sound(make_dataset, cfg, path):
    data = make_dataset(n_sounds=3)
    data.frames[:] = 1
    data.frames[data.start[1] + 1:] *= np.float16(1.05)
    costs = C.Costs(path, Units(np.zeros((len(data.frames), 3)), data, cfg))
    found = costs.attack(np.append(data.start, data.start[1] + 1))
    entered = np.log1p(C.RISE_GAIN * data.frames[data.start, 0].astype(float)) - C.USUAL_RISE
    assert np.allclose(found[:3], entered, rtol=1e-4) and found[3] == 0  # a sound's first frame is one; a swell is not


def test_to_get_louder_costs_more_than_to_get_softer(make_dataset, cfg, path):
    data = make_dataset(n_sounds=2)
    data.frames[data.where(0)] = 0.01
    data.frames[data.where(1)] = 5
    data.table["note_number"] = 60
    costs = C.Costs(path, Units(np.zeros((len(data.frames), 3)), data, cfg))
    soft, loud = np.array([4]), np.array([data.start[1] + 4])
    assert costs.join(soft, loud) - costs.join(loud, soft) == pytest.approx(C.RISE * costs.rise(costs.context(soft), costs.context(loud)), rel=1e-4)
    assert costs.join(loud, soft) > C.CHANGE


def test_nothing_sounds_beyond_a_sound(corpus, path):
    costs = C.Costs(path, corpus)
    first = corpus.dataset.start[[1, 5]]
    assert not costs.silence(first, 0).any() and costs.silence(first, 1).all()


def test_a_stretch_past_its_sounds_end_costs_a_radius_a_frame(corpus):
    last = int(corpus.end(np.array([0]))[0])
    here = C.Costs(np.repeat(corpus.z[[last]], 5, axis=0), corpus)
    assert np.isclose(here.target(0, np.array([last]))[0], 4 / 5)


@pytest.fixture
def paused(make_dataset, cfg):
    """Units of 60 sounds that are all at one place; every second one is loud for three frames and then quiet, the others stay loud."""
    data = make_dataset(60, seed=2)
    data.frames[:] = 1
    for i in range(1, len(data), 2):
        data.frames[data.where(i)][3:] *= np.float16(0.001)
    return Units(np.random.default_rng(0).normal(size=(len(data.frames), 3)) * 1e-3, data, cfg)


def test_a_quiet_frame_costs_a_radius_but_where_the_path_itself_is_silent(paused):
    loud, quiet = (paused.z[paused.quiet == q][:5] for q in (False, True))
    costs, units = C.Costs(np.concatenate([quiet, loud, quiet, loud, quiet]), paused), np.arange(len(paused))
    unit = np.flatnonzero(paused.quiet & (paused.end(units) - units >= 4))[:1]
    assert costs.sounds.tolist() == [False] * 5 + [True] * 15 + [False] * 5
    near = [costs.apart(paused.z[unit + np.arange(5)], costs.path[step * 5:step * 5 + 5]) for step in range(5)]
    assert np.allclose([costs.target(step, unit)[0] for step in range(5)] - np.mean(near, axis=1), [0, 1, 1, 1, 0], atol=1e-6)
    assert not C.Costs(np.concatenate([quiet, quiet]), paused).sounds.any()


@pytest.mark.parametrize("listens", [False, True])
def test_no_hole_is_played_between_two_sounds(paused, listens):
    """Though quiet frames are as near, and whatever is heard."""
    path = np.linspace(*(paused.z[paused.sound == i][0] for i in (0, 2)), 30)
    chosen = selection.viterbi(path, paused, hear=(lambda x: np.zeros((len(x), 3), np.float32)) if listens else None)
    played = np.minimum(chosen[:, None] + np.arange(5), paused.end(chosen)[:, None])
    assert not paused.quiet[played].any()
