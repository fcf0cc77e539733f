"""Fixtures of the unit tests: small synthetic data, no sound rendered."""

import numpy as np
import pandas as pd
import pytest

from dml_lib.config import Config
from dml_lib.dataset import Dataset, random_split


@pytest.fixture
def cfg():
    """A configuration whose network and batches are small."""
    return Config(
        seed=3, threads=1, n_bins=40, size="small", batch_triplets=8, ours_windows=32, paper_iterations=3, ours_iterations=3,
        sounds_per_instrument=3,
    )


@pytest.fixture
def make_dataset():
    """A function (n_sounds, seed, n_bins, easy) -> Dataset of random positive magnitudes.

    Where `easy`, each instrument has a band of its own, so that a network can tell them apart.
    """

    def make(n_sounds=40, seed=0, n_bins=40, easy=False):
        rng = np.random.default_rng(seed)
        instrument = np.arange(n_sounds) % 4
        n_frames = rng.integers(3, 15, n_sounds)
        frames = rng.gamma(0.5, 0.5, (n_frames.sum(), n_bins))
        if easy:
            band = np.arange(n_bins) * 4 // n_bins
            frames = 0.1 * frames + 5 * (band == np.repeat(instrument, n_frames)[:, None])
        table = pd.DataFrame({
            "sound_id": [f"made/{i}" for i in range(n_sounds)],
            "instrument": np.array(["cello", "flute", "oboe", "tuba"])[instrument],
            "note_number": 60 + np.arange(n_sounds) // 4 % 5,
            "split": random_split(n_sounds, seed),
        })
        return Dataset(table, frames.astype(np.float16), np.cumsum(n_frames) - n_frames, n_frames)

    return make


@pytest.fixture
def dataset(make_dataset):
    """40 sounds of four instruments and five notes, two of each kind."""
    return make_dataset()
