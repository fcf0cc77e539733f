"""F over whole sounds: one point a frame, and one point a sound."""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from .features import log_compress
from .model import Embedder

BLOCK_FRAMES = 2048  # bounds memory; larger is no faster


class WeightsMismatch(ValueError):
    """Weights were trained with another front end or network."""


@torch.inference_mode()
def embed_frames(model, dataset, cfg):
    """Embed each frame of each sound.

    Parameters
    ----------
    model : Embedder
    dataset : Dataset
    cfg : Config
        `gain`, and the noise that the original code also adds when it predicts.

    Returns
    -------
    np.ndarray, (n_frames_total, n_dims), float32
        In the order of `dataset.frames`.

    Source
    ------
    Original code: prediction steps one frame, windows are zero beyond a sound's ends, and the zeros carry no noise.
    """
    gap = model.n_in // 2
    rng = np.random.default_rng([cfg.seed, 4])
    # zeros before each sound serve as the padding after the sound before it
    place = np.arange(len(dataset.frames)) + gap * (dataset.sound_of_frame() + 1)
    n_rows = len(dataset.frames) + gap * (len(dataset) + 1)
    out = np.empty((len(dataset.frames), model.dense2.out_features), np.float32)
    for first in range(0, len(dataset.frames), BLOCK_FRAMES):
        last = min(first + BLOCK_FRAMES, len(dataset.frames))
        low, high = max(0, place[first] - gap), min(n_rows, place[last - 1] + gap)
        near = slice(max(0, first - gap), min(len(dataset.frames), last + gap))
        x = np.zeros((high - low, model.n_bins), np.float32)
        inside = (place[near] >= low) & (place[near] < high)
        x[place[near][inside] - low] = dataset.frames[near][inside]
        if cfg.noise_mean or cfg.noise_sd:
            x[place[near][inside] - low] += rng.normal(cfg.noise_mean, cfg.noise_sd, (inside.sum(), model.n_bins)).astype(np.float32)
        z = model.sequence(torch.from_numpy(log_compress(np.maximum(x, 0), cfg.gain)))
        out[first:last] = z.numpy()[place[first:last] - gap - low]
    return out


def sound_points(z, dataset):
    """One point a sound: the median over its audible frames.

    Parameters
    ----------
    z : np.ndarray, (n_frames_total, n_dims)
    dataset : Dataset

    Returns
    -------
    np.ndarray, (n_sounds, n_dims), float32

    Source
    ------
    Our choice; the paper's Figure 1 marks a sound's median too.
    """
    audible, sound = dataset.audible(), dataset.sound_of_frame()
    ends = np.cumsum(np.bincount(sound[audible], minlength=len(dataset)))[:-1]
    return np.stack([np.median(part, axis=0) for part in np.split(z[audible], ends)]).astype(np.float32)


def save_weights(path, model, cfg, **card):
    """Write weights as safetensors with a JSON card in the header; `card` holds what else to say of them."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    card = {"front_end": cfg.front_end() | {"gain": cfg.gain}, "network": network(cfg), "config": cfg.as_dict(), **card}
    temporary = path.with_suffix(".tmp")
    save_file(model.state_dict(), temporary, metadata={"card": json.dumps(card)})
    temporary.replace(path)


def network(cfg):
    """The parameters that fix the network's shape."""
    return {"n_in": cfg.n_in, "n_bins": cfg.n_bins, "size": cfg.size, "n_dims": cfg.n_dims}


def load_weights(path, cfg):
    """Read weights written by `save_weights`.

    Returns
    -------
    model : Embedder
        In evaluation mode.
    card : dict

    Raises
    ------
    FileNotFoundError
        No such file; says to train first.
    WeightsMismatch
        The file is damaged, or its front end or network is not that of `cfg`.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no weights at {path}: run chapter 03_train for this scheme first")
    try:
        with safe_open(path, framework="pt") as file:
            card = json.loads((file.metadata() or {})["card"])
            state = {name: file.get_tensor(name) for name in file.keys()}
    except Exception as error:  # safetensors raises its own bare types for each kind of damage
        raise WeightsMismatch(f"{path} is not a whole weights file of this project ({error}): train again") from error
    for part, ours in (("front_end", cfg.front_end() | {"gain": cfg.gain}), ("network", network(cfg))):
        differing = [f"{k}: file {card[part].get(k)!r}, here {v!r}" for k, v in ours.items() if card[part].get(k) != v]
        if differing:
            raise WeightsMismatch(f"{path} was trained with another {part.replace('_', ' ')} ({'; '.join(differing)})")
    model = Embedder(**network(cfg))
    model.load_state_dict(state)
    return model.eval(), card


def save_embedding(path, z, points):
    """Write frame embeddings (n_frames_total, n_dims) and sound points (n_sounds, n_dims) in one file."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    save_file({"frames": torch.from_numpy(z), "sounds": torch.from_numpy(points)}, temporary)
    temporary.replace(path)


def load_embedding(path):
    """Read what `save_embedding` wrote: (frames, sounds), float32.

    Raises
    ------
    FileNotFoundError
        No such file; says which chapter makes it.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no embedding at {path}: run chapter 03_train for this scheme first")
    with safe_open(path, framework="np") as file:
        return file.get_tensor("frames"), file.get_tensor("sounds")
