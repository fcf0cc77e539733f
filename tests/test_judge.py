"""The quick opinion of a network."""

import numpy as np
import pytest
import torch

from dml_lib.judge import Judge
from dml_lib.model import Embedder


def test_judge(make_dataset, cfg):
    dataset, cfg = make_dataset(60, easy=True), cfg.with_(judge_sounds=30)
    judge = Judge(dataset, cfg, "instrument")
    split = dataset.table.set_index("sound_id")["random"]
    used = split[judge.dataset.table["sound_id"]]
    assert used.value_counts().to_dict() == {"train": 20, "valid": 9}  # there are but nine to judge by
    assert (judge.train == (used.to_numpy() == "train")[judge.dataset.sound_of_frame()]).all()
    model = Embedder(seed=cfg.seed, **cfg.network())
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(5)
    accuracy = judge(model.eval())
    assert 0.6 < accuracy <= 1  # the bands are plain even to random weights
    assert accuracy == judge(model) == Judge(dataset, cfg, "instrument")(model)
    assert len(judge.snapshots) == 2 and np.array_equal(*judge.snapshots) and judge.snapshots[0].shape == (29, 3)
    judge.y[0][:] = np.random.default_rng(0).permutation(judge.y[0])
    assert judge(model) < 0.5


def test_a_scheme_of_both_labels_is_judged_by_their_mean(make_dataset, cfg):
    dataset, cfg = make_dataset(60, easy=True), cfg.with_(judge_sounds=30)
    model = Embedder(seed=cfg.seed, **cfg.network())
    instrument, pitch, both = (Judge(dataset, cfg, s)(model) for s in ("instrument", "pitch", "instrument_pitch_2"))
    assert both == pytest.approx(np.mean([instrument, pitch])) and instrument != pitch
