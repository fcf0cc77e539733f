"""Batches obey their scheme, draw what they say in the share they say, and follow their seed."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chisquare

from dml_lib.config import SCHEMES, Config
from dml_lib.dataset import Dataset
from dml_lib.neighborhoods import Neighborhoods
from dml_lib.sampler import GroupSampler, PlainSampler, Sampler, TripletSampler

schemes = pytest.mark.parametrize("scheme", SCHEMES)


def triplets(dataset, scheme, cfg, n_batches=60, seed=0):
    found = Neighborhoods(dataset.table, scheme)
    sampler = TripletSampler(dataset, found, cfg.with_(seed=seed))
    return found, np.concatenate([sampler.sounds() for _ in range(n_batches)])


@schemes
def test_triplets_obey_their_scheme(scheme, dataset, cfg):
    found, sounds = triplets(dataset, scheme, cfg, 200)
    assert sounds.shape == (1600, 3) and np.issubdtype(sounds.dtype, np.integer)
    parts = [found.partition(k) for k in range(len(found))]
    for anchor, positive, negative in sounds:
        assert any(anchor in p.positive and positive in p.positive and negative in p.negative for p in parts)
    assert set(sounds.ravel()) == set(range(40))  # every sound is used


def test_negatives_inside_the_positive_set_only_where_allowed(dataset, cfg):
    def inside(cfg):
        """Share of negatives that no partition with this anchor and positive would allow."""
        found, sounds = triplets(dataset, "instrument_pitch_2", cfg, 100)
        parts = [found.partition(k) for k in range(len(found))]
        return np.mean([not any(a in p.positive and b in p.positive and n in p.negative for p in parts) for a, b, n in sounds])

    assert inside(cfg) == 0
    assert inside(cfg.with_(disjoint_negatives=False)) > 0.01


@schemes
def test_same_file_positives_only_where_allowed(scheme, dataset, cfg):
    same = {}
    for allowed in (True, False):
        _, sounds = triplets(dataset, scheme, cfg.with_(same_file_positives=allowed))
        same[allowed] = np.mean(sounds[:, 0] == sounds[:, 1])
    assert same[True] > 0.1 and same[False] == 0


def test_no_pair_of_files_where_same_file_positives_are_forbidden(make_dataset, cfg):
    dataset = make_dataset(20)  # one sound of each instrument and note
    found = Neighborhoods(dataset.table, "instrument_pitch")
    with pytest.raises(ValueError, match="expected a neighborhood of at least 2 sounds .*found none: add sounds or allow same-file positives"):
        TripletSampler(dataset, found, cfg.with_(same_file_positives=False))
    assert TripletSampler(dataset, found, cfg).batch().shape == (3, 8, 10, 40)


def test_a_neighborhood_of_one_sound_gives_no_anchor_where_same_file_positives_are_forbidden(make_dataset, cfg):
    dataset = make_dataset(24)  # four of twenty neighborhoods have two sounds
    found, sounds = triplets(dataset, "instrument_pitch", cfg.with_(same_file_positives=False))
    assert set(sounds[:, 0]) == {0, 1, 2, 3, 20, 21, 22, 23}
    assert set(sounds[:, 2]) == set(range(24))


def test_neighborhoods_are_drawn_uniformly(make_dataset, cfg):
    dataset = make_dataset(40)
    dataset.table["instrument"] = np.repeat(["a", "b", "c", "d"], (2, 4, 10, 24))
    found, sounds = triplets(dataset, "instrument", cfg, 400)
    of = found.instrument[sounds]
    assert chisquare(np.bincount(of[:, 0], minlength=4)).pvalue > 0.001
    assert chisquare(np.bincount(of[:, 2], minlength=4)).pvalue > 0.001
    pairs = np.bincount(of[:, 0] * 4 + of[:, 2], minlength=16).reshape(4, 4)
    assert (np.diag(pairs) == 0).all() and chisquare(pairs[~np.eye(4, dtype=bool)]).pvalue > 0.001
    # within a neighborhood, all sounds alike
    shares = np.bincount(sounds[of[:, 0] == 2, 0])[6:16] / (of[:, 0] == 2).sum()
    assert np.abs(shares - 0.1).max() < 0.05


def test_a_neighborhood_has_six_live_sounds_at_a_time(dataset, cfg):
    found = Neighborhoods(dataset.table, "instrument")
    sampler = TripletSampler(dataset, found, cfg)
    drawn = np.array([sampler._draw(0) for _ in range(20_000)])
    assert np.mean([len(set(part)) for part in drawn[:600].reshape(-1, 30)]) < 9  # independent draws: 9.6 of 10
    assert len(sampler.live[0]) == 6
    # the mean life is 11 draws, so one draw in six repeats its slot's sound 10 times in 11
    again = np.mean(drawn[1:] == drawn[:-1])
    assert 0.2 < again < 0.32  # independent draws: 0.1; expected 1/6 * 10/11 + rest * 1/10, more or less


def test_frames_are_drawn_in_proportion_to_energy(cfg):
    energy = np.array([5, 5, 1, 0, 2, 3, 4, 7, 7])
    dataset = Dataset([0, 1, 2], np.repeat(energy[:, None] / 40, 40, axis=1).astype(np.float16), np.array([2, 5, 2]))
    drawn = Sampler(dataset, None, cfg).frames(np.repeat([1, 0, 2], 20_000)).reshape(3, -1)
    shares = [np.bincount(row, minlength=5) / 20_000 for row in drawn]
    np.testing.assert_allclose(shares[0], energy[2:7] / 10, atol=0.015)
    np.testing.assert_allclose(shares[1], [0.5, 0.5, 0, 0, 0], atol=0.015)
    np.testing.assert_allclose(shares[2], [0.5, 0.5, 0, 0, 0], atol=0.015)
    assert shares[0][1] == 0  # a silent frame is never drawn


def test_a_silent_sound_still_gives_a_frame_of_its_own(cfg):
    dataset = Dataset([0, 1], np.zeros((7, 40), np.float16), np.array([3, 4]))
    drawn = Sampler(dataset, None, cfg).frames(np.array([0, 1, 0, 1]))
    assert (drawn >= 0).all() and (drawn < np.array([3, 4, 3, 4])).all()


def test_windows_are_log_compressed_windows_of_the_drawn_frames(dataset, cfg):
    sounds = np.arange(40)
    x = Sampler(dataset, None, cfg.with_(gain=20.0)).windows(sounds)
    drawn = Sampler(dataset, None, cfg).frames(sounds)
    assert x.dtype == np.float32 and x.shape == (40, 10, 40)
    np.testing.assert_allclose(x, np.log(1 + 20 * dataset.windows(sounds, drawn, 10)), rtol=1e-5, atol=1e-6)


def test_noise_is_added_to_linear_magnitudes(dataset, cfg):
    frames = lambda cfg: Sampler(dataset, None, cfg).windows(np.arange(40))  # noqa: E731
    linear = lambda x: np.expm1(x.astype(np.float64)) / 50  # noqa: E731
    plain, shifted = linear(frames(cfg)), linear(frames(cfg.with_(noise_mean=0.1)))
    np.testing.assert_allclose(shifted - plain, 0.1, atol=1e-3)
    noisy = linear(frames(cfg.with_(noise_mean=0.1, noise_sd=0.01))) - plain
    assert abs(noisy.mean() - 0.1) < 1e-3 and abs(noisy.std() - 0.01) < 1e-3
    assert (plain[:, 0] == 0).any() and np.abs(noisy[plain == 0]).min() > 0.03  # the padding carries noise too
    assert np.isfinite(frames(cfg.with_(noise_sd=1.0))).all() and frames(cfg.with_(noise_sd=1.0)).min() == 0


@schemes
def test_triplet_batch_shape_and_contents(scheme, dataset, cfg):
    sampler = TripletSampler(dataset, Neighborhoods(dataset.table, scheme), cfg)
    batch = sampler.batch()
    assert batch.shape == (3, 8, 10, 40) and batch.dtype == np.float32
    twin = TripletSampler(dataset, Neighborhoods(dataset.table, scheme), cfg)
    sounds = twin.sounds()  # the same draws, seen as sounds: slot j of the batch is column j
    centers = np.expm1(batch[:, :, 5]) / 50  # the frame that was drawn
    for role in range(3):
        for sound, center in zip(sounds[:, role], centers[role]):
            assert np.abs(dataset.features(sound) - center).max(axis=1).min() < 1e-3


@pytest.mark.parametrize("sampler", [TripletSampler, GroupSampler])
def test_samplers_follow_their_seed(sampler, dataset, cfg):
    def first(seed):
        it = sampler(dataset, Neighborhoods(dataset.table, "instrument_pitch_2"), cfg.with_(seed=seed))
        batches = [it.batch() for _ in range(3)]
        return np.array([b[0] if sampler is GroupSampler else b for b in batches])

    np.testing.assert_array_equal(first(1), first(1))
    assert not np.array_equal(first(1), first(2))
    assert not np.array_equal(first(1)[0], first(1)[1])


@pytest.mark.parametrize("sampler", [TripletSampler, GroupSampler])
def test_a_sampler_goes_on_from_its_state(sampler, dataset, cfg):
    """Also from a state that went through a file."""
    found = Neighborhoods(dataset.table, "instrument_pitch_2")
    first, second = (sampler(dataset, found, cfg.with_(seed=seed)) for seed in (1, 2))
    for _ in range(3):
        first.batch()
        if sampler is GroupSampler:
            first.see(np.random.default_rng(0).normal(size=(32, 3)))
    second.restore(json.loads(json.dumps(first.state())))
    for _ in range(3):
        for a, b in zip(first.batch(), second.batch()):
            np.testing.assert_array_equal(a, b)


@schemes
def test_group_batches(scheme, dataset, cfg):
    cfg = cfg.with_(ours_group=4)
    found = Neighborhoods(dataset.table, scheme)
    windows, sounds = GroupSampler(dataset, found, cfg).batch()
    twin = GroupSampler(dataset, found, cfg)
    groups = twin.groups()
    assert len(groups) == len(set(groups)) == min(8, len(found))  # 32 windows in fours
    size = 32 // len(groups)
    assert sounds.tolist() == [found.positive(k)[i] for k in groups for i in twin.rng.integers(0, len(found.positive(k)), size)]
    assert windows.shape == (size * len(groups), 10, 40) and windows.dtype == np.float32
    for g in range(len(groups)):
        assert all(sound in found.positive(groups[g]) for sound in sounds[size * g:size * (g + 1)])


@pytest.fixture
def crowd(make_dataset, cfg):
    """A sampler over 240 neighborhoods, 20 instruments at 12 notes each, of which a batch holds 8; and those neighborhoods."""
    dataset = make_dataset(240)
    dataset.table["instrument"] = [f"i{i // 12:02d}" for i in range(240)]
    dataset.table["note_number"] = [40 + i % 12 for i in range(240)]
    found = Neighborhoods(dataset.table, "instrument_pitch_2")
    return GroupSampler(dataset, found, cfg.with_(ours_group=4, ours_rivals=3)), found


def test_rivals_are_the_nearest_neighborhoods_that_are_not_alike(crowd):
    sampler, found = crowd
    assert sampler.rivals(0) == []  # nothing is known of the space yet
    sampler.centers = np.random.default_rng(0).normal(size=(240, 3))
    for k in (0, 77, 239):
        far = [np.inf if found.alike(k)[j] else np.linalg.norm(sampler.centers[j] - sampler.centers[k]) for j in range(240)]
        rivals = sampler.rivals(k)
        assert len(set(rivals)) == 3 and set(rivals) <= set(np.argsort(far)[:6])
    sampler.centers[10:] = np.nan  # of what was not seen nothing is said
    assert set(sampler.rivals(0)) <= set(range(3, 10)) and len(sampler.rivals(0)) == 3


def test_batches_bring_rivals_together(crowd):
    sampler, _ = crowd
    sampler.centers = np.arange(240.0)[:, None].repeat(3, axis=1)
    apart = [np.abs(np.subtract.outer(g, g)) + 999 * np.eye(8) for g in (sampler.groups() for _ in range(30))]
    assert np.median([a.min(axis=1) for a in apart]) <= 8  # by chance about 15
    assert all(len(set(sampler.groups())) == 8 for _ in range(30))


def test_centers_follow_what_was_seen(crowd):
    sampler, _ = crowd
    sampler.batch()
    z = np.repeat(np.arange(8.0), 4)[:, None] * [1, 2, 3]
    sampler.see(z)
    np.testing.assert_allclose(sampler.centers[sampler.shown], np.arange(8.0)[:, None] * [1, 2, 3])
    assert np.isnan(sampler.centers).all(axis=1).sum() == 232
    sampler.see(np.zeros_like(z))
    np.testing.assert_allclose(sampler.centers[sampler.shown], np.arange(8.0)[:, None] * [0.5, 1, 1.5])


def test_all_neighborhoods_come_up(dataset, cfg):
    sampler = GroupSampler(dataset, Neighborhoods(dataset.table, "instrument_pitch"), cfg.with_(ours_group=4))
    counts = np.bincount(np.concatenate([sampler.groups() for _ in range(400)]), minlength=20)
    assert counts.min() > 0.8 * counts.mean() and counts.max() < 1.2 * counts.mean()


@pytest.mark.timeout(10)
def test_triplets_where_no_neighborhood_has_negatives():
    table = pd.DataFrame({"instrument": ["a", "a"], "note_number": [60, 61]})
    sounds = Dataset(table, np.ones((8, 40), np.float16), np.array([4, 4]))
    with pytest.raises(ValueError, match="with others outside it, found none"):
        TripletSampler(sounds, Neighborhoods(table, "instrument_pitch_2"), Config(batch_triplets=2))


@pytest.mark.timeout(10)
def test_triplets_leave_out_the_neighborhood_without_negatives():
    table = pd.DataFrame({"instrument": ["a"] * 5, "note_number": [58, 59, 60, 61, 62]})
    sounds = Dataset(table, np.ones((20, 40), np.float16), np.full(5, 4))
    near = Neighborhoods(table, "instrument_pitch_2")
    triplets = TripletSampler(sounds, near, Config(batch_triplets=64)).sounds()
    assert (np.abs(triplets[:, 0] - triplets[:, 2]) <= 4).all() and len(triplets) == 64


def test_group_batch_has_the_promised_windows():
    table = pd.DataFrame({"instrument": ["a", "b"] * 4, "note_number": [60] * 8})
    sounds = Dataset(table, np.ones((32, 192), np.float16), np.full(8, 4))
    assert len(GroupSampler(sounds, Neighborhoods(table, "instrument"), Config()).batch()[0]) == 96


@pytest.mark.parametrize("group, groups", [(2, 16), (4, 8), (8, 4)])
def test_the_size_of_groups_is_a_choice(group, groups, dataset, cfg):
    sampler = GroupSampler(dataset, Neighborhoods(dataset.table, "instrument_pitch"), cfg.with_(ours_group=group))
    windows, sounds = sampler.batch()
    assert len(sampler.groups()) == groups and len(windows) == len(sounds) == 32


def test_plain_batches_come_as_sounds_do(make_dataset, cfg):
    dataset = make_dataset(100)
    dataset.table["instrument"] = np.repeat(["cello", "flute", None], [60, 20, 20])
    sampler, again = (PlainSampler(dataset, Neighborhoods(dataset.table, "instrument"), cfg) for _ in range(2))
    x, sounds = sampler.batch()
    assert x.shape == (32, 10, 40) and x.dtype == np.float32
    np.testing.assert_array_equal(again.batch()[0], x)
    drawn = np.concatenate([sampler.batch()[1] for _ in range(50)])
    assert set(drawn) == set(range(80)) and (drawn < 60).mean() == pytest.approx(0.75, abs=0.05)
