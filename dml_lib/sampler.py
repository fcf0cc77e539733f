"""Batches of windows: the paper's triplets, and groups in which every pair counts."""

import numpy as np

from .features import log_compress


class Sampler:
    """What all samplers share: a generator of their own, and windows around frames that it draws in proportion to their energy.

    Parameters
    ----------
    dataset : Dataset
        Training sounds.
    neighborhoods : Neighborhoods
        Over `dataset.table`.
    cfg : Config
        `seed`, and how windows are cut.
    """

    stream = 0  # of random numbers, one for each kind of sampler

    def __init__(self, dataset, neighborhoods, cfg):
        self.dataset, self.neighborhoods, self.cfg = dataset, neighborhoods, cfg
        self.rng = np.random.default_rng([cfg.seed, self.stream])
        self.cumulative = np.cumsum(dataset.frames.sum(axis=1, dtype=np.float32), dtype=np.float64)  # energy

    def frames(self, sounds):
        """One frame number for each sound, (batch,), int64.

        Source
        ------
        Original code: a frame is drawn in proportion to its summed magnitude.
        """
        first = self.dataset.start[sounds]
        last = first + self.dataset.n_frames[sounds] - 1
        below = np.where(first > 0, self.cumulative[first - 1], 0.0)
        u = below + self.rng.random(len(sounds)) * (self.cumulative[last] - below)
        return np.clip(np.searchsorted(self.cumulative, u, side="right"), first, last) - first

    def windows(self, sounds):
        """Log-compressed windows around drawn frames, (batch, n_in, n_bins), float32."""
        x = self.dataset.windows(sounds, self.frames(sounds), self.cfg.n_in, self.cfg.zero_padding)
        if self.cfg.noise_mean or self.cfg.noise_sd:
            x = x + self.rng.normal(self.cfg.noise_mean, self.cfg.noise_sd, x.shape).astype(np.float32)
        return log_compress(np.maximum(x, 0), self.cfg.gain)

    def state(self):
        """What decides the batches to come, as anything JSON can write."""
        return {"rng": self.rng.bit_generator.state}

    def restore(self, state):
        """Go on from `state`, also when it comes out of a JSON file."""
        self.rng.bit_generator.state = state["rng"]

    def see(self, z):
        """Take note of where the windows of the last batch lie, (batch, n_dims): only what draws by it does."""


class TripletSampler(Sampler):
    """Batches of (anchor, positive, negative).

    A neighborhood is drawn uniformly; anchor and positive are two draws from it, the negative is one draw from another.
    Each neighborhood keeps six live sounds, and each of those serves 1 + Poisson(10) draws.

    Parameters are those of `Sampler`; of `cfg` it uses `batch_triplets`, `same_file_positives`, `disjoint_negatives`.

    Raises
    ------
    ValueError
        No neighborhood has an anchor, a positive and a negative to draw.

    Source
    ------
    Original code. Negatives inside the positive set, which it allows at +-2 semitones, are drawn again unless
    `cfg.disjoint_negatives` is False (paper, condition 1).
    """

    LIVE, LIFE = 6, 10
    stream = 2

    def __init__(self, dataset, neighborhoods, cfg):
        super().__init__(dataset, neighborhoods, cfg)
        self.live = {}
        enough = 1 if cfg.same_file_positives else 2
        self.usable = [
            k for k in range(len(neighborhoods)) if len(neighborhoods.positive(k)) >= enough and neighborhoods.has_negatives(k)
        ]
        if not self.usable:
            raise ValueError(
                f"expected a neighborhood of at least {enough} sounds with others outside it, found none: add sounds"
                + (" or allow same-file positives" if enough > 1 else "")
            )

    def state(self):
        return super().state() | {"live": [[int(k), [[int(n) for n in slot] for slot in slots]] for k, slots in self.live.items()]}

    def restore(self, state):
        super().restore(state)
        self.live = dict(state["live"])

    def _draw(self, k):
        """One sound of neighborhood k, by way of its live sounds."""
        slots = self.live.setdefault(k, [[0, 0] for _ in range(self.LIVE)])
        slot = slots[self.rng.integers(self.LIVE)]
        if slot[1] == 0:
            slot[:] = self.rng.choice(self.neighborhoods.positive(k)), 1 + self.rng.poisson(self.LIFE)
        slot[1] -= 1
        return slot[0]

    def _triplet(self):
        n = len(self.neighborhoods)
        k = self.usable[self.rng.integers(len(self.usable))]
        anchor, positive = self._draw(k), self._draw(k)
        while not self.cfg.same_file_positives and positive == anchor:
            positive = self.rng.choice(self.neighborhoods.positive(k))
        while True:
            other = (k + self.rng.integers(1, n)) % n
            negative = self._draw(other)
            if not self.cfg.disjoint_negatives or not self.neighborhoods.contains(k, negative):
                return anchor, positive, negative

    def sounds(self):
        """Sound numbers of one batch, (batch_triplets, 3), int64."""
        return np.array([self._triplet() for _ in range(self.cfg.batch_triplets)])

    def batch(self):
        """One batch.

        Returns
        -------
        np.ndarray, (3, batch_triplets, n_in, n_bins), float32
            Log-compressed windows of anchors, positives and negatives.
        """
        sounds = self.sounds().T
        return self.windows(sounds.ravel()).reshape(3, -1, self.cfg.n_in, self.cfg.n_bins)


class GroupSampler(Sampler):
    """Batches of windows in groups of one neighborhood each, for a loss over all pairs.

    Where there are more neighborhoods than a batch has groups, each one drawn by chance brings some *rivals* with it:
    neighborhoods that lie next to it in the space as it is, and so are the ones that it is confused with.

    Parameters are those of `Sampler`; `cfg.ours_windows` windows a batch, `cfg.ours_group` a group, `cfg.ours_rivals`
    rivals, drawn from twice as many.

    Source
    ------
    Our choice; for rivals see the mining of hard classes in Sohn 2016.
    """

    stream = 3

    def __init__(self, dataset, neighborhoods, cfg):
        super().__init__(dataset, neighborhoods, cfg)
        positives = [neighborhoods.positive(k) for k in range(len(neighborhoods))]
        self.members, self.count = np.concatenate(positives), np.array([len(p) for p in positives])
        self.first = np.cumsum(self.count) - self.count
        self.centers = np.full((len(neighborhoods), cfg.n_dims), np.nan)  # unknown until a batch has shown them
        self.shown = []

    def state(self):
        return super().state() | {"centers": self.centers.tolist()}

    def restore(self, state):
        super().restore(state)
        self.centers = np.array(state["centers"])

    def see(self, z):
        """Take note of where the windows of the last batch lie, (batch, n_dims): centers move half of the way there."""
        place = z.reshape(len(self.shown), -1, z.shape[1]).mean(axis=1)
        before = self.centers[self.shown]
        self.centers[self.shown] = np.where(np.isnan(before), place, (before + place) / 2)

    def rivals(self, k):
        """Some of the neighborhoods nearest to k that may hold its negatives, as far as they have been seen."""
        far = np.square(self.centers - self.centers[k]).sum(axis=1)
        far[self.neighborhoods.alike(k)] = np.nan
        near = np.argsort(far, kind="stable")[:min(2 * self.cfg.ours_rivals, np.isfinite(far).sum())]
        return self.rng.permutation(near)[:self.cfg.ours_rivals].tolist()

    def groups(self):
        """Neighborhood numbers of one batch, distinct where there are enough."""
        n = max(2, self.cfg.ours_windows // self.cfg.ours_group)
        order, chosen = self.rng.permutation(len(self.neighborhoods)).tolist(), {}
        if len(order) <= n:
            return order
        for k in order:
            chosen |= dict.fromkeys([k, *self.rivals(k)])
            if len(chosen) >= n:
                return list(chosen)[:n]

    def batch(self):
        """One batch.

        Returns
        -------
        windows : np.ndarray, (batch, n_in, n_bins), float32
            Log-compressed.
        sounds : np.ndarray, (batch,), int64
            The sounds they were cut from.
        """
        self.shown = groups = self.groups()
        size = max(self.cfg.ours_group, self.cfg.ours_windows // len(groups))
        drawn = self.rng.integers(0, self.count[groups][:, None], (len(groups), size))
        sounds = self.members[(self.first[groups][:, None] + drawn).ravel()]
        return self.windows(sounds), sounds


class PlainSampler(Sampler):
    """Batches of `cfg.ours_windows` windows, each of a labeled sound drawn by chance: common neighborhoods come often.

    Parameters are those of `Sampler`.

    Source
    ------
    What batches are where nothing is said of them.
    """

    stream = 13

    def batch(self):
        """One batch: windows and the sounds they were cut from, as in `GroupSampler.batch`."""
        sounds = self.rng.choice(np.flatnonzero(self.neighborhoods.labeled), self.cfg.ours_windows)
        return self.windows(sounds), sounds
