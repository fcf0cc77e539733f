"""Training: the paper's recipe as it was, and ours."""

import time
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from tqdm import tqdm

from . import loss as losses
from .config import RECIPES, check_name
from .model import Embedder
from .neighborhoods import Neighborhoods
from .sampler import GroupSampler, TripletSampler


class Diverged(RuntimeError):
    """The loss was no longer finite."""


@dataclass
class History:
    """What happened during training; lists of (x, value)."""

    loss: list = field(default_factory=list)
    val_knn_by_iteration: list = field(default_factory=list)
    val_knn_by_second: list = field(default_factory=list)


def series(histories):
    """The curves of several trainings by name, for a results file: `<recipe>.<curve>`."""
    return {f"{recipe}.{curve}": points for recipe, history in histories.items() for curve, points in asdict(history).items()}


def untrained(cfg):
    """The network before training, the same for each scheme and recipe of a run."""
    return Embedder(cfg.n_in, cfg.n_bins, cfg.size, cfg.n_dims, cfg.seed).eval()


def _paper(model, dataset, neighborhoods, cfg):
    """Plain SGD on triplets: (step function, iterations)."""
    sampler = TripletSampler(dataset, neighborhoods, cfg, cfg.seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=cfg.learning_rate)
    penalty = cfg.origin_penalty(neighborhoods.scheme)

    def cost():
        x = torch.from_numpy(sampler.batch())  # (3, batch, 10, 192)
        z = model(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        return losses.triplet_loss(*z, cfg.margin_pos, cfg.margin_neg, cfg.loss_form, penalty)

    return cost, optimizer, None, cfg.paper_iterations


def _ours(model, dataset, neighborhoods, cfg):
    """AdamW with a one-cycle schedule on all pairs of grouped batches."""
    sampler = GroupSampler(dataset, neighborhoods, cfg, cfg.seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=cfg.ours_learning_rate, weight_decay=cfg.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, cfg.ours_learning_rate, total_steps=cfg.ours_iterations)

    def cost():
        x, related = sampler.batch()
        return losses.all_pairs_loss(model(torch.from_numpy(x)), torch.from_numpy(related), cfg.margin_pos, cfg.margin_neg, cfg.loss_form)

    return cost, optimizer, schedule, cfg.ours_iterations


def train(cfg, scheme, recipe, dataset, validate=None, progress=True):
    """Train one network.

    Parameters
    ----------
    cfg : Config
    scheme : str
        Neighborhood scheme.
    recipe : str
        "paper": SGD 0.02, 32 triplets a batch, last weights kept. "ours": see chapter 03.
    dataset : Dataset
        Training sounds only.
    validate : callable, optional
        model -> accuracy; called `cfg.validations` times, the last time at the end.
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    model : Embedder
        In evaluation mode.
    history : History

    Raises
    ------
    ValueError
        Unknown scheme or recipe.
    Diverged
        The loss is not finite.

    Source
    ------
    Paper, section 3 and original code ("paper"); our choice ("ours"). Chapter 03.
    """
    check_name("recipe", recipe, RECIPES)
    torch.set_num_threads(cfg.threads)
    torch.use_deterministic_algorithms(True)
    neighborhoods = Neighborhoods(dataset.table, scheme)
    model = untrained(cfg)
    build = {"paper": _paper, "ours": _ours}[recipe]
    cost, optimizer, schedule, iterations = build(model, dataset, neighborhoods, cfg)
    history, seconds, recent = History(), 0.0, []
    judged = set(np.linspace(0, iterations, cfg.validations + 1).round().astype(int)[1:].tolist())
    bar = tqdm(range(1, iterations + 1), desc=f"{scheme}, {recipe}", unit=" it", disable=not progress)
    for iteration in bar:
        began = time.perf_counter()
        model.train()
        value = cost()
        if not torch.isfinite(value):
            raise Diverged(f"loss is {value.item()} at iteration {iteration} of {scheme}, recipe {recipe}: lower the learning rate")
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        if schedule:
            schedule.step()
        seconds += time.perf_counter() - began
        recent.append(value.item())
        if iteration % max(1, iterations // 100) == 0:
            history.loss.append((iteration, float(np.mean(recent))))
            bar.set_postfix(loss=f"{np.mean(recent):.3f}")
            recent = []
        if validate and iteration in judged:
            accuracy = validate(model.eval())
            history.val_knn_by_iteration.append((iteration, accuracy))
            history.val_knn_by_second.append((seconds, accuracy))
    return model.eval(), history
