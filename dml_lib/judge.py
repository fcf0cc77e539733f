"""A quick opinion of a network while it learns: what `train` is handed as `validate`."""

import numpy as np

from . import embed, evaluate


class Judge:
    """Validation accuracy of a network, quickly: frames of a few validation sounds against a few training sounds.

    Parameters
    ----------
    dataset : Dataset
    cfg : Config
        `judge_sounds`, of which a third are validation sounds.
    label : str
        `instrument` or `pitch`.
    k : int
    """

    def __init__(self, dataset, cfg, label, k=15):
        rows, y, _ = evaluate.labeled_sounds(dataset, label)
        rng = np.random.default_rng([cfg.seed, 6])
        share = {0: cfg.judge_sounds * 2 // 3, 1: cfg.judge_sounds // 3}
        chosen = {i: np.sort(rng.choice(rows[i], min(n, len(rows[i])), replace=False)) for i, n in share.items()}
        mask = np.isin(np.arange(len(dataset)), np.concatenate(list(chosen.values())))
        self.dataset, self.cfg, self.k = dataset.subset(mask), cfg, k
        sound = self.dataset.sound_of_frame()
        self.y = y[mask][sound]
        self.train = np.isin(np.flatnonzero(mask), chosen[0])[sound]

    def __call__(self, model):
        """Share of validation frames whose k nearest training frames vote for the right label."""
        z = embed.embed_frames(model, self.dataset, self.cfg)
        predicted = evaluate.knn_predict(z[self.train], self.y[self.train], z[~self.train], (self.k,))[0]
        return float((predicted == self.y[~self.train]).mean())
