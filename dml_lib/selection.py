"""Which units play a path: the author's nearest one, one of the right region by chance, and ours, by dynamic programming.

Conventions: a path has one point a frame. A *step* is `STEP_FRAMES` frames (0.25 s), and every method plays one unit a
step: the author's in a grain around one path point, ours as a stretch that begins at the unit and follows its sound
through the step. What that costs is in `costs`.

Source
------
Unit selection by target and join costs: Hunt and Black 1996, "Unit selection in a concatenative speech synthesis
system". Chapter 06.
"""

import numpy as np
from scipy.ndimage import binary_dilation
from threadpoolctl import ThreadpoolController

from .costs import CHANGE, RISE, STEP_FRAMES, Costs

REGION = 100  # nearest units that count as the right region
CANDIDATES, KEPT = 40, 96  # nearest units of a path point; stretches of a step that are compared, with half as many more that go on
REVISIONS = 16  # choices at most, until no stretch is played twice
ROUNDS = 12  # choices that are heard at most
ONE_THREAD = ThreadpoolController()  # threads of NumPy's products wait busily, in the way of the network's


def nearest_units(path, units, banned=()):
    """The nearest unit of each step, (n_steps,), int64.

    Parameters
    ----------
    path : np.ndarray, (n_frames, n_dims)
        One point a frame; every fifth is played.
    units : Units
    banned : sequence of int
        Rows of the table of sounds that may not be played.

    Source
    ------
    Thesis-era original code: Euclidean 1-nearest neighbor.
    """
    return units.nearest(units.check(path)[::STEP_FRAMES], 1, banned)[:, 0]


def random_units(path, units, banned=(), seed=0):
    """For each step one of the 100 nearest units by chance, (n_steps,), int64; parameters as for `nearest_units`."""
    found = units.nearest(units.check(path)[::STEP_FRAMES], REGION, banned)
    column = np.random.default_rng([*np.atleast_1d(seed), 13]).integers(found.shape[1], size=len(found))
    return found[np.arange(len(found)), column]


def _following(unit, units, n=STEP_FRAMES):
    """The units that come `n` frames after these, the last ones of their sounds where those end before."""
    return np.minimum(unit + n, units.end(unit))


def _candidates(path, units, costs, banned, ends):
    """Stretches worth a comparison, one array of units a step: near the path somewhere along it, and what follows those before.

    And of the sounds at its `ends`, those nearest to its first and its last step.
    """
    found, chosen = units.nearest(path, CANDIDATES, banned), []
    n_steps = -(-len(path) // STEP_FRAMES)
    for step in range(n_steps):
        near = found[step * STEP_FRAMES:(step + 1) * STEP_FRAMES]
        back = np.arange(len(near))[:, None]
        start = np.unique((near - back)[units.frame[near] >= back])
        start = start[np.argsort(costs.target(step, start), kind="stable")[:KEPT]]
        if chosen:
            follow = chosen[-1] + STEP_FRAMES
            start = np.union1d(start, follow[follow <= units.end(chosen[-1])])
            start = start[np.argsort(costs.target(step, start), kind="stable")[:KEPT + KEPT // 2]]
        for sound in [end for at, end in zip((0, n_steps - 1), ends) if at == step and end is not None and end not in banned]:
            own = np.flatnonzero(units.sound == sound)
            start = np.union1d(start, own[np.argsort(costs.target(step, own), kind="stable")[:CANDIDATES]])
        chosen.append(start)
    return chosen


def cheapest(target, joins):
    """Which candidate of each step makes the sum of target and join costs least, (n_steps,), int64: the Viterbi algorithm.

    Parameters
    ----------
    target : list of np.ndarray, (n_candidates of the step,)
    joins : list of np.ndarray, (n_candidates of the step, n_candidates of the next)
        Faster by far in Fortran order, where those before lie side by side.
    """
    total, back = target[0], []
    for cost, join in zip(target[1:], joins):
        reached = total[:, None] + join
        back.append(reached.argmin(axis=0))
        total = reached[back[-1], np.arange(len(cost))] + cost
    best = [int(total.argmin())]
    for pointers in reversed(back):
        best.append(int(pointers[best[-1]]))
    return np.array(best[::-1])


def overlap(a, b, units):
    """Whether stretches a and b, which broadcast, play a moment of one sound both, be it transposed or not: bool."""
    later = units.time[b] - units.time[a]
    met = (later < STEP_FRAMES * units.speed[a] - 1e-6) & (-later < STEP_FRAMES * units.speed[b] - 1e-6)
    return met & (units.source[a] == units.source[b])


def repeated(chosen, units):
    """Steps that play what was played before, (n,), int64."""
    return np.flatnonzero(np.tril(overlap(chosen[:, None], chosen, units), -1).any(axis=1))


def runs(chosen, units):
    """Where a selection leaves one sound for another: (first step, first unit) of each run, (n_runs, 2), int64."""
    goes_on = (np.diff(chosen) == STEP_FRAMES) & (np.diff(units.sound[chosen]) == 0)
    first = np.flatnonzero(np.append(True, ~goes_on))
    return np.stack([first, chosen[first]], axis=1)


def _choose(candidates, target, joins, units):
    """The cheapest stretches and their places among the candidates, chosen again while some are played twice, (n_steps,), int64.

    Changes `target`: what was played twice costs one radius more.
    """
    for _ in range(REVISIONS):
        place = cheapest(target, joins)
        chosen = np.array([unit[i] for unit, i in zip(candidates, place)])
        again = repeated(chosen, units)
        for step in again:
            target[step] += overlap(candidates[step], chosen[step], units)
        if not len(again):
            break
    return chosen, place


def _heard(x, hear, heard, new):
    """Where magnitudes x are heard, (n_frames, n_dims): as before in `heard`, and again what windows on the steps `new` reach.

    A window of 10 frames reaches a step to either side, so a step about the new ones is heard, with one more as context.
    """
    again, context = (np.repeat(binary_dilation(new, iterations=i), STEP_FRAMES)[:len(x)] for i in (1, 2))
    heard[again] = hear(x[context])[again[context]]
    return heard


def _by_ear(costs, candidates, target, joins, hear):
    """The choice that costs least, as heard, of those made while each join that was heard is given the cost that it had.

    A join was expected to cost `CHANGE`; what is heard about it farther from the path than the places of its stretches takes
    the place of that. What is missing costs as before, whatever is heard. Parameters as for `_choose`; changes `target` and `joins`.
    """
    path, units, prices, met, least = costs.path, costs.units, {}, set(), np.inf
    frame, heard, last = np.arange(len(path)), np.empty_like(path), np.full(len(candidates), -1)
    share = 1 / np.minimum(STEP_FRAMES, len(path) - frame // STEP_FRAMES * STEP_FRAMES)  # of its step that a frame is
    for _ in range(ROUNDS):
        chosen, place = _choose(candidates, target, joins, units)
        if chosen.tobytes() in met:
            break
        met.add(chosen.tobytes())
        heard = _heard(units.magnitudes(chosen, STEP_FRAMES)[:len(path)], hear, heard, chosen != last)
        last = chosen
        expected = np.concatenate([costs.along(step, unit)[0][0] for step, unit in enumerate(chosen[:, None])])
        surplus = (costs.apart(heard, path) - expected) * share
        changed = np.flatnonzero(_following(chosen[:-1], units) != chosen[1:])
        edges = list(zip(changed, place[changed], place[changed + 1]))
        for step, *edge in edges:
            prices.setdefault((step, *edge), joins[step][*edge] - costs.price * CHANGE)
        near = sum(cost[i] for cost, i in zip(target, place)) + len(repeated(chosen, units))
        total = near + surplus.sum() + sum(prices[edge] for edge in edges)
        if total < least:
            best, least = chosen, total
        if len(edges):
            border = (changed + 1) * STEP_FRAMES - 0.5
            nearest = np.searchsorted((border[1:] + border[:-1]) / 2, frame)
            mixed = np.abs(frame - border[nearest]) < STEP_FRAMES
            for (step, *edge), more in zip(edges, np.bincount(nearest, surplus * mixed, len(edges))):
                joins[step][*edge] = prices[step, *edge] + more
    return best


@ONE_THREAD.wrap(limits=1, user_api="blas")
def viterbi(path, units, banned=(), ends=(None, None), hear=None):
    """The stretches that lie near the path and join well, (n_steps,), int64: the first unit of each.

    Minimizes the distance of all frames played from the path, and at each join the difference of what is heard about it
    from what the sound before would have gone on with, above all what rises there. To go on within one sound costs nothing;
    an attack costs wherever it is played after the path's start, at a join or not; what comes before that start and after
    the end is silence; a quiet frame in between costs as much as one past a sound's end. Where the network is given, it
    hears what was chosen and the choice is made again with what it heard at the joins; of up to twelve choices the cheapest
    is kept.

    Parameters
    ----------
    path, units, banned
        As for `nearest_units`.
    ends : pair of int or None
        Rows of the sounds that the path leads from and to: in its first and its last step any other sound costs a thousand radii
        more, where theirs may be played.
    hear : callable, optional
        The network: magnitudes (n_frames, n_bins) -> places (n_frames, n_dims).

    Raises
    ------
    ValueError
        See `Units.check` and `Units.nearest`.

    Source
    ------
    Hunt and Black 1996; the context of a join, its rise, the silence at the ends and the choice by ear are ours.
    """
    path = units.check(path)
    costs = Costs(path, units)
    candidates = _candidates(path, units, costs, banned, ends)
    near = [costs.target(step, unit) for step, unit in enumerate(candidates)]
    near[1:] = [far + costs.price * RISE * costs.attack(unit) for far, unit in zip(near[1:], candidates[1:])]
    for step, sound in zip((0, -1), ends):
        own = units.sound[candidates[step]] == sound
        near[step] = near[step] + 1_000 * (own.any() & ~own)
    rest = len(path) - STEP_FRAMES * (len(near) - 1)
    near[0] = near[0] + costs.price * costs.silence(candidates[0], 0)
    near[-1] = near[-1] + costs.price * costs.silence(_following(candidates[-1], units, rest), 1)
    joins = [np.asfortranarray(costs.price * costs.join(_following(a, units), b)) for a, b in zip(candidates, candidates[1:])]
    if hear is not None:
        return _by_ear(costs, candidates, near, joins, hear)
    return _choose(candidates, near, joins, units)[0]
