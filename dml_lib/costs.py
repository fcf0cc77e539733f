"""What it costs to play a stretch of sound along a step of a path, and to go from one stretch to another.

Conventions: distances and costs are in radii of the corpus. A stretch begins at a unit and follows its sound for a *step*,
`STEP_FRAMES` frames (0.25 s).

Source
------
Target and join costs: Hunt and Black 1996, "Unit selection in a concatenative speech synthesis system"; the context of a
join, its rise, the silence at the ends and within are ours. Chapter 06.
"""

import numpy as np
from scipy.spatial.distance import cdist

STEP_FRAMES = 5
CONTEXT = (-4, -1, 0, 3)  # frames about a join that are compared, two on each side: the network sees 5 before and 4 after
CHANGE = 1.0  # what any jump counts beside the difference of log spectra, until it is heard: a window over two sounds is neither
PITCH = 1.0  # what an octave counts beside it
RISE = 12.0  # what a rise counts beside it: a fall is heard as an end, a rise as a new attack
USUAL_RISE = 0.1  # of a sound from frame to frame, which is no attack; seven of ten lie below
RISE_GAIN = 5_000.0  # a rise from silence is heard even where it leads to a soft sound
SHORT = 0.1  # a stride, in radii, where all sounds are shorter than a step
JOIN = 0.15  # what joins count beside distances from the path, in strides: how far a sound goes in a step, on average


class Costs:
    """Target and join costs of stretches; distances in radii of the corpus.

    Parameters
    ----------
    path : np.ndarray, (n_frames, n_dims)
    units : Units

    Attributes
    ----------
    price : float
        Of a join that costs 1, in radii: `JOIN` strides, by ten thousand units at most.
    """

    def __init__(self, path, units):
        self.path, self.units = path, units
        heard = ~units.quiet[units.tree.query(path)[1]]
        self.sounds = np.maximum.accumulate(heard) & np.maximum.accumulate(heard[::-1])[::-1]  # from its first sound to its last
        self.scale = max(units.radius, 1e-6)
        some = np.arange(0, len(units) - STEP_FRAMES, 1 + len(units) // 10_000)
        some = some[some + STEP_FRAMES <= units.end(some)]
        self.price = JOIN * (float(self.apart(units.z[some + STEP_FRAMES], units.z[some]).mean()) if len(some) else SHORT)
        table = units.dataset.table
        self.notes = np.full(len(table), np.nan, np.float32)
        if "note_number" in table:
            self.notes = table["note_number"].to_numpy(np.float32, na_value=np.nan) + np.asarray(table.get("transpose", 0), np.float32)

    def apart(self, z, wanted):
        """Distances of places z from the points of a path, both of shape (..., n_dims)."""
        return np.linalg.norm(z - wanted, axis=-1) / self.scale

    def along(self, step, unit):
        """Distances of stretches from the path along one step, and what is missing there, both (n, n_frames).

        Missing is a frame past a sound's end, where the distance is that of its last one, and a quiet frame between the path's
        first sound and its last.
        """
        here = slice(step * STEP_FRAMES, (step + 1) * STEP_FRAMES)
        wanted, sounds = self.path[here], self.sounds[here]
        frame, end = unit[:, None] + np.arange(len(wanted)), self.units.end(unit)[:, None]
        played = np.minimum(frame, end)
        return self.apart(self.units.z[played], wanted), (frame > end) | self.units.quiet[played] & sounds

    def target(self, step, unit):
        """Mean distance of stretches from the path along one step, (n,); a frame that is missing counts one radius more."""
        return np.add(*self.along(step, unit)).mean(axis=1)

    def context(self, unit):
        """Log spectra about the first frame of stretches, (n, 4, n_bands); nothing sounds beyond a sound's ends."""
        frame, last = unit[:, None] + np.array(CONTEXT), self.units.end(unit)[:, None]
        inside = (frame >= unit[:, None] - self.units.frame[unit][:, None]) & (frame <= last)
        return self.units.spectra(np.where(inside, frame, unit[:, None])) * inside[:, :, None]

    def silence(self, unit, side):
        """How much sounds before (side 0) or from (side 1) the first frame of stretches, (n,): what a path's ends cut off."""
        x = self.context(unit)
        return np.linalg.norm(x[:, 2 * side:2 * side + 2].reshape(len(x), -1), axis=1) / np.sqrt(x[0].size)

    def _by_rise_gain(self, x):
        """Log magnitudes by a gain at which soft sounds are far above silence, of log magnitudes by that of the features."""
        return np.log1p(RISE_GAIN / self.units.gain * np.expm1(x))

    def attack(self, unit):
        """How much more a sound rises by itself at the first frame of stretches than most do, (n,), as a mean over the bands."""
        x = self._by_rise_gain(self.context(unit)[:, 1:3])
        return np.maximum(np.maximum(x[:, 1] - x[:, 0], 0).mean(axis=1) - USUAL_RISE, 0)

    def rise(self, a, b):
        """Mean rise over the bands, in log magnitude, at joins from contexts a to contexts b, (n_a, n_b).

        Contexts are (n, 4, n_bands). It counts from the last frame that is heard to the louder, band by band, of the two that
        follow. Our choice.
        """
        last, first = (self._by_rise_gain(x) for x in (a[:, 1], b[:, 2:].max(axis=1)))
        apart = cdist(last, first, "cityblock").astype(np.float32)
        return (apart - last.sum(axis=1)[:, None] + first.sum(axis=1)) / 2 / last.shape[1]

    def join(self, before, after):
        """Cost of going on with each of `after` where each of `before` would come, (n_before, n_after); 0 for itself.

        A constant, the root mean square difference of log spectra about the join, what rises there, and the difference of
        pitch in octaves, up to one, where both are labeled.
        """
        a, b = self.context(before), self.context(after)
        flat, other = (x.reshape(len(x), -1) / np.float32(np.sqrt(x[0].size)) for x in (a, b))
        square = (flat**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * flat @ other.T
        note = self.notes[self.units.sound[before]][:, None] - self.notes[self.units.sound[after]]
        octaves = np.nan_to_num(np.minimum(np.abs(note), 12) / 12)
        cost = CHANGE + np.sqrt(np.maximum(square, 0)) + RISE * self.rise(a, b) + PITCH * octaves
        return np.where(before[:, None] == after, 0, cost)
