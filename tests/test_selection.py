"""Which units play a path."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from dml_lib import embed, selection as S, soundcheck
from dml_lib.costs import Costs
from dml_lib.dataset import Dataset
from dml_lib.units import Units


def test_nearest_units_against_brute_force(corpus, path):
    slow = [int(((corpus.z - p) ** 2).sum(1).argmin()) for p in path[::5]]
    assert S.nearest_units(path, corpus).tolist() == slow
    banned = sorted(set(corpus.sound[slow]))
    assert not set(corpus.sound[S.nearest_units(path, corpus, banned)]) & set(banned)


def test_random_units_come_from_the_region_and_repeat_by_seed(corpus, path):
    found = S.random_units(path, corpus, seed=1)
    for unit, point in zip(found, path[::5]):
        far = np.linalg.norm(corpus.z - point, axis=1)
        assert far[unit] <= np.sort(far)[S.REGION - 1]
    assert np.array_equal(found, S.random_units(path, corpus, seed=1)) and not np.array_equal(found, S.random_units(path, corpus, seed=2))


def test_cheapest_against_all_ways():
    rng = np.random.default_rng(0)
    target = [rng.random(n) for n in (3, 4, 2, 3)]
    joins = [rng.random((len(a), len(b))) for a, b in zip(target, target[1:])]
    slow = min(itertools.product(*(range(len(t)) for t in target)), key=lambda way: (
        sum(t[i] for t, i in zip(target, way)) + sum(j[a, b] for j, a, b in zip(joins, way, way[1:]))))
    assert S.cheapest(target, joins).tolist() == list(slow)


def test_the_path_of_a_sound_is_played_by_that_sound_unless_banned(corpus):
    sound = int(np.argmax(corpus.dataset.n_frames))
    own = corpus.z[corpus.sound == sound]
    first = int(np.flatnonzero(corpus.sound == sound)[0])
    assert S.viterbi(own, corpus).tolist() == list(range(first, first + len(own), 5))
    assert sound not in corpus.sound[S.viterbi(own, corpus, [sound])]


def test_no_stretch_is_played_twice_where_there_are_others(make_dataset, cfg):
    data = make_dataset(n_sounds=60, seed=5)
    units = Units(np.random.default_rng(0).normal(size=(len(data.frames), 3)) * 0.1, data, cfg)
    still = np.zeros((30, 3))
    chosen = S.viterbi(still, units)
    assert not len(S.repeated(chosen, units)) and len(S.repeated(S.nearest_units(still, units), units)) == 5


def test_repeated_and_runs(corpus):
    first = corpus.dataset.start[np.argmax(corpus.dataset.n_frames)]
    chosen = np.array([first, first + 5, 0, first + 6])
    assert S.repeated(chosen, corpus).tolist() == [3]
    end = corpus.end(first)  # the end of one sound and the start of the next are not one stretch
    assert end + 1 < len(corpus) and not len(S.repeated(np.array([end - 1, end + 1]), corpus))
    assert S.runs(chosen, corpus).tolist() == [[0, first], [2, 0], [3, first + 6]]


def test_a_path_from_one_sound_to_another_begins_and_ends_with_them(corpus):
    still = np.repeat(corpus.z.mean(axis=0)[None], 30, axis=0)
    first, last = np.unique(corpus.sound[corpus.nearest(still[:1], S.CANDIDATES)])[:2]
    assert corpus.sound[S.viterbi(still, corpus, ends=(first, last))[[0, -1]]].tolist() == [first, last]
    assert corpus.sound[S.viterbi(still, corpus, ends=(last, first))[[0, -1]]].tolist() == [last, first]
    assert S.viterbi(still, corpus, [first], ends=(first, None)).tolist() == S.viterbi(still, corpus, [first]).tolist()  # not to be had


def test_sounds_shorter_than_a_step_can_be_played(cfg, make_dataset):
    data = make_dataset(n_sounds=3)
    frames, n = data.frames[:6], np.full(3, 2)
    units = Units(np.arange(18).reshape(6, 3), Dataset(data.table, frames, n), cfg)
    assert len(S.viterbi(units.z[[0, 0, 3, 3, 3, 5, 5]], units)) == 2


def test_viterbi_is_deterministic(corpus, path):
    assert np.array_equal(S.viterbi(path, corpus), S.viterbi(path, corpus))


@pytest.fixture
def listener(make_dataset, cfg, model):
    """Units where a network places them, and that network."""
    data = make_dataset(n_sounds=60, seed=4, easy=True)
    z = embed.embed_frames(model, data, cfg)
    return Units(z, data, cfg), z, lambda x: soundcheck.reembed(x, model, cfg)


def heard_error(chosen, path, units, hear):
    return np.linalg.norm(hear(units.magnitudes(chosen, S.STEP_FRAMES)[:len(path)]) - path, axis=1).mean() / units.radius


def test_a_moment_is_played_once_be_it_transposed_or_not(make_dataset, cfg):
    """Two copies of one sound, 12 and 7 semitones higher, are the only ones near the path."""
    data = make_dataset(n_sounds=3)
    n = np.array([60, 30, 40])
    data = Dataset(data.table.assign(transpose=[0, 12, 7], copy_of=0), np.ones((130, 40), np.float16), n)
    z = np.zeros((130, 3))
    z[:60] = 9
    units = Units(z, data, cfg)
    assert np.allclose(units.time[60:90], 2 * np.arange(30)) and np.allclose(units.time[90:], 2 ** (7 / 12) * np.arange(40))
    a, b = np.array([60, 65, 60, 62]), np.array([90, 90, 97, 92])  # source frames 0 to 10, 10 to 20, 0 to 10, 4 to 14; 0, 0, 10.5, 3
    assert S.overlap(a, b, units).tolist() == S.overlap(b, a, units).tolist() == [True, False, False, True]
    assert not S.overlap(np.array([60]), np.array([65]), units).any() and S.overlap(np.array([60]), np.array([64]), units).all()
    assert S.repeated(np.array([60, 65, 97, 90]), units).tolist() == [2, 3]
    chosen = S.viterbi(np.zeros((20, 3)), units)
    assert len(chosen) == 4 and not len(S.repeated(chosen, units)) and (chosen >= 60).all()


def test_a_path_begins_with_its_sound_however_crowded_it_is(make_dataset, cfg):
    data = make_dataset(n_sounds=40)
    z = np.zeros((len(data.frames), 3))
    z[data.where(7)] = 0.5  # all others lie on the path
    units = Units(z + np.random.default_rng(0).normal(size=z.shape) * 1e-3, data, cfg)
    assert units.sound[S.viterbi(np.zeros((15, 3)), units, ends=(7, 7))[[0, -1]]].tolist() == [7, 7]
    assert 7 not in units.sound[S.viterbi(np.zeros((15, 3)), units, [7], ends=(7, None))]


def test_a_choice_by_ear_is_heard_nearer_to_the_path(listener):
    units, z, hear = listener
    errors = []
    for sound in range(0, 60, 6):
        path = z[units.dataset.start[sound]:][:60]  # through some sounds that may not be played
        banned = np.arange(sound, sound + 10)
        errors.append([heard_error(S.viterbi(path, units, banned, hear=ear), path, units, hear) for ear in (None, hear)])
    deaf, by_ear = np.mean(errors, axis=0)
    assert by_ear < 0.98 * deaf


def test_a_choice_by_ear_plays_a_sound_by_itself(listener):
    units, z, hear = listener
    first = int(units.dataset.start[3])
    assert S.viterbi(z[units.dataset.where(3)], units, hear=hear).tolist() == list(range(first, first + int(units.dataset.n_frames[3]), 5))


def test_what_did_not_change_need_not_be_heard_again(listener):
    units, _, hear = listener
    rng = np.random.default_rng(0)
    for n in (42, 45):
        old = rng.choice(len(units) - 5, 9)
        heard = S._heard(units.magnitudes(old, 5)[:n], hear, np.empty((n, 3), np.float32), np.ones(9, bool))
        for steps in ([0], [8], [2, 7], [3, 4]):
            new = old.copy()
            new[steps] = rng.choice(len(units) - 5, len(steps))
            x = units.magnitudes(new, 5)[:n]
            assert np.allclose(S._heard(x, hear, heard.copy(), new != old), hear(x), atol=1e-5)


@pytest.mark.parametrize("n", [1, 2, 5, 6, 23])
def test_short_paths_and_sounds_are_chosen_by_ear(listener, n):
    units, z, hear = listener
    assert len(S.viterbi(z[:n], units, hear=hear)) == -(-n // S.STEP_FRAMES)
    data = units.dataset
    single = Dataset(data.table, data.frames[data.start], np.ones(len(data), int))
    short = Units(z[data.start], single, SimpleNamespace(gain=units.gain, hop_length=1, sr=1))
    assert Costs(short.z[:n], short).price > 0 and len(S.viterbi(short.z[:n], short, hear=hear)) == -(-n // S.STEP_FRAMES)
