"""A quick opinion of a network while it learns: what `train` is handed as `validate`."""

import numpy as np

from . import embed, evaluate, nearest
from .config import SCHEMES, check_name

K = 15  # neighbors that vote
LABELS = {"instrument": ("instrument",), "pitch": ("pitch",)}  # what a scheme is judged by; both labels for the others


class Judge:
    """Validation accuracy of a network, quickly: frames of a few validation sounds against a few training sounds.

    Each time it is asked it also keeps where those sounds are, in `snapshots`, a list of (n_sounds, n_dims) arrays in the
    order of `dataset.table`: the film of a training.

    Parameters
    ----------
    dataset : Dataset
    cfg : Config
        `judge_sounds`, of which a third are validation sounds.
    scheme : str
        Neighborhood scheme: says which labels count. Where both do, accuracy is the mean of the two.
    split : str
        Column of the table that says train and valid.
    """

    def __init__(self, dataset, cfg, scheme, split="random"):
        self.labels = LABELS.get(check_name("scheme", scheme, SCHEMES), tuple(evaluate.COLUMNS))
        found = [evaluate.labeled_sounds(dataset, label, split) for label in self.labels]
        rng = np.random.default_rng([cfg.seed, 6])
        share = (cfg.judge_sounds * 2 // 3, cfg.judge_sounds // 3)
        rows = [np.intersect1d(found[0][0][i], found[-1][0][i]) for i in range(2)]
        chosen = [np.sort(rng.choice(r, min(n, len(r)), replace=False)) for n, r in zip(share, rows)]
        mask = np.isin(np.arange(len(dataset)), np.concatenate(chosen))
        self.dataset, self.cfg = dataset.subset(mask), cfg
        sound = self.dataset.sound_of_frame()
        self.y = [y[mask][sound] for _, y, _ in found]
        self.train = np.isin(np.flatnonzero(mask), chosen[0])[sound]
        self.snapshots = []

    def __call__(self, model):
        """Share of validation frames whose `K` nearest training frames vote for the right label."""
        z = embed.embed_frames(model, self.dataset, self.cfg)
        self.snapshots.append(embed.sound_points(z, self.dataset))
        predicted = [nearest.knn_predict(z[self.train], y[self.train], z[~self.train], (K,))[0] for y in self.y]
        return float(np.mean([p == y[~self.train] for p, y in zip(predicted, self.y)]))
