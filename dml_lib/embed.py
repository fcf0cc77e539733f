"""F over whole sounds: one point a frame, and one point a sound."""

import numpy as np
import pooch
import torch

from . import tensors
from .paths import find_weights
from .features import log_compress
from .store import digest
from .weights import ADVICE, load_weights

BLOCK_FRAMES = 512  # larger blocks leave the cache; a longer sound is a block of its own


@torch.inference_mode()
@torch.backends.cudnn.flags(enabled=True, allow_tf32=False)  # whose 10 bits would be heard beyond 1e-4
def embed_frames(model, dataset, cfg):
    """Embed each frame of each sound.

    Parameters
    ----------
    model : Embedder
        On any device.
    dataset : Dataset
        At the level that the network learned from, see `Dataset.leveled`, and of its front end.
    cfg : Config
        `gain`, `zero_padding`, and the noise that the original code also adds when it predicts.

    Returns
    -------
    np.ndarray, (n_frames_total, n_dims), float32
        In the order of `dataset.frames`.

    Source
    ------
    Original code: prediction steps one frame, windows are zero beyond a sound's ends, and the zeros carry no noise.
    """
    before = model.n_in // 2
    after = model.n_in - before - 1
    gap = before if cfg.zero_padding else before + after  # zeros before a sound also serve as those after the sound before it
    rng, device = np.random.default_rng([cfg.seed, 4]), model.device
    out = np.empty((len(dataset.frames), model.n_dims), np.float32)
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
        if not cfg.zero_padding:
            first_row, last_row = place[np.cumsum(n_frames) - n_frames], place[np.cumsum(n_frames) - 1]
            for beyond, edge, sign in ((before, first_row, -1), (after, last_row, 1)):
                for i in range(1, beyond + 1):
                    x[edge + sign * i] = x[edge]
        z = model.sequence(torch.from_numpy(log_compress(np.maximum(x, 0), cfg.gain)).to(device))
        out[rows] = z.cpu().numpy()[place - before]
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
    return np.stack([np.median(part, axis=0) for part in audible_parts(z, dataset)]).astype(np.float32)


def sound_trajectories(z, dataset, n_steps=16):
    """Where each sound goes over its audible frames, at `n_steps` even times.

    Parameters
    ----------
    z : np.ndarray, (n_frames_total, n_dims)
    dataset : Dataset
    n_steps : int

    Returns
    -------
    np.ndarray, (n_sounds, n_steps, n_dims)
        The frame nearest to each time.

    Source
    ------
    Our choice: two trajectories of one length can be set beside each other, step by step.
    """
    parts = audible_parts(z, dataset)
    return np.stack([part[np.round(np.linspace(0, len(part) - 1, n_steps)).astype(int)] for part in parts])


def audible_parts(z, dataset):
    """What there is of each audible frame, (n_frames_total, any), as a list of one array a sound."""
    audible, sound = dataset.audible(), dataset.sound_of_frame()
    return np.split(z[audible], np.cumsum(np.bincount(sound[audible], minlength=len(dataset)))[:-1])


def save_embedding(path, z, points):
    """Write frame embeddings (n_frames_total, n_dims) and sound points (n_sounds, n_dims) in one file."""
    tensors.write(path, {"frames": z, "sounds": points})


def load_embedding(path):
    """Read what `save_embedding` wrote: (frames, sounds), float32.

    Raises
    ------
    FileNotFoundError
        No such file; says which chapter makes it.
    Damaged
        The file is not whole.
    """
    found, _ = tensors.read(path, "embedding", ADVICE)
    return found["frames"].numpy(), found["sounds"].numpy()


def shipped(scheme, dataset, cfg, run):
    """Where the network that ships for a scheme hears the sounds of a run.

    It is kept in the run, and made again where the network, the sounds or the front end are others.

    Parameters
    ----------
    scheme : str
    dataset : Dataset
    cfg : Config
        Of the run.
    run : paths.Run

    Returns
    -------
    frames : np.ndarray, (n_frames_total, n_dims), float32
    points : np.ndarray, (n_sounds, n_dims), float32

    Raises
    ------
    ValueError
        Unknown scheme, no network of it, or one of another front end than the run's.
    Damaged
        What was kept is not whole.

    Source
    ------
    Our choice. Chapters 05 to 07.
    """
    file, path, cure = find_weights(scheme), run.embedding(scheme, "shipped"), "delete it and run the chapter again"
    model, _ = load_weights(file, cfg, "ours")
    of = digest(pooch.file_hash(str(file)), cfg.front_end(), cfg.level, dataset.table[["sound_id", "checksum"]].to_numpy().tolist())
    if path.is_file():
        found, card = tensors.read(path, "embedding", cure)
        if card.get("of") == of:
            return found["frames"].numpy(), found["sounds"].numpy()
    z = embed_frames(model, dataset, cfg)
    points = sound_points(z, dataset)
    tensors.write(path, {"frames": z, "sounds": points}, of=of)
    return z, points
