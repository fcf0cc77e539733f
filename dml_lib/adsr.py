"""Attack, decay, sustain and release of a sound, as far as frames of 50 ms tell them apart."""

import numpy as np

AUDIBLE_DB, RISE_DB, FALL_DB, RELEASED_DB = 60.0, 20.0, 10.0, 6.0  # the middle two in one second


def level(picture):
    """Energy of each frame in dB below the loudest frame, (n_frames,), float32.

    Parameters
    ----------
    picture : np.ndarray, (n_frames, n_bins)
        Linear magnitudes.
    """
    energy = np.square(np.asarray(picture, np.float32)).sum(axis=1)
    return 10 * np.log10(np.maximum(energy, 1e-12) / max(float(energy.max()), 1e-12))


def phases(level_db, frame_s, released=None):
    """When each phase begins and ends.

    Parameters
    ----------
    level_db : np.ndarray, (n_frames,)
        See `level`.
    frame_s : float
        Seconds a frame.
    released : float, optional
        When the key was let go, in seconds, where that is known; else the last frame less than 6 dB below the median.

    Returns
    -------
    dict of str to (float, float)
        Seconds of `attack`, `decay`, `sustain` and `release`; each begins where the one before it ends, and may be empty.

    Source
    ------
    Our choice: by slopes, so that a swell is no attack. An attack rises by at least 20 dB a second, a decay falls by 10.
    """
    audible = np.flatnonzero(level_db >= -AUDIBLE_DB)
    first, last = int(audible[0]), int(audible[-1]) + 1
    if released is None:
        let_go = int(np.flatnonzero(level_db >= np.median(level_db[audible]) - RELEASED_DB)[-1]) + 1
    else:
        let_go = round(released / frame_s)
    let_go = min(max(let_go, first), last)
    slope = np.append(np.diff(level_db), 0) / frame_s  # the last frame goes nowhere: each search below ends there at the latest
    risen = first + int(np.argmax(slope[first:] < RISE_DB))
    settled = risen + int(np.argmax(slope[risen:] > -FALL_DB))
    edges = np.minimum([first, risen, settled, let_go, last], [let_go] * 4 + [last]) * frame_s
    return {name: (float(a), float(b)) for name, a, b in zip(("attack", "decay", "sustain", "release"), edges, edges[1:])}
