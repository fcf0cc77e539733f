"""Other costs on our network: each is what its paper says, by a slow loop, and all else is as in our recipe."""

import math

import numpy as np
import pytest
import torch

from dml_lib import learners, train
from dml_lib.neighborhoods import Neighborhoods
from dml_lib.sampler import PlainSampler

KINDS = (learners.NcaNonlinear, learners.DrLIM, learners.Triplet, learners.SupCon, learners.Softmax, learners.Wsabie)
every = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def learner(dataset, cfg):
    """A function (kind, scheme) -> learner with a network that is not trained yet."""
    def make(kind, scheme="instrument"):
        return kind(train.untrained(cfg, kind.network).train(), dataset, Neighborhoods(dataset.table, scheme), cfg)

    return make


@pytest.fixture
def batch():
    """Points of twelve sounds, and the instrument of each."""
    z = torch.randn(12, 3, generator=torch.Generator().manual_seed(0)) * 0.6
    return z, np.arange(12), [i % 4 for i in range(12)]


def gap(z, i, j):
    return math.dist(z[i].tolist(), z[j].tolist())


def test_drlim_is_that_of_a_slow_loop(learner, batch):
    z, sounds, of = batch
    pairs = [(gap(z, i, j), of[i] == of[j]) for i in range(12) for j in range(i)]
    pull = [d ** 2 for d, same in pairs if same]
    push = [max(0, 1 - d) ** 2 for d, same in pairs if not same]
    assert learner(learners.DrLIM).loss(z, sounds).item() == pytest.approx(np.mean(pull) + np.mean(push), rel=1e-5)


def test_triplet_margin_is_that_of_a_slow_loop(learner, batch):
    z, sounds, of = batch
    costs = [
        gap(z, a, p) - gap(z, a, n) + 1 for a in range(12) for p in range(12) for n in range(12)
        if a != p and of[a] == of[p] != of[n]
    ]
    assert learner(learners.Triplet).loss(z, sounds).item() == pytest.approx(np.mean([c for c in costs if c > 0]), rel=1e-5)


def test_supervised_contrast_is_that_of_a_slow_loop(learner, batch):
    z, sounds, of = batch
    u = (z / z.norm(dim=1, keepdim=True)).tolist()
    total = 0.0
    for a in range(12):
        near = {i: math.exp(sum(x * y for x, y in zip(u[a], u[i])) / 0.1) for i in range(12) if i != a}
        own = [i for i in near if of[i] == of[a]]
        total += sum(-math.log(near[p] / sum(near.values())) for p in own) / len(own)
    assert learner(learners.SupCon).loss(z, sounds).item() == pytest.approx(total / 12, rel=1e-4)


def test_supervised_contrast_puts_points_on_the_sphere(learner):
    model = learner(learners.SupCon).model
    for z in (model(torch.rand(5, 10, 40)), model.sequence(torch.rand(14, 40))):
        torch.testing.assert_close(z.norm(dim=1), torch.ones(5))


def test_wsabie_keeps_classes_in_the_unit_ball(learner, batch):
    z, sounds, _ = batch
    wsabie = learner(learners.Wsabie)
    with torch.no_grad():
        wsabie.model.head.weight.copy_(torch.nn.functional.normalize(torch.rand(4, 3)))
        inside = wsabie.loss(z, sounds)
        wsabie.model.head.weight.mul_(5)
    assert wsabie.loss(z, sounds).item() == pytest.approx(inside.item(), rel=1e-5)


def test_softmax_of_equal_scores_is_the_logarithm_of_the_classes(learner, batch):
    _, sounds, _ = batch
    assert learner(learners.Softmax).loss(torch.zeros(12, 3), sounds).item() == pytest.approx(math.log(4))
    assert learner(learners.Softmax, "pitch").loss(torch.zeros(12, 3), sounds).item() == pytest.approx(math.log(5))


@every
def test_all_but_the_cost_is_as_in_our_recipe(kind, learner):
    ours, other = learner(train.Ours), learner(kind)
    if kind is learners.NcaNonlinear:
        assert isinstance(other.sampler, PlainSampler) and other.model.deep is None
        return
    for a, b in zip(ours.sampler.batch(), other.sampler.batch()):
        np.testing.assert_array_equal(a, b)
    shared = ours.model.state_dict()
    assert all(torch.equal(shared[name], other.model.state_dict()[name]) for name in shared)
    assert other.rate(2) == ours.rate(2) and other.iterations == ours.iterations


@every
def test_the_cost_falls_and_the_same_seed_gives_the_same_bits(kind, make_dataset, cfg):
    cfg = cfg.with_(ours_iterations=30, ours_learning_rate=0.01)
    runs = [train.train(cfg, "instrument", kind, make_dataset(easy=True), progress=False) for _ in range(2)]
    assert all(torch.equal(a, b) for a, b in zip(*(model.state_dict().values() for model, _ in runs)))
    costs = [value for _, value in runs[0][1].loss]
    assert np.mean(costs[-5:]) < 0.8 * costs[0]


@every
def test_a_checkpoint_holds_what_a_learner_adds(kind, dataset, cfg, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "CHECKPOINT_S", -1.0)
    path, calls = tmp_path / "c.safetensors", []

    def validate(model):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return 0.5

    cfg = cfg.with_(ours_iterations=6, validations=3)
    whole, _ = train.train(cfg, "pitch", kind, dataset, lambda model: 0.5, progress=False)
    with pytest.raises(KeyboardInterrupt):
        train.train(cfg, "pitch", kind, dataset, validate, progress=False, checkpoint=path)
    assert path.is_file()
    resumed, _ = train.train(cfg, "pitch", kind, dataset, lambda model: 0.5, progress=False, checkpoint=path)
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), resumed.state_dict().values()))
