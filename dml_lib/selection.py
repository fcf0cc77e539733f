"""Which units play a path: the author's nearest one, one of the right region by chance, and ours, by dynamic programming.

Conventions: a path has one point a frame. A *step* is `STEP_FRAMES` frames (0.25 s), and every method plays one unit a
step: the author's in a grain around one path point, ours as a stretch that begins at the unit and follows its sound
through the step.

Source
------
Unit selection by target and join costs: Hunt and Black 1996, "Unit selection in a concatenative speech synthesis
system". Chapter 06.
"""

import numpy as np
from scipy.spatial.distance import cdist

STEP_FRAMES = 5
REGION = 100  # nearest units that count as the right region
CANDIDATES, KEPT = 40, 128  # nearest units of a path point; stretches of a step that are compared
CONTEXT = (-4, -1, 0, 3)  # frames about a join that are compared, two on each side: the network sees 5 before and 4 after
CHANGE = 2.0  # what any jump counts beside the difference of log spectra: a window over two sounds is heard as neither of them
PITCH = 1.0  # what an octave counts beside it
RISE = 12.0  # what a rise counts beside it: a fall is heard as an end, a rise as a new attack
RISE_GAIN = 5_000.0  # a rise from silence is heard even where it leads to a soft sound
JOIN = 0.018  # what joins count beside distances from the path, in radii of the corpus
REVISIONS = 16  # choices at most, until no stretch is played twice


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


class Costs:
    """Target and join costs of stretches; distances in radii of the corpus.

    Parameters
    ----------
    path : np.ndarray, (n_frames, n_dims)
    units : Units
    """

    def __init__(self, path, units):
        self.path, self.units = path, units
        self.scale = max(units.radius, 1e-6)
        notes = units.dataset.table.get("note_number")
        self.notes = np.full(len(units.dataset), np.nan) if notes is None else notes.to_numpy(float, na_value=np.nan)

    def target(self, step, unit):
        """Mean distance of stretches from the path along one step, (n,); a frame past a sound's end counts one radius more."""
        wanted = self.path[step * STEP_FRAMES:(step + 1) * STEP_FRAMES]
        frame, end = unit[:, None] + np.arange(len(wanted)), self.units.end(unit)[:, None]
        far = np.linalg.norm(self.units.z[np.minimum(frame, end)] - wanted, axis=2) / self.scale
        return (far + (frame > end)).mean(axis=1)

    def context(self, unit):
        """Log spectra about the first frame of stretches, (n, 4, n_bands); nothing sounds beyond a sound's ends."""
        frame, last = unit[:, None] + np.array(CONTEXT), self.units.end(unit)[:, None]
        inside = (frame >= unit[:, None] - self.units.frame[unit][:, None]) & (frame <= last)
        return self.units.spectra(np.where(inside, frame, unit[:, None])) * inside[:, :, None]

    def silence(self, unit, side):
        """How much sounds before (side 0) or from (side 1) the first frame of stretches, (n,): what a path's ends cut off."""
        x = self.context(unit)
        return np.linalg.norm(x[:, 2 * side:2 * side + 2].reshape(len(x), -1), axis=1) / np.sqrt(x[0].size)

    def rise(self, a, b):
        """Mean rise over the bands, in log magnitude, at joins from contexts a to contexts b, (n_a, n_b).

        Contexts are (n, 4, n_bands). It counts from the last frame that is heard to the louder, band by band, of the two that
        follow, by a gain at which soft sounds are far above silence. Our choice.
        """
        last, first = (np.log1p(RISE_GAIN / self.units.gain * np.expm1(x)) for x in (a[:, 1], b[:, 2:].max(axis=1)))
        return (cdist(last, first, "cityblock") - last.sum(axis=1)[:, None] + first.sum(axis=1)) / 2 / last.shape[1]

    def join(self, before, after):
        """Cost of going on with each of `after` where each of `before` would come, (n_before, n_after); 0 for itself.

        A constant, the root mean square difference of log spectra about the join, what rises there, and the difference of
        pitch in octaves, up to one, where both are labeled.
        """
        a, b = self.context(before), self.context(after)
        flat, other = (x.reshape(len(x), -1) / np.sqrt(x[0].size) for x in (a, b))
        square = (flat**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * flat @ other.T
        note = self.notes[self.units.sound[before]][:, None] - self.notes[self.units.sound[after]]
        octaves = np.nan_to_num(np.minimum(np.abs(note), 12) / 12)
        cost = CHANGE + np.sqrt(np.maximum(square, 0)) + RISE * self.rise(a, b) + PITCH * octaves
        return np.where(before[:, None] == after, 0, cost)


def _following(unit, units, n=STEP_FRAMES):
    """The units that come `n` frames after these, the last ones of their sounds where those end before."""
    return np.minimum(unit + n, units.end(unit))


def _candidates(path, units, costs, banned):
    """Stretches worth a comparison, one array of units a step: near the path somewhere along it, and what follows those before."""
    found, chosen = units.nearest(path, CANDIDATES, banned), []
    for step in range(-(-len(path) // STEP_FRAMES)):
        near = found[step * STEP_FRAMES:(step + 1) * STEP_FRAMES]
        back = np.arange(len(near))[:, None]
        start = np.unique((near - back)[units.frame[near] >= back])
        start = start[np.argsort(costs.target(step, start), kind="stable")[:KEPT]]
        if chosen:
            follow = chosen[-1] + STEP_FRAMES
            start = np.union1d(start, follow[follow <= units.end(chosen[-1])])
            start = start[np.argsort(costs.target(step, start), kind="stable")[:2 * KEPT]]
        chosen.append(start)
    return chosen


def cheapest(target, joins):
    """Which candidate of each step makes the sum of target and join costs least, (n_steps,), int64.

    Parameters
    ----------
    target : list of np.ndarray, (n_candidates of the step,)
    joins : list of np.ndarray, (n_candidates of the step, n_candidates of the next)

    Source
    ------
    The Viterbi algorithm.
    """
    total, back = target[0], []
    for cost, join in zip(target[1:], joins):
        reached = total[:, None] + join
        back.append(reached.argmin(axis=0))
        total = reached.min(axis=0) + cost
    best = [int(total.argmin())]
    for pointers in reversed(back):
        best.append(int(pointers[best[-1]]))
    return np.array(best[::-1])


def repeated(chosen):
    """Steps whose unit lies less than a step from one that was played before, (n,), int64."""
    return np.flatnonzero(np.tril(np.abs(chosen[:, None] - chosen) < STEP_FRAMES, -1).any(axis=1))


def runs(chosen, units):
    """Where a selection leaves one sound for another: (first step, first unit) of each run, (n_runs, 2), int64."""
    goes_on = (np.diff(chosen) == STEP_FRAMES) & (np.diff(units.sound[chosen]) == 0)
    first = np.flatnonzero(np.append(True, ~goes_on))
    return np.stack([first, chosen[first]], axis=1)


def _choose(candidates, near, ends, joins):
    """The cheapest stretches, chosen again while some are played twice, (n_steps,), int64."""
    target = [cost.copy() for cost in near]
    target[0] += ends[0]
    target[-1] += ends[1]
    for _ in range(REVISIONS):
        chosen = np.array([unit[i] for unit, i in zip(candidates, cheapest(target, joins))])
        again = repeated(chosen)
        for step in again:
            target[step] += np.abs(candidates[step] - chosen[step]) < STEP_FRAMES
        if not len(again):
            break
    return chosen


def viterbi(path, units, banned=(), ends=(None, None)):
    """The stretches that lie near the path and join well, (n_steps,), int64: the first unit of each.

    Minimizes the distance of all frames played from the path, and at each join the difference of what is heard about it
    from what the sound before would have gone on with, above all what rises there. To go on within one sound costs
    nothing; what comes before the path's start and after its end is silence.

    Parameters
    ----------
    path, units, banned
        As for `nearest_units`.
    ends : pair of int or None
        Rows of the sounds that the path leads from and to: in its first and its last step any other sound costs one radius of
        the corpus more, where theirs comes near at all.

    Raises
    ------
    ValueError
        See `Units.check` and `Units.nearest`.

    Source
    ------
    Hunt and Black 1996; the context of a join, its rise and the silence at the ends are ours.
    """
    path = units.check(path)
    costs = Costs(path, units)
    candidates = _candidates(path, units, costs, banned)
    near = [costs.target(step, unit) for step, unit in enumerate(candidates)]
    for step, sound in zip((0, -1), ends):
        own = units.sound[candidates[step]] == sound
        near[step] = near[step] + (own.any() & ~own)
    rest = len(path) - STEP_FRAMES * (len(near) - 1)
    silence = costs.silence(candidates[0], 0), costs.silence(_following(candidates[-1], units, rest), 1)
    joins = [JOIN * costs.join(_following(a, units), b) for a, b in zip(candidates, candidates[1:])]
    return _choose(candidates, near, [JOIN * cost for cost in silence], joins)
