"""A network that knows many sounds learns those of one library, and says what that was worth on sounds it did not learn.

Where names tell instruments and notes, neighborhoods are those of the scheme. Where they do not, each sound is a
neighborhood of its own, with a varied copy of it: at another level, through another filter.

Source
------
Our choice; copies as positives after Chen et al. 2020. `python -m dml_lib train FOLDER`; chapter 07.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from . import embed, library, nearest, train
from .config import check_name
from .dataset import Dataset
from .evaluate import COLUMNS, labeled_sounds
from .judge import LABELS, Judge
from .neighborhoods import USES, Neighborhoods
from .sounds import files
from .splits import random_split
from .weights import opened, save_weights

ITERATIONS, RATE = 1_000, 3e-4  # a third of the rate that a network learns with from nothing
ENOUGH = 0.5  # share of sounds with all labels of a scheme from which names are believed to tell
K = 5  # neighbors that vote
LEVEL_DB, TILT_DB = 6.0, 2.0  # of a varied copy: standard deviation of its level, and of its filter's slope an octave


def labeled(table, scheme):
    """Whether the names of a library tell enough for a scheme: most sounds, and two neighborhoods at least."""
    try:
        return Neighborhoods(table, scheme).labeled.mean() >= ENOUGH
    except ValueError:
        return False


def varied(data, cfg, seed=0):
    """A copy of each sound at another level and through another filter, a slope over the bins.

    Parameters
    ----------
    data : Dataset
    cfg : Config
    seed : int

    Returns
    -------
    Dataset
    """
    rng = np.random.default_rng([seed, 21])
    level, tilt = rng.normal(0, LEVEL_DB, len(data)), rng.normal(0, TILT_DB, len(data))
    octaves = (np.arange(cfg.n_bins) - cfg.n_bins / 2) / cfg.bins_per_octave
    frames = np.empty_like(data.frames)
    for i in range(len(data)):
        frames[data.where(i)] = data.features(i) * 10 ** ((level[i] + tilt[i] * octaves) / 20)
    return replace(data, frames=np.minimum(frames, np.finfo(np.float16).max))


def _halves(z, data):
    """The median place of the first and of the second half of each sound, (n_sounds, n_dims) each."""
    parts = [z[data.where(i)] for i in range(len(data))]
    return tuple(np.stack([np.median(half, axis=0) for half in side]) for side in zip(*((p[:-(-len(p) // 2)], p[len(p) // 2:]) for p in parts)))


def accuracy(model, data, cfg, scheme=None):
    """What a network makes of the test sounds of a library.

    Parameters
    ----------
    model : Embedder
    data : Dataset
        With the column `random`.
    cfg : Config
    scheme : str, optional
        Whose labels count; without it no label does.

    Returns
    -------
    dict of str to float
        By label, the share of test sounds that their k nearest training sounds name right; without labels `itself`, the
        share of test sounds whose first half lies nearest to their own second half among those of all test sounds.
    """
    z = embed.embed_frames(model, data, cfg)
    test = (data.table["random"] == "test").to_numpy()
    if scheme is None:
        first, second = (half[test] for half in _halves(z, data))
        return {"itself": float((nearest.neighbors(second, first, 1)[:, 0] == np.arange(len(first))).mean())}
    points, found = embed.sound_points(z, data), {}
    for label in LABELS.get(scheme, tuple(COLUMNS)):
        known = data.table[COLUMNS[label]].notna().to_numpy()
        learn, ask = known & (data.table["random"] == "train").to_numpy(), known & test
        y = pd.factorize(data.table[COLUMNS[label]])[0]
        found[label] = float((nearest.knn_predict(points[learn], y[learn], points[ask], (K,))[0] == y[ask]).mean())
    return found


def adapt(data, model, cfg, scheme, iterations=ITERATIONS, progress=True):
    """Go on training a network on the sounds of a library.

    Copies of one content count once. A quarter of the sounds is kept for the report, and where there are labels the best
    state by another 15 per cent is kept, so a network may come back as it was.

    Parameters
    ----------
    data : Dataset
        With `checksum`, and labels where names tell, in its table.
    model : Embedder
        Where to start from.
    cfg : Config
        What it was trained with.
    scheme : str
    iterations : int
    progress : bool

    Returns
    -------
    model : Embedder
    before, after : dict of str to float
        `accuracy` of both.
    scheme : str or None
        None where no labels were used.

    Raises
    ------
    ValueError
        Too few sounds.
    """
    check_name("scheme", scheme, USES)
    data = data.subset(~data.table["checksum"].duplicated().to_numpy())
    if len(data) < 20:
        raise ValueError(f"expected at least 20 different sounds to learn from, found {len(data)}: add sounds")
    data.table["random"] = random_split(len(data), cfg.seed)
    learn = data.subset((data.table["random"] == "train").to_numpy())
    settings = cfg.with_(ours_iterations=iterations, ours_learning_rate=RATE, validations=5)
    known = [labeled_sounds(data, label)[0] for label in LABELS.get(scheme, tuple(COLUMNS))]  # to learn from, judge by, report on
    told = labeled(learn.table, scheme) and all(len(np.intersect1d(known[0][i], known[-1][i])) for i in range(3))
    judged = scheme if told else None
    before = accuracy(model, data, cfg, judged)
    if not told:
        learn = Dataset.joined([learn, varied(learn, cfg, cfg.seed)])
        learn.table = learn.table.assign(instrument=learn.table["checksum"])
    validate = Judge(data, settings, scheme) if told else None
    model, _ = train.train(settings, scheme if told else "instrument", "ours", learn, validate, progress, start=model)
    return model, before, accuracy(model, data, cfg, judged), judged


def train_on(place, file, output):
    """`adapt` the network of a file to a folder or map, write it, and say in a few lines what that was worth.

    Raises
    ------
    ValueError
        See `library.sounds` and `adapt`; a network of another recipe than ours, another ending of the file to write, or a file
        there that is no network.
    """
    output = Path(output)
    if output.suffix != ".safetensors" or output.is_dir():
        raise ValueError(f"expected a file to write that ends with .safetensors, found {output}: choose another -o")
    if files.is_map(output.absolute().parent):
        raise ValueError(f"expected a file outside of a map, whose own network must stay, found {output}: choose another -o")
    try:
        if output.exists():
            opened(output)
    except ValueError:
        raise ValueError(f"expected no other file in the place of the network, found one at {output}: choose another -o") from None
    start, cfg, card = opened(file)
    if card["recipe"] != "ours" or card.get("scheme") not in USES:
        raise ValueError(f"expected a network of our recipe that says its scheme, found {file}: name one that ships")
    data = library.sounds(place, cfg)
    model, before, after, told = adapt(data, start, cfg, card["scheme"])
    save_weights(output, model, cfg, "ours", scheme=card["scheme"], adapted_to=Path(place).resolve().name, before=before, after=after)
    how = f"learned from labels, {' and '.join(LABELS.get(told, COLUMNS))}" if told else "too few labels, or none: each sound and a varied copy of it"
    if all(torch.equal(a, b) for a, b in zip(start.state_dict().values(), model.state_dict().values())):
        how += "\nno state was better on sounds kept for judging: the network is the one that it began with"
    gains = "".join(
        f"\n{label}: of the sounds that it did not learn {before[label]:.1%} lay beside their like before, {after[label]:.1%} after" for label in after
    )
    n = int((random_split(data.table["checksum"].nunique(), cfg.seed) == "test").sum())
    gained, lost = [label for label in after if after[label] > before[label]], [label for label in after if after[label] < before[label]]
    better = f"use it by --weights {output}" if gained else "it is no better on your sounds than the one before"
    if gained and lost:
        better += f", if {' and '.join(gained)} matters more to you than {' and '.join(lost)}"
    return f"{how}{gains}\njudged by at most {n} sounds, of which one is {1 / n:.1%}\nwritten: {output}; {better}"
