"""The contrastive losses: positives are pulled together, negatives pushed at least a margin apart."""

import torch
from torch.nn import functional as nnf

from .config import check_name

FORMS = ("paper", "repository")


def distance(a, b):
    """Euclidean distance along the last axis, with gradient 0 where a equals b.

    Source
    ------
    Original code takes the square root as it is, whose gradient is NaN at 0: at its worst a whole run is lost.
    """
    squared = (a - b).square().sum(-1)
    zero = squared == 0
    return torch.where(zero, 0.0, torch.sqrt(torch.where(zero, 1.0, squared)))


def attraction(d, margin_pos=0.0, form="paper"):
    """Cost of a positive pair at distance d.

    Source
    ------
    Paper, section 2: max(0, d^2 - m_p). The author's repository later corrected it to max(0, d - m_p)^2.
    Both are equal at m_p = 0, the value used.
    """
    if check_name("loss form", form, FORMS) == "paper":
        return torch.relu(d.square() - margin_pos)
    return torch.relu(d - margin_pos).square()


def repulsion(d, margin_neg=1.0):
    """Cost of a negative pair at distance d: max(0, m_n - d)^2 (paper, section 2)."""
    return torch.relu(margin_neg - d).square()


def triplet_loss(anchor, positive, negative, margin_pos=0.0, margin_neg=1.0, form="paper", origin_penalty=0.0):
    """The paper's loss, averaged over a batch.

    Parameters
    ----------
    anchor, positive, negative : torch.Tensor, (batch, n_dims)
        Z_i, Z_p, Z_n.
    margin_pos, margin_neg : float
    form : str
        "paper" or "repository".
    origin_penalty : float
        Weight of the mean length of Z_i.

    Returns
    -------
    torch.Tensor, scalar

    Raises
    ------
    ValueError
        Unknown form.

    Source
    ------
    Paper, section 2; the origin penalty is in the original code only. Chapter 02.
    """
    loss = attraction(distance(anchor, positive), margin_pos, form) + repulsion(distance(anchor, negative), margin_neg)
    return loss.mean() + origin_penalty * distance(anchor, torch.zeros_like(anchor)).mean()


def all_pairs_loss(z, related, margin_pos=0.0, margin_neg=1.0, form="paper"):
    """The same two costs over every pair of a batch, each kind averaged by itself.

    Parameters
    ----------
    z : torch.Tensor, (batch, n_dims)
    related : torch.Tensor, (batch, batch), bool
        True for positive pairs; symmetric. The diagonal is ignored.
    margin_pos, margin_neg : float
    form : str

    Returns
    -------
    torch.Tensor, scalar
        A kind of pair that is absent costs 0.

    Source
    ------
    Our choice: each window is embedded once and meets all the others.
    """
    i, j = torch.triu_indices(len(z), len(z), offset=1, device=z.device)
    d, same = distance(z[i], z[j]), related[i, j]
    pull = attraction(d, margin_pos, form) * same
    push = repulsion(d, margin_neg) * ~same
    return pull.sum() / same.sum().clamp(min=1) + push.sum() / (~same).sum().clamp(min=1)


def neighbor_loss(z, related):
    """How little of each point's neighborhood is of its own kind: the chance that a neighbor drawn at random is not.

    A neighbor at distance d is drawn in proportion to exp(-d^2); the loss is the mean of minus the logarithm of the
    chance of a positive one, over points that have one. Unlike a margin it asks for nothing but near neighbors of the right
    kind, which three dimensions can give to more classes.

    Parameters
    ----------
    z : torch.Tensor, (batch, n_dims)
    related : torch.Tensor, (batch, batch), bool
        True for positive pairs. A point is not its own neighbor: the diagonal is ignored.

    Returns
    -------
    torch.Tensor, scalar
        0 where no point has a positive.

    Source
    ------
    Neighborhood components analysis (Goldberger et al. 2004; with a network, Salakhutdinov and Hinton 2007).
    """
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    related = related & ~itself
    asked = related.any(1)
    if not asked.any():
        return z.sum() * 0
    nearness = -(z[:, None] - z[None]).square().sum(-1).masked_fill(itself, torch.inf)[asked]
    return (nearness.logsumexp(1) - nearness.masked_fill(~related[asked], -torch.inf).logsumexp(1)).mean()


def warp_loss(scores, classes):
    """Weighted approximate-rank pairwise loss: how far down the list of classes each point's own class stands.

    A class violates where it scores less than 1 below the right one. A point with r violating classes costs the mean of
    their violations times 1 + 1/2 + ... + 1/r: a step up near the top of the list is worth more than one at its end.

    Parameters
    ----------
    scores : torch.Tensor, (batch, n_classes)
    classes : torch.Tensor, (batch,), int64

    Returns
    -------
    torch.Tensor, scalar

    Source
    ------
    WSABIE (Weston, Bengio and Usunier 2011, equations 4 to 6). They estimate r by drawing classes until one violates, since
    they have 100,000 of them; so few as ours are counted.
    """
    own = nnf.one_hot(classes, scores.shape[1]).bool()
    violation = torch.relu(1 - scores[own][:, None] + scores).masked_fill(own, 0)
    r = (violation > 0).sum(1)
    harmonic = torch.cumsum(1 / torch.arange(1, scores.shape[1] + 1, device=scores.device), 0)
    weight = torch.where(r > 0, harmonic[r - 1] / r.clamp(min=1), 0.0)
    return (weight * violation.sum(1)).mean()
