"""The losses against slow loops over pairs, and their gradients."""

import math

import numpy as np
import pytest
import torch

from dml_lib.loss import FORMS, all_pairs_loss, attraction, distance, neighbor_loss, repulsion, triplet_loss, warp_loss

forms = pytest.mark.parametrize("form", FORMS)
margins = pytest.mark.parametrize("margin_pos, margin_neg", [(0.0, 1.0), (0.3, 1.7), (0.5, 0.4)])


def points(n, seed=0, n_dims=3):
    return torch.randn(n, n_dims, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 0.6


def slow_pull(d, margin_pos, form):
    return max(0.0, d * d - margin_pos) if form == "paper" else max(0.0, d - margin_pos) ** 2


def slow_push(d, margin_neg):
    return max(0.0, margin_neg - d) ** 2


@forms
@margins
@pytest.mark.parametrize("penalty", [0.0, 0.002])
def test_triplet_loss_is_that_of_a_slow_loop(form, margin_pos, margin_neg, penalty):
    a, p, n = points(50, 1), points(50, 2), points(50, 3)
    total = 0.0
    for i, j, k in zip(a.tolist(), p.tolist(), n.tolist()):
        total += slow_pull(math.dist(i, j), margin_pos, form) + slow_push(math.dist(i, k), margin_neg)
        total += penalty * math.dist(i, [0, 0, 0])
    loss = triplet_loss(a, p, n, margin_pos, margin_neg, form, penalty)
    assert loss.shape == () and loss.dtype == torch.float64
    assert loss.item() == pytest.approx(total / 50, rel=1e-12)
    assert triplet_loss(a.float(), p.float(), n.float(), margin_pos, margin_neg, form, penalty).dtype == torch.float32


def test_triplet_loss_defaults_are_the_papers():
    a, p, n = points(9, 1), points(9, 2), points(9, 3)
    assert torch.equal(triplet_loss(a, p, n), triplet_loss(a, p, n, 0.0, 1.0, "paper", 0.0))


def test_forms_agree_at_margin_0_and_nowhere_else():
    a, p, n = points(50, 1), points(50, 2), points(50, 3)
    first, second = (triplet_loss(a, p, n, 0.0, 1.0, form) for form in FORMS)
    torch.testing.assert_close(first, second, rtol=1e-14, atol=0)
    first, second = (triplet_loss(a, p, n, 0.3, 1.0, form) for form in FORMS)
    assert abs(first - second) > 1e-2


def test_worked_example():
    a, p, n = torch.zeros(1, 2), torch.tensor([[0.3, 0.4]]), torch.tensor([[0.0, 0.25]])
    assert triplet_loss(a, p, n).item() == pytest.approx(0.25 + 0.5625)
    assert triplet_loss(a, p, n, margin_pos=0.2).item() == pytest.approx(0.05 + 0.5625)
    assert triplet_loss(a, p, n, margin_pos=0.2, form="repository").item() == pytest.approx(0.09 + 0.5625)


@forms
def test_perfect_space_costs_nothing(form):
    a = torch.tensor([[0.0, 0.0], [3.0, 0.0]])
    assert triplet_loss(a, a, a.flip(0), form=form) == 0
    assert triplet_loss(a, a + 0.1, a.flip(0), margin_pos=0.2, form=form) == 0
    z = a.repeat(3, 1)
    related = torch.tensor([0, 1] * 3)[:, None] == torch.tensor([0, 1] * 3)
    assert all_pairs_loss(z, related, form=form) == 0
    assert all_pairs_loss(z, ~related, form=form) > 1


@forms
@margins
def test_all_pairs_loss_is_that_of_a_slow_double_loop(form, margin_pos, margin_neg):
    z, label = points(24, 5), np.arange(24) % 5
    related = torch.from_numpy(label[:, None] == label)
    pull, push, rows = [], [], z.tolist()
    for i in range(24):
        for j in range(24):
            if i < j:
                d = math.dist(rows[i], rows[j])
                (pull if related[i, j] else push).append(slow_pull(d, margin_pos, form) if related[i, j] else slow_push(d, margin_neg))
    expected = sum(pull) / len(pull) + sum(push) / len(push)
    loss = all_pairs_loss(z, related, margin_pos, margin_neg, form)
    assert loss.shape == () and loss.item() == pytest.approx(expected, rel=1e-12)
    cleared = related.clone().fill_diagonal_(False)
    assert torch.equal(all_pairs_loss(z, cleared, margin_pos, margin_neg, form), loss)  # the diagonal is ignored


def test_a_kind_of_pair_that_is_absent_costs_nothing():
    z = points(6, 1)
    pairs = [(i, j) for i in range(6) for j in range(i)]
    d = [math.dist(z[i].tolist(), z[j].tolist()) for i, j in pairs]
    all_related, none_related = torch.ones(6, 6, dtype=torch.bool), torch.zeros(6, 6, dtype=torch.bool)
    assert all_pairs_loss(z, all_related).item() == pytest.approx(np.mean(np.square(d)))
    assert all_pairs_loss(z, none_related).item() == pytest.approx(np.mean([slow_push(x, 1.0) for x in d]))
    assert all_pairs_loss(z[:1], all_related[:1, :1]) == 0


def test_gradient_is_finite_where_points_coincide():
    z = torch.zeros(4, 3, requires_grad=True)
    loss = triplet_loss(z, z.clone(), z.clone(), origin_penalty=0.002)
    loss.backward()
    assert loss == 1 and (z.grad == 0).all()
    z = torch.ones(4, 3, requires_grad=True)
    all_pairs_loss(z, torch.eye(4, dtype=torch.bool)).backward()
    assert torch.isfinite(z.grad).all()
    mixed = torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.3, 0.0]], requires_grad=True)
    all_pairs_loss(mixed, torch.zeros(3, 3, dtype=torch.bool)).backward()
    assert torch.isfinite(mixed.grad).all() and mixed.grad[2, 0] < 0  # the third is pushed away from the others


@forms
def test_gradients_are_right_elsewhere(form):
    a, p, n = (points(6, s).requires_grad_() for s in (1, 2, 3))
    assert torch.autograd.gradcheck(lambda a, p, n: triplet_loss(a, p, n, 0.2, 1.5, form, 0.01), (a, p, n))
    related = torch.from_numpy(np.arange(6)[:, None] % 2 == np.arange(6) % 2)
    assert torch.autograd.gradcheck(lambda z: all_pairs_loss(z, related, 0.2, 1.5, form), (a,))


def test_a_step_downhill_pulls_positives_and_pushes_negatives():
    a, p, n = (points(20, s).requires_grad_() for s in (1, 2, 3))
    triplet_loss(a, p, n, margin_neg=5.0).backward()
    with torch.no_grad():
        assert (distance(a, p - 0.01 * p.grad) < distance(a, p)).all()
        assert (distance(a, n - 0.01 * n.grad) > distance(a, n)).all()


def test_distance_broadcasts():
    z = points(5)
    torch.testing.assert_close(distance(z[:, None], z[None]), torch.cdist(z, z))
    assert distance(z, z).tolist() == [0] * 5


def test_parts():
    d = torch.tensor([0.0, 0.5, 1.0, 2.0])
    assert attraction(d, 0.25).tolist() == [0, 0, 0.75, 3.75]
    assert attraction(d, 0.5, "repository").tolist() == [0, 0, 0.25, 2.25]
    assert repulsion(d, 1.0).tolist() == [1, 0.25, 0, 0]


def test_unknown_form():
    z = points(4).float()
    with pytest.raises(ValueError, match=r"unknown loss form 'papers'.*Did you mean 'paper'\?"):
        triplet_loss(z, z, z, form="papers")
    with pytest.raises(ValueError, match="unknown loss form 'l1': expected one of paper, repository"):
        all_pairs_loss(z, torch.eye(4, dtype=torch.bool), form="l1")


def slow_neighbor_loss(z, related):
    """One point at a time, in the words of its definition."""
    costs = []
    for i, a in enumerate(z):
        weights = {j: math.exp(-math.dist(a, b) ** 2) for j, b in enumerate(z) if j != i}
        right = sum(weight for j, weight in weights.items() if related[i][j])
        if any(related[i][j] for j in weights):
            costs.append(-math.log(right / sum(weights.values())))
    return sum(costs) / len(costs)


def test_neighbor_loss_is_that_of_its_definition():
    z, label = points(12, 5), np.arange(12) % 4
    label[3] = 9  # a point without a positive asks for nothing
    related = torch.from_numpy(label[:, None] == label)
    loss = neighbor_loss(z, related)
    assert loss.item() == pytest.approx(slow_neighbor_loss(z.tolist(), related.tolist()), rel=1e-9)
    assert torch.equal(neighbor_loss(z, related.clone().fill_diagonal_(False)), loss)  # the diagonal is ignored


def test_neighbor_loss_of_a_perfect_and_of_a_lonely_space():
    z = torch.tensor([[0.0, 0.0], [0.0, 0.0], [9.0, 0.0], [9.0, 0.0]])
    related = torch.tensor([0, 0, 1, 1])[:, None] == torch.tensor([0, 0, 1, 1])
    assert neighbor_loss(z, related).item() == pytest.approx(0, abs=1e-6)
    assert neighbor_loss(z, ~related) > 50
    z.requires_grad_()
    loss = neighbor_loss(z, torch.eye(4, dtype=torch.bool))
    loss.backward()
    assert loss == 0 and (z.grad == 0).all()


def test_gradient_of_the_neighbor_loss():
    label = torch.arange(9) % 3
    related = label[:, None] == label
    assert torch.autograd.gradcheck(lambda z: neighbor_loss(z, related), (points(9).requires_grad_(),))
    together = torch.zeros(9, 3, requires_grad=True)  # all points in one place
    neighbor_loss(together, related).backward()
    assert torch.isfinite(together.grad).all()


def test_warp_loss_is_that_of_a_slow_count():
    rng = np.random.default_rng(0)
    scores, classes = rng.normal(0, 1.5, (30, 7)), rng.integers(0, 7, 30)
    total = 0.0
    for each, own in zip(scores, classes):
        violations = [1 - each[own] + each[k] for k in range(7) if k != own and each[own] < 1 + each[k]]
        total += sum(1 / (i + 1) for i in range(len(violations))) * sum(violations) / max(len(violations), 1)
    assert warp_loss(torch.from_numpy(scores), torch.from_numpy(classes)).item() == pytest.approx(total / 30)


def test_warp_loss_of_perfect_and_of_undecided_scores():
    classes = torch.arange(4)
    scores = (2.0 * torch.eye(4)).requires_grad_()
    loss = warp_loss(scores, classes)
    loss.backward()
    assert loss == 0 and not scores.grad.any()
    assert warp_loss(torch.zeros(4, 4), classes).item() == pytest.approx(1 + 1 / 2 + 1 / 3)


def test_gradient_of_the_warp_loss():
    assert torch.autograd.gradcheck(lambda scores: warp_loss(scores, torch.arange(8) % 5), (points(8, 1, 5).requires_grad_(),))
