"""F over whole sounds, and one point a sound."""

import numpy as np
import pytest
import torch

from dml_lib import embed, paths
from dml_lib.config import Config
from dml_lib.dataset import Dataset
from dml_lib.embed import embed_frames, load_embedding, save_embedding, sound_points
from dml_lib.model import Embedder
from dml_lib.paths import Damaged
from dml_lib.weights import WeightsMismatch, save_weights


def slow_embedding(model, dataset, cfg):
    """Window by window, each padded, through `forward`."""
    rows = []
    for i in range(len(dataset)):
        mode = "constant" if cfg.zero_padding else "edge"
        padded = np.pad(dataset.features(i).astype(np.float32), ((5, 4), (0, 0)), mode)
        windows = np.stack([padded[t:t + 10] for t in range(dataset.n_frames[i])])
        with torch.no_grad():
            rows.append(model(torch.log1p(cfg.gain * torch.from_numpy(windows))).numpy())
    return np.concatenate(rows)


@pytest.mark.parametrize("zero_padding", [True, False])
def test_each_frame_is_its_windows_embedding(zero_padding, model, dataset, cfg):
    cfg = cfg.with_(gain=20.0, zero_padding=zero_padding)
    z = embed_frames(model, dataset, cfg)
    expected = slow_embedding(model, dataset, cfg)
    assert z.shape == (len(dataset.frames), 3) and z.dtype == np.float32
    assert expected.std(axis=0).min() > 0.05
    np.testing.assert_allclose(z, expected, atol=1e-5)


@pytest.mark.parametrize("zero_padding", [True, False])
@pytest.mark.parametrize("block", [1, 2, 7, 64, 10_000])
def test_blocks_do_not_matter(block, zero_padding, model, dataset, cfg, monkeypatch):
    cfg = cfg.with_(zero_padding=zero_padding)
    whole = embed_frames(model, dataset, cfg)
    monkeypatch.setattr(embed, "BLOCK_FRAMES", block)
    np.testing.assert_allclose(embed_frames(model, dataset, cfg), whole, atol=1e-5)


def test_other_sounds_and_their_order_do_not_matter(model, dataset, cfg):
    z = embed_frames(model, dataset, cfg)
    order = np.random.default_rng(0).permutation(40)
    n = dataset.n_frames[order]
    shuffled = Dataset(dataset.table.iloc[order], np.concatenate([dataset.features(i) for i in order]), n)
    expected = np.concatenate([z[dataset.start[i]:dataset.start[i] + dataset.n_frames[i]] for i in order])
    np.testing.assert_allclose(embed_frames(model, shuffled, cfg), expected, atol=1e-5)
    alone = dataset.subset(np.arange(40) == 17)
    np.testing.assert_allclose(embed_frames(model, alone, cfg), z[dataset.sound_of_frame() == 17], atol=1e-5)


@pytest.mark.parametrize("zero_padding", [True, False])
def test_a_sound_of_one_frame(zero_padding, model, cfg):
    cfg = cfg.with_(zero_padding=zero_padding)
    frames = np.random.default_rng(0).random((3, 40)).astype(np.float16)
    dataset = Dataset([0, 1], frames, np.array([1, 2]))
    np.testing.assert_allclose(embed_frames(model, dataset, cfg), slow_embedding(model, dataset, cfg), atol=1e-5)


def test_embedding_is_repeatable_and_noise_follows_the_seed(model, dataset, cfg):
    np.testing.assert_array_equal(embed_frames(model, dataset, cfg), embed_frames(model, dataset, cfg))
    noisy = cfg.with_(noise_mean=0.1, noise_sd=0.01)
    np.testing.assert_array_equal(embed_frames(model, dataset, noisy), embed_frames(model, dataset, noisy))
    assert np.abs(embed_frames(model, dataset, noisy) - embed_frames(model, dataset, cfg)).max() > 1e-2
    assert not np.array_equal(embed_frames(model, dataset, noisy.with_(seed=8)), embed_frames(model, dataset, noisy))


def test_noise_is_added_to_frames_and_not_to_the_padding(model, dataset, cfg):
    """A mean without spread is a constant, which a slow loop can add before it pads."""
    z = embed_frames(model, dataset, cfg.with_(noise_mean=0.25))
    raised = Dataset(dataset.table, dataset.frames.astype(np.float32) + 0.25, dataset.n_frames)
    np.testing.assert_allclose(z, slow_embedding(model, raised, cfg), atol=1e-5)


def test_the_model_learns_nothing_from_being_used(model, dataset, cfg):
    before = [p.clone() for p in model.parameters()]
    embed_frames(model, dataset, cfg)
    assert all(torch.equal(a, b) and b.grad is None for a, b in zip(before, model.parameters()))


def test_sound_points_are_medians_over_audible_frames(dataset):
    dataset.frames[::3] *= np.float16(1e-4)
    dataset.frames[dataset.start[4]:dataset.start[4] + dataset.n_frames[4]] = 0  # silent throughout: all its frames count
    z = np.random.default_rng(1).normal(size=(len(dataset.frames), 3)).astype(np.float32)
    slow, left_out = [], 0
    for i in range(40):
        peak = dataset.features(i).max(axis=1).astype(np.float64)
        keep = peak >= peak.max() / 1000 if peak.max() else peak == 0
        left_out += (~keep).sum()
        slow.append(np.median(z[dataset.start[i]:dataset.start[i] + dataset.n_frames[i]][keep], axis=0))
    points = sound_points(z, dataset)
    assert left_out > 50
    assert points.shape == (40, 3) and points.dtype == np.float32
    np.testing.assert_allclose(points, slow, rtol=1e-6)


def test_sound_points_ignore_the_silent_tail():
    frames = np.zeros((8, 4), np.float16)
    frames[:3], frames[3:6] = 1, 1e-4
    dataset = Dataset([0, 1], frames, np.array([6, 2]))
    z = np.array([[1], [2], [3], [90], [91], [92], [4], [6]], np.float32)
    assert sound_points(z, dataset).tolist() == [[2], [5]]


def test_embedding_round_trip(tmp_path):
    rng = np.random.default_rng(0)
    z, points = rng.random((30, 3), np.float32), rng.random((4, 3), np.float32)
    save_embedding(tmp_path / "new" / "e.safetensors", z, points)
    frames, sounds = load_embedding(tmp_path / "new" / "e.safetensors")
    np.testing.assert_array_equal(frames, z)
    np.testing.assert_array_equal(sounds, points)
    assert frames.dtype == sounds.dtype == np.float32
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["e.safetensors"]


def test_missing_embedding_says_what_to_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="no embedding at .*: run chapter 03_train for this scheme"):
        load_embedding(tmp_path / "absent.safetensors")


def test_damaged_embedding_names_the_chapter(tmp_path):
    (tmp_path / "half.safetensors").write_bytes(b"half")
    with pytest.raises(Damaged, match="run chapter 03_train"):
        load_embedding(tmp_path / "half.safetensors")


def test_noise_does_not_depend_on_blocks(monkeypatch, make_dataset):
    noisy = Config(n_bins=40, size="small", noise_sd=0.01, noise_mean=0.1)
    model, sounds = Embedder(n_bins=40, size="small"), make_dataset(9)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(10)
    whole = embed_frames(model, sounds, noisy)
    monkeypatch.setattr(embed, "BLOCK_FRAMES", 16)
    np.testing.assert_allclose(embed_frames(model, sounds, noisy), whole, atol=1e-5)


def test_where_the_network_that_ships_hears_a_run_is_kept_until_it_is_another(model, dataset, cfg, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "WEIGHTS", tmp_path / "weights")
    run, file = paths.Run("test", str(tmp_path / "run")), tmp_path / "weights" / "pitch.safetensors"
    cfg = cfg.with_(ours_pool=1, ours_deep=False)  # the layers of `model`
    dataset.table["checksum"] = "0"
    save_weights(file, model, cfg, "ours", scheme="pitch")
    z, points = embed.shipped("pitch", dataset, cfg, run)
    assert np.array_equal(z, embed_frames(model, dataset, cfg)) and np.array_equal(points, sound_points(z, dataset))
    monkeypatch.setattr(embed, "embed_frames", None)  # kept: nothing is embedded again
    assert np.array_equal(embed.shipped("pitch", dataset, cfg, run)[0], z)
    monkeypatch.undo()
    monkeypatch.setattr(paths, "WEIGHTS", tmp_path / "weights")
    dataset.table.loc[0, "checksum"] = "1"  # another file of the same name: heard again
    monkeypatch.setattr(embed, "embed_frames", lambda *of: z + 1)
    assert np.array_equal(embed.shipped("pitch", dataset, cfg, run)[0], z + 1)
    monkeypatch.undo()
    monkeypatch.setattr(paths, "WEIGHTS", tmp_path / "weights")
    save_weights(file, Embedder(seed=5, **cfg.network("ours")).eval(), cfg, "ours", scheme="pitch")
    assert not np.allclose(embed.shipped("pitch", dataset, cfg, run)[0], z)
    assert len(embed.shipped("pitch", dataset.subset(np.arange(40) < 9), cfg, run)[1]) == 9
    with pytest.raises(WeightsMismatch, match="hop_length"):
        embed.shipped("pitch", dataset, cfg.with_(hop_length=400), run)


def test_trajectories_begin_and_end_where_a_sound_is_audible(dataset):
    z = np.arange(len(dataset.frames) * 3, dtype=float).reshape(-1, 3)
    found, audible = embed.sound_trajectories(z, dataset, 5), dataset.audible()
    for sound, way in enumerate(found):
        own = z[dataset.where(sound)][audible[dataset.where(sound)]]
        assert np.array_equal(way[[0, -1]], own[[0, -1]]) and (np.diff(way[:, 0]) >= 0).all()
        assert np.abs(way[2] - (own[0] + own[-1]) / 2).max() <= 3  # half a frame
    assert embed.sound_trajectories(z, dataset, 1).shape == (len(dataset), 1, 3)
