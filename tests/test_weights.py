"""Weights files come back as they were, and are refused where they do not fit."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from dml_lib import paths, tensors
from dml_lib.config import Config
from dml_lib.model import Embedder
from dml_lib.paths import Damaged
from dml_lib.weights import WeightsMismatch, load_weights, open_weights, save_weights


def contiguous(model):
    """Its weights as another program would write them."""
    return {name: tensor.contiguous() for name, tensor in model.state_dict().items()}


def test_weights_round_trip(model, cfg, tmp_path):
    path = tmp_path / "new" / "pitch.ours.safetensors"
    save_weights(path, model, cfg, "paper", scheme="pitch")
    loaded, card = load_weights(path, cfg, "paper")
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), loaded.state_dict().values()))
    assert not loaded.training
    assert (card["scheme"], card["recipe"]) == ("pitch", "paper")
    assert card["config"] == cfg.as_dict() and card["front_end"]["gain"] == 50.0
    assert [p.name for p in path.parent.iterdir()] == [path.name]  # no temporary file is left
    load_weights(path, cfg.with_(seed=99, learning_rate=1.0), "paper")  # what fixes neither features nor network may differ


def test_weights_are_replaced_whole(model, cfg, tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, model, cfg, "paper", n=1)
    save_weights(path, Embedder(seed=77, **cfg.network()), cfg, "paper", n=2)
    loaded, card = load_weights(path, cfg, "paper")
    assert card["n"] == 2 and not torch.equal(loaded.dense1.weight, model.dense1.weight)


def test_weights_of_the_other_recipe_are_refused(cfg, tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, Embedder(seed=1, **cfg.network("ours")), cfg, "ours")
    assert load_weights(path, cfg, "ours")[1]["recipe"] == "ours"
    with pytest.raises(WeightsMismatch, match=r"network pool: file 1, here None; network deep: file True, here None"):
        load_weights(path, cfg, "paper")


def test_missing_weights_say_what_to_run(cfg, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no weights at .*absent\.safetensors: run chapter 03_train for this scheme"):
        load_weights(tmp_path / "absent.safetensors", cfg, "paper")


@pytest.mark.parametrize("damage", [
    lambda b: b[:len(b) // 2], lambda b: b[:-1], lambda b: b"", lambda b: b"not safetensors at all", lambda b: bytes(8) + b[8:],
])
def test_damaged_weights_are_refused(damage, model, cfg, tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, model, cfg, "paper")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(Damaged, match=r"w\.safetensors is not a whole file of weights of this project .*: run chapter 03_train"):
        load_weights(path, cfg, "paper")


@pytest.mark.parametrize("metadata", [None, {"other": "x"}, {"card": "{"}])
def test_weights_without_a_card_are_refused(metadata, model, cfg, tmp_path):
    save_file(contiguous(model), tmp_path / "w.safetensors", metadata=metadata)
    with pytest.raises(Damaged, match="not a whole file of weights"):
        load_weights(tmp_path / "w.safetensors", cfg, "paper")


@pytest.mark.parametrize("change, message", [
    ({"filter_scale": 1.0}, r"otherwise \(front_end filter_scale: file 1\.5, here 1\.0\)"),
    ({"gain": 1.0}, r"otherwise \(front_end gain: file 50\.0, here 1\.0\)"),
    ({"hop_length": 400, "window": "hann"}, r"otherwise \(front_end hop_length: file 800, here 400; front_end window: file 'cosine', here 'hann'\)"),
    ({"size": "med"}, r"otherwise \(network size: file 'small', here 'med'\)"),
    ({"n_dims": 2}, r"otherwise \(network n_dims: file 3, here 2\)"),
])
def test_weights_of_another_front_end_or_network_are_refused_by_name(change, message, model, cfg, tmp_path):
    save_weights(tmp_path / "w.safetensors", model, cfg, "paper")
    with pytest.raises(WeightsMismatch, match=message):
        load_weights(tmp_path / "w.safetensors", cfg.with_(**change), "paper")


def test_half_precision_weights_load_as_single(model, cfg, tmp_path):
    save_weights(tmp_path / "w.safetensors", model, cfg, "paper")
    with safe_open(tmp_path / "w.safetensors", "pt") as file:
        card = file.metadata()
    assert json.loads(card["card"])["network"]["size"] == "small"
    save_file({k: v.half() for k, v in contiguous(model).items()}, tmp_path / "h.safetensors", metadata=card)
    loaded, _ = load_weights(tmp_path / "h.safetensors", cfg, "paper")
    assert loaded.dense1.weight.dtype == torch.float32
    torch.testing.assert_close(loaded.dense1.weight, model.dense1.weight, rtol=1e-3, atol=1e-6)


def test_weights_without_a_layer_are_damaged(tmp_path):
    small = Config(n_bins=40, size="small")
    save_weights(tmp_path / "whole.safetensors", Embedder(n_bins=40, size="small"), small, "paper")
    with safe_open(tmp_path / "whole.safetensors", "pt") as file:
        metadata, state = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}
    del state["dense2.bias"]
    save_file(state, tmp_path / "part.safetensors", metadata=metadata)
    with pytest.raises(Damaged, match="dense2.bias"):
        load_weights(tmp_path / "part.safetensors", small, "paper")


def test_weights_with_an_empty_card_are_damaged(tmp_path):
    save_file(contiguous(Embedder(n_bins=40, size="small")), tmp_path / "x.safetensors", metadata={"card": "{}"})
    with pytest.raises(Damaged, match="not a whole file of weights"):
        load_weights(tmp_path / "x.safetensors", Config(n_bins=40, size="small"), "paper")


def test_the_network_of_a_scheme_is_looked_for_where_it_may_be(model, cfg, tmp_path, monkeypatch):
    shipped, run = tmp_path / "weights", paths.Run("test", str(tmp_path / "run"))
    monkeypatch.setattr(paths, "WEIGHTS", shipped)
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    with pytest.raises(ValueError, match="run `make book` first"):
        paths.find_weights("pitch")
    with pytest.raises(ValueError, match="expected one of instrument"):
        paths.find_weights("pich")
    for file in (paths.Run("fast").weights("pitch", "ours"), run.weights("pitch", "ours")):
        save_weights(file, model, cfg, "paper")
    assert paths.find_weights("pitch") == paths.Run("fast").weights("pitch", "ours")
    save_weights(shipped / "pitch.safetensors", model, cfg, "paper")
    assert paths.find_weights("pitch") == shipped / "pitch.safetensors"
    assert paths.find_weights("pitch", run) == run.weights("pitch", "ours")
    assert paths.find_weights(str(run.weights("pitch", "ours"))) == run.weights("pitch", "ours")
    with pytest.raises(ValueError, match="expected a file of weights, found none at .*gone.safetensors"):
        paths.find_weights(tmp_path / "gone.safetensors")


def test_a_network_of_other_settings_is_not_written(model, cfg, tmp_path):
    with pytest.raises(WeightsMismatch, match="expected the network of recipe 'paper' with these settings, found another"):
        save_weights(tmp_path / "a.safetensors", model, cfg.with_(n_dims=8), "paper")
    assert not list(tmp_path.iterdir())


def test_a_card_says_how_to_open_its_file(model, cfg, tmp_path):
    save_weights(tmp_path / "w.safetensors", model, cfg, "paper")
    found, settings = open_weights(tmp_path / "w.safetensors")
    assert settings == cfg and all(torch.equal(a, b) for a, b in zip(found.state_dict().values(), model.state_dict().values()))
    tensors.write(tmp_path / "other.safetensors", model.state_dict(), recipe="paper")
    with pytest.raises(Damaged, match="not a whole file of weights"):
        open_weights(tmp_path / "other.safetensors")
