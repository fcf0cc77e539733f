"""F over whole sounds, one point a sound, and weights files that are refused when they do not fit."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from dml_lib import embed
from dml_lib.config import Config
from dml_lib.dataset import Dataset
from dml_lib.embed import WeightsMismatch, embed_frames, load_embedding, load_weights, save_embedding, save_weights, sound_points
from dml_lib.model import Embedder
from dml_lib.paths import Damaged


@pytest.fixture
def model(cfg):
    """A network whose outputs are not tiny."""
    model = Embedder(cfg.n_in, cfg.n_bins, cfg.size, cfg.n_dims, cfg.seed)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * (1.5 / p[0].numel() ** 0.5 if p.ndim > 1 else 0.5))
    return model.eval()


def slow_embedding(model, dataset, cfg):
    """Window by window, each padded with zeros, through `forward`."""
    rows = []
    for i in range(len(dataset)):
        padded = np.pad(dataset.features(i).astype(np.float32), ((5, 4), (0, 0)))
        windows = np.stack([padded[t:t + 10] for t in range(dataset.n_frames[i])])
        with torch.no_grad():
            rows.append(model(torch.log1p(cfg.gain * torch.from_numpy(windows))).numpy())
    return np.concatenate(rows)


def test_each_frame_is_its_windows_embedding(model, dataset, cfg):
    cfg = cfg.with_(gain=20.0)
    z = embed_frames(model, dataset, cfg)
    expected = slow_embedding(model, dataset, cfg)
    assert z.shape == (len(dataset.frames), 3) and z.dtype == np.float32
    assert expected.std(axis=0).min() > 0.05
    np.testing.assert_allclose(z, expected, atol=1e-5)


@pytest.mark.parametrize("block", [1, 2, 7, 64, 10_000])
def test_blocks_do_not_matter(block, model, dataset, cfg, monkeypatch):
    whole = embed_frames(model, dataset, cfg)
    monkeypatch.setattr(embed, "BLOCK_FRAMES", block)
    np.testing.assert_allclose(embed_frames(model, dataset, cfg), whole, atol=1e-5)


def test_other_sounds_and_their_order_do_not_matter(model, dataset, cfg):
    z = embed_frames(model, dataset, cfg)
    order = np.random.default_rng(0).permutation(40)
    n = dataset.n_frames[order]
    shuffled = Dataset(dataset.table.iloc[order], np.concatenate([dataset.features(i) for i in order]), np.cumsum(n) - n, n)
    expected = np.concatenate([z[dataset.start[i]:dataset.start[i] + dataset.n_frames[i]] for i in order])
    np.testing.assert_allclose(embed_frames(model, shuffled, cfg), expected, atol=1e-5)
    alone = dataset.subset(np.arange(40) == 17)
    np.testing.assert_allclose(embed_frames(model, alone, cfg), z[dataset.sound_of_frame() == 17], atol=1e-5)


def test_a_sound_of_one_frame(model, cfg):
    frames = np.random.default_rng(0).random((3, 40)).astype(np.float16)
    dataset = Dataset([0, 1], frames, np.array([0, 1]), np.array([1, 2]))
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
    raised = Dataset(dataset.table, dataset.frames.astype(np.float32) + 0.25, dataset.start, dataset.n_frames)
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
    dataset = Dataset([0, 1], frames, np.array([0, 6]), np.array([6, 2]))
    z = np.array([[1], [2], [3], [90], [91], [92], [4], [6]], np.float32)
    assert sound_points(z, dataset).tolist() == [[2], [5]]


def test_weights_round_trip(model, cfg, tmp_path):
    path = tmp_path / "new" / "pitch.ours.safetensors"
    save_weights(path, model, cfg, scheme="pitch", recipe="ours")
    loaded, card = load_weights(path, cfg)
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), loaded.state_dict().values()))
    assert not loaded.training
    assert (card["scheme"], card["recipe"]) == ("pitch", "ours")
    assert card["config"] == cfg.as_dict() and card["front_end"]["gain"] == 50.0
    assert [p.name for p in path.parent.iterdir()] == [path.name]  # no temporary file is left
    load_weights(path, cfg.with_(seed=99, learning_rate=1.0))  # what fixes neither features nor network may differ


def test_weights_are_replaced_whole(model, cfg, tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, model, cfg, n=1)
    save_weights(path, Embedder(cfg.n_in, cfg.n_bins, cfg.size, cfg.n_dims, 77), cfg, n=2)
    loaded, card = load_weights(path, cfg)
    assert card["n"] == 2 and not torch.equal(loaded.dense1.weight, model.dense1.weight)


def test_missing_weights_say_what_to_run(cfg, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no weights at .*absent\.safetensors: run chapter 03_train for this scheme first"):
        load_weights(tmp_path / "absent.safetensors", cfg)


@pytest.mark.parametrize("damage", [
    lambda b: b[:len(b) // 2], lambda b: b[:-1], lambda b: b"", lambda b: b"not safetensors at all", lambda b: bytes(8) + b[8:],
])
def test_damaged_weights_are_refused(damage, model, cfg, tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, model, cfg)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(Damaged, match=r"w\.safetensors is not a whole weights file of this project .*: train again"):
        load_weights(path, cfg)


@pytest.mark.parametrize("metadata", [None, {"other": "x"}, {"card": "{"}])
def test_weights_without_a_card_are_refused(metadata, model, cfg, tmp_path):
    save_file(model.state_dict(), tmp_path / "w.safetensors", metadata=metadata)
    with pytest.raises(Damaged, match="not a whole weights file"):
        load_weights(tmp_path / "w.safetensors", cfg)


@pytest.mark.parametrize("change, message", [
    ({"filter_scale": 1.0}, r"otherwise \(front_end filter_scale: file 1\.5, here 1\.0\)"),
    ({"gain": 1.0}, r"otherwise \(front_end gain: file 50\.0, here 1\.0\)"),
    ({"hop_length": 400, "window": "hann"}, r"otherwise \(front_end hop_length: file 800, here 400; front_end window: file 'cosine', here 'hann'\)"),
    ({"size": "med"}, r"otherwise \(network size: file 'small', here 'med'\)"),
    ({"n_dims": 2}, r"otherwise \(network n_dims: file 3, here 2\)"),
])
def test_weights_of_another_front_end_or_network_are_refused_by_name(change, message, model, cfg, tmp_path):
    save_weights(tmp_path / "w.safetensors", model, cfg)
    with pytest.raises(WeightsMismatch, match=message):
        load_weights(tmp_path / "w.safetensors", cfg.with_(**change))


def test_half_precision_weights_load_as_single(model, cfg, tmp_path):
    save_weights(tmp_path / "w.safetensors", model, cfg)
    with safe_open(tmp_path / "w.safetensors", "pt") as file:
        card = file.metadata()
    assert json.loads(card["card"])["network"]["size"] == "small"
    save_file({k: v.half() for k, v in model.state_dict().items()}, tmp_path / "h.safetensors", metadata=card)
    loaded, _ = load_weights(tmp_path / "h.safetensors", cfg)
    assert loaded.dense1.weight.dtype == torch.float32
    torch.testing.assert_close(loaded.dense1.weight, model.dense1.weight, rtol=1e-3, atol=1e-6)


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
    with pytest.raises(FileNotFoundError, match="no embedding at .*: run chapter 03_train for this scheme first"):
        load_embedding(tmp_path / "absent.safetensors")


def test_weights_without_a_layer_are_damaged(tmp_path):
    small = Config(n_bins=40, size="small")
    save_weights(tmp_path / "whole.safetensors", Embedder(n_bins=40, size="small"), small)
    with safe_open(tmp_path / "whole.safetensors", "pt") as file:
        metadata, state = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}
    del state["dense2.bias"]
    save_file(state, tmp_path / "part.safetensors", metadata=metadata)
    with pytest.raises(Damaged, match="dense2.bias"):
        load_weights(tmp_path / "part.safetensors", small)


def test_weights_with_an_empty_card_are_damaged(tmp_path):
    save_file(Embedder(n_bins=40, size="small").state_dict(), tmp_path / "x.safetensors", metadata={"card": "{}"})
    with pytest.raises(Damaged, match="not a whole weights file"):
        load_weights(tmp_path / "x.safetensors", Config(n_bins=40, size="small"))


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
