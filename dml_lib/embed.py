"""F over whole sounds: one point a frame, and one point a sound."""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from .features import log_compress
from .model import Embedder
from .paths import Damaged

BLOCK_FRAMES = 512  # larger blocks leave the cache; a longer sound is a block of its own


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
    gap = model.n_in // 2  # zeros before each sound serve as the padding after the sound before it
    rng = np.random.default_rng([cfg.seed, 4])
    out = np.empty((len(dataset.frames), model.dense2.out_features), np.float32)
    first = 0
    while first < len(dataset):
        ends = dataset.start[first:] + dataset.n_frames[first:] - dataset.start[first]
        last = first + max(1, int(np.searchsorted(ends, BLOCK_FRAMES, side="right")))
        n_frames = dataset.n_frames[first:last]
        rows = slice(dataset.start[first], dataset.start[first] + n_frames.sum())
        place = np.arange(n_frames.sum()) + gap * np.repeat(np.arange(1, len(n_frames) + 1), n_frames)
        x = np.zeros((place[-1] + gap, model.n_bins), np.float32)
        x[place] = dataset.frames[rows]
        if cfg.noise_mean or cfg.noise_sd:
            x[place] += rng.normal(cfg.noise_mean, cfg.noise_sd, (len(place), model.n_bins))
        z = model.sequence(torch.from_numpy(log_compress(np.maximum(x, 0), cfg.gain)))
        out[rows] = z.numpy()[place - gap]
        first = last
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
    card = _shape(cfg) | {"config": cfg.as_dict(), **card}
    temporary = path.with_suffix(".tmp")
    save_file(model.state_dict(), temporary, metadata={"card": json.dumps(card)})
    temporary.replace(path)


def _shape(cfg):
    """What weights depend on: the front end they saw, and the network they fill."""
    return {
        "front_end": cfg.front_end() | {"gain": cfg.gain, "level": cfg.level},
        "network": {"n_in": cfg.n_in, "n_bins": cfg.n_bins, "size": cfg.size, "n_dims": cfg.n_dims},
    }


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
    Damaged
        The file is not whole.
    WeightsMismatch
        Its front end or network is not that of `cfg`.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no weights at {path}: run chapter 03_train for this scheme first")
    try:
        with safe_open(path, framework="pt") as file:
            card = json.loads(file.metadata()["card"])
            state = {name: file.get_tensor(name) for name in file.keys()}
        differing = [
            f"{part} {k}: file {card[part].get(k)!r}, here {v!r}"
            for part, here in _shape(cfg).items() for k, v in here.items() if card[part].get(k) != v
        ]
    except Exception as error:  # safetensors raises its own bare types for each kind of damage
        raise Damaged(f"{path} is not a whole weights file of this project ({error!r}): train again") from error
    if differing:
        raise WeightsMismatch(f"{path} was trained otherwise ({'; '.join(differing)}): choose the same settings or train again")
    model = Embedder(**_shape(cfg)["network"])
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise Damaged(f"{path} does not hold the layers of the network ({error}): train again") from None
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
    Damaged
        The file is not whole.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no embedding at {path}: run chapter 03_train for this scheme first")
    try:
        with safe_open(path, framework="np") as file:
            return file.get_tensor("frames"), file.get_tensor("sounds")
    except Exception as error:
        raise Damaged(f"{path} is not a whole embedding ({error}): run chapter 03_train for this scheme again") from error
