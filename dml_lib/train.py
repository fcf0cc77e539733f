"""Training: the paper's recipe as it was, and ours.

A training may be killed at any moment: with a checkpoint it goes on where it was and ends with the same bits.
"""

import math
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from . import loss as losses, portable, tensors
from .config import check_name
from .model import INITIAL_SD, Embedder, usable
from .neighborhoods import Neighborhoods
from .results import machine
from .sampler import GroupSampler, TripletSampler
from .store import digest

CHECKPOINT_S = 60.0  # seconds between checkpoints: what a kill may cost
WARM_UP = 0.3  # share of the iterations in which our learning rate rises
UNIT_RATE, BIAS_SCALE = 30.0, 0.05  # with unit gain the rate is multiplied by 30 / sqrt(inputs), that of biases by 30 * 0.05


def worth_keeping(accuracy, judged, n_sounds):
    """Whether weights judged now shall take the place of those that are kept.

    The rate has fallen since, so they do unless those before were better by more than the standard error of a judgement;
    and what a network began with must at least be reached.

    Parameters
    ----------
    accuracy : float
    judged : list of (iteration, accuracy)
        Of the same training before; iteration 0 is what it began with.
    n_sounds : int
        Sounds that a judgement asks.

    Source
    ------
    The one-standard-error rule of Breiman et al. 1984, "Classification and regression trees", section 3.4.3, for iterations.
    """
    best, began = max((value for _, value in judged), default=0.0), max((value for i, value in judged if i == 0), default=0.0)
    return accuracy >= max(best - math.sqrt(best * (1 - best) / n_sounds), began)


class Diverged(RuntimeError):
    """The loss was no longer finite."""


@dataclass
class History:
    """What happened during training: lists of (x, value), and where the time went.

    `seconds` is what the steps took, validation apart, and `waiting` the share of it that went into drawing batches;
    `cpu_seconds` is what they took of all cores together, which other work on the machine changes less. `trained_on` counts
    iterations by the machine that made them, for a training may go on elsewhere.
    """

    loss: list = field(default_factory=list)
    val_knn_by_iteration: list = field(default_factory=list)
    val_knn_by_second: list = field(default_factory=list)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    waiting: float = 0.0
    trained_on: dict = field(default_factory=dict)


def series(histories):
    """The curves of several trainings by name, for a results file: `<recipe>.<curve>`."""
    return {
        f"{recipe}.{curve}": points for recipe, history in histories.items() for curve, points in asdict(history).items()
        if isinstance(points, list)
    }


def untrained(cfg, recipe="paper"):
    """The network of a recipe before training, the same for each scheme of a run."""
    return Embedder(seed=cfg.seed, **cfg.network(recipe)).eval()


def native_half():
    """Whether this processor multiplies bfloat16 numbers by itself, and may; elsewhere half precision would only be slower."""
    return not portable.held() and any(torch.cpu.get_capabilities().get(name) for name in ("avx512_bf16", "amx_bf16"))


class Paper:
    """Plain SGD on triplets, last weights kept.

    Source
    ------
    Paper, section 3, and original code.
    """

    network, keep_best = "paper", False

    def __init__(self, model, dataset, neighborhoods, cfg):
        self.model, self.cfg, self.iterations = model, cfg, cfg.paper_iterations
        self.sampler = TripletSampler(dataset, neighborhoods, cfg)
        self.optimizer = torch.optim.SGD(model.parameters(), lr=cfg.learning_rate)
        self.penalty = cfg.origin_penalty(neighborhoods.scheme)

    def rate(self, iteration):
        """Learning rate of an iteration."""
        return self.cfg.learning_rate

    def cost(self, batch):
        """Loss of a batch of the sampler."""
        x = torch.from_numpy(batch).to(self.model.device)  # (3, batch, 10, 192)
        z = self.model(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        return losses.triplet_loss(*z, self.cfg.margin_pos, self.cfg.margin_neg, self.cfg.loss_form, self.penalty)


class Ours:
    """AdamW on grouped batches, in half precision where the processor has it; validation says which weights are kept.

    The network pools neighboring bins and has one dense layer more than the paper's (`Config.network`).

    *Unit gain* gives weights and steps of each layer the scale 1 / sqrt(inputs): with one rate for all, a step of the
    first dense layer, of 12,960 inputs, drives its units into saturation.

    Source
    ------
    Our choice, one step at a time: `experiments.EXPERIMENTS["ladder"]`, shown in chapter 03.
    """

    network, keep_best, batches = "ours", True, GroupSampler

    def __init__(self, model, dataset, neighborhoods, cfg):
        self.model, self.cfg, self.iterations = model, cfg, cfg.ours_iterations
        self.neighborhoods = neighborhoods
        self.sampler = self.batches(dataset, neighborhoods, cfg)
        self.half = model.device.type != "cpu" or native_half()
        check_name("loss of our recipe", cfg.ours_loss, ("neighbors", "pairs"))
        groups = [{"params": [p], "scale": 1.0} for p in model.parameters()]
        for group in groups if cfg.unit_gain else ():
            weight = group["params"][0]
            gain = weight[0].numel() ** -0.5 if weight.ndim > 1 else BIAS_SCALE
            group["scale"] = UNIT_RATE * gain
            with torch.no_grad():
                weight.mul_(gain / INITIAL_SD)  # biases are 0
        self.optimizer = torch.optim.AdamW(groups, lr=cfg.ours_learning_rate, weight_decay=cfg.weight_decay, fused=True)

    def rate(self, iteration):
        """Learning rate of an iteration: up along a cosine, then down to nothing."""
        done = (iteration - 1) / max(1, self.iterations - 1)
        phase = done / WARM_UP if done < WARM_UP else 1 + (done - WARM_UP) / (1 - WARM_UP)
        return self.cfg.ours_learning_rate * max(1e-3, (1 - math.cos(math.pi * phase)) / 2)

    def cost(self, batch):
        """Loss of a batch of the sampler."""
        x, sounds = batch
        with torch.autocast(self.model.device.type, torch.bfloat16, enabled=self.half):
            z = self.model(torch.from_numpy(x).to(self.model.device))
        self.sampler.see(z.detach().cpu().numpy())
        return self.loss(z, sounds)

    def loss(self, z, sounds):
        """Loss of the points (batch, n_dims) of windows of some sounds (batch,)."""
        related = torch.from_numpy(self.neighborhoods.related(sounds[:, None], sounds[None, :])).to(z.device)
        if self.cfg.ours_loss == "pairs":
            return losses.all_pairs_loss(z, related, self.cfg.margin_pos, self.cfg.margin_neg, self.cfg.loss_form)
        return losses.neighbor_loss(z, related)


LEARNERS = {"paper": Paper, "ours": Ours}


def _state(recipe, best):
    """All that a recipe goes on from, as tensors."""
    moments = {
        f"moments.{i}.{name}": value for i, state in recipe.optimizer.state_dict()["state"].items() for name, value in state.items()
    }
    parts = {"model": recipe.model.state_dict(), "best": best}
    return moments | {f"{part}.{name}": value for part, named in parts.items() for name, value in named.items()}


def _restore(recipe, state):
    """Undo `_state`; returns the best weights."""
    parts, moments = {"model": {}, "best": {}}, {}
    for name, value in state.items():
        part, _, rest = name.partition(".")
        if part == "moments":
            i, _, which = rest.partition(".")
            like = list(recipe.model.parameters())[int(i)]  # the fused step reads moments in the memory order of weights
            moments.setdefault(int(i), {})[which] = torch.empty_like(like).copy_(value) if value.ndim else value
        else:
            parts[part][rest] = value
    recipe.model.load_state_dict(parts["model"])
    recipe.optimizer.load_state_dict(recipe.optimizer.state_dict() | {"state": moments})
    return parts["best"]


def train(cfg, scheme, recipe, dataset, validate=None, progress=True, checkpoint=None, start=None, device="cpu"):
    """Train one network.

    Parameters
    ----------
    cfg : Config
    scheme : str
        Neighborhood scheme.
    recipe : str or type
        "paper" or "ours", see `Paper` and `Ours`; or another class like these.
    dataset : Dataset
        Training sounds only.
    validate : callable, optional
        model -> accuracy; called `cfg.validations` times, the last time at the end.
    progress : bool
        Show a progress bar on stderr.
    checkpoint : path, optional
        A file to go on from where there is one, renewed every minute and removed at the end.
    start : Embedder, optional
        The network to go on from, which stays as it is; a new one if not given. By validation it may be the best one.
    device : str
        Where the network computes, such as "cuda"; a checkpoint may go on elsewhere.

    Returns
    -------
    model : Embedder
        In evaluation mode, on the device.
    history : History

    Raises
    ------
    ValueError
        Unknown scheme, recipe or device, or a checkpoint of another training.
    Diverged
        The loss is not finite; the last good checkpoint stays.

    Source
    ------
    Paper, section 3 and original code ("paper"); our choice ("ours"). Chapter 03.
    """
    kind = LEARNERS[check_name("recipe", recipe, LEARNERS)] if isinstance(recipe, str) else recipe
    recipe = kind.__name__.lower()
    torch.set_num_threads(cfg.threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it a GPU may sum in any order
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.allow_tf32 = False
    learner = kind(untrained(cfg, kind.network).to(usable(device)).train(), dataset, Neighborhoods(dataset.table, scheme), cfg)
    model, iterations, history, best, recent, first = learner.model, learner.iterations, History(), {}, [], 1
    if start is not None:
        model.load_state_dict(start.state_dict())
    of = {"config": cfg.as_dict(), "scheme": scheme, "recipe": recipe, "sounds": digest(dataset.table["sound_id"].tolist())}
    if checkpoint and Path(checkpoint).is_file():
        state, card = tensors.read(checkpoint, "checkpoint", "delete it and train again")
        if card["of"] != of:
            raise ValueError(f"{checkpoint} belongs to another training (settings or sounds differ): delete it, or choose another file")
        best, history, recent, first = _restore(learner, state), History(**card["history"]), card["recent"], card["iteration"] + 1
        learner.sampler.restore(card["sampler"])
    if start is not None and first == 1 and validate:
        history.val_knn_by_iteration.append((0, validate(model.eval())))
        model.train()
        best = {name: tensor.clone() for name, tensor in model.state_dict().items()} if learner.keep_best else {}
    judged = set(np.linspace(0, iterations, cfg.validations + 1).round().astype(int)[1:].tolist())
    bar = tqdm(range(first, iterations + 1), desc=f"{scheme}, {recipe}", unit=" it", initial=first - 1, total=iterations, disable=not progress)
    saved, here = time.monotonic(), ", ".join(f"{value} {name}" for name, value in machine(device).items())
    for iteration in bar:
        began, burned = time.perf_counter(), time.process_time()
        batch = learner.sampler.batch()
        waited = time.perf_counter() - began
        for group in learner.optimizer.param_groups:
            group["lr"] = learner.rate(iteration) * group.get("scale", 1.0)
        value = learner.cost(batch)
        if not torch.isfinite(value):
            raise Diverged(f"loss is {value.item()} at iteration {iteration} of {scheme}, recipe {recipe}: lower the learning rate")
        learner.optimizer.zero_grad()
        value.backward()
        learner.optimizer.step()
        recent.append(value.item())
        before, history.seconds = history.seconds, history.seconds + time.perf_counter() - began
        history.cpu_seconds += time.process_time() - burned
        history.waiting = (history.waiting * before + waited) / history.seconds
        history.trained_on[here] = history.trained_on.get(here, 0) + 1
        if iteration % max(1, iterations // 100) == 0:
            history.loss.append((iteration, float(np.mean(recent))))
            judgement = [f"{value:.3f}" for _, value in history.val_knn_by_iteration[-1:]]
            bar.set_postfix({"loss": f"{np.mean(recent):.3f}", "kNN": "".join(judgement) or "-"})
            recent = []
        if validate and iteration in judged:
            accuracy = validate(model.eval())
            model.train()
            if learner.keep_best and worth_keeping(accuracy, history.val_knn_by_iteration, cfg.judge_sounds // 3):
                best = {name: tensor.clone() for name, tensor in model.state_dict().items()}
            history.val_knn_by_iteration.append((iteration, accuracy))
            history.val_knn_by_second.append((history.seconds, accuracy))
        if checkpoint and time.monotonic() - saved > CHECKPOINT_S:
            card = {"of": of, "iteration": iteration, "history": asdict(history), "recent": recent, "sampler": learner.sampler.state()}
            tensors.write(checkpoint, _state(learner, best), **card)
            saved = time.monotonic()
    if best:
        model.load_state_dict(best)
    if checkpoint:
        Path(checkpoint).unlink(missing_ok=True)
    return model.eval(), history
