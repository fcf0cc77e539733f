"""Solo notes rendered from a General MIDI soundfont, each from one row of a recipe table.

No audio is stored: a row is enough to render its sound again, sample for sample.
The renderer is TinySoundFont (the package `tinysoundfont`): a wheel, no system library, a few milliseconds a note.
"""

from functools import lru_cache

import numpy as np
import pandas as pd
import tinysoundfont

from ..config import check_name
from .instruments import INSTRUMENTS

SR = 44_100  # for ears; the front end resamples
RELEASE_S = 0.5  # rendered after the key is let go, so that a sound's end is part of it
SILENCE_PEAK = 1e-3  # full scale is 1; below -60 dB a render is taken for a failure
DYNAMICS = {"pp": 30, "p": 48, "mp": 64, "mf": 80, "f": 98, "ff": 118}
ARTICULATIONS = {"staccato": (0.1, 0.25), "normal": (0.4, 1.0), "long": (1.2, 2.5)}  # seconds the key is held


class RenderError(ValueError):
    """A recipe gave no sound."""


def recipes(source, n_sounds, note_step=1, seed=0, instruments=tuple(INSTRUMENTS)):
    """Draw a table of recipes, the same for the same arguments.

    Notes follow one random permutation of the range after another, so all are used equally often.

    Parameters
    ----------
    source : str
        Name of the soundfont in the catalog.
    n_sounds : int
        Rows for each instrument.
    note_step : int
        1 uses each semitone of a range, 2 the even note numbers, and so on.
    seed : int
    instruments : sequence of str
        Canonical slugs.

    Returns
    -------
    pandas.DataFrame
        `sound_id, library, instrument, note_number, dynamics, articulation, velocity, seconds`; `seconds` is the
        whole length, key held plus release.

    Raises
    ------
    ValueError
        Unknown instrument.

    Source
    ------
    Our choice; the paper's library had several articulations and dynamics of each note.
    """
    rows = []
    for slug in instruments:
        check_name("instrument", slug, INSTRUMENTS)
        inst = INSTRUMENTS[slug]
        rng = np.random.default_rng([seed, inst.program, *source.encode()])
        notes = np.array([n for n in range(inst.low, inst.high + 1) if n % note_step == 0])
        if not len(notes):
            raise ValueError(f"no note of {slug} ({inst.low} to {inst.high}) is a multiple of note_step {note_step}: use a smaller one")
        cycles = [rng.permutation(notes) for _ in range(-(-n_sounds // len(notes)))]
        for i, note in enumerate(np.concatenate(cycles)[:n_sounds]):
            dynamics = rng.choice(list(DYNAMICS))
            articulation = rng.choice(list(ARTICULATIONS))
            velocity = int(np.clip(DYNAMICS[dynamics] + rng.integers(-7, 8), 1, 127))
            held = round(float(rng.uniform(*ARTICULATIONS[articulation])), 3)
            sound_id = f"{source}/{slug}/n{note:03d}-v{velocity:03d}-t{held:.3f}-{i}"
            rows.append((sound_id, source, slug, int(note), str(dynamics), str(articulation), velocity, held + RELEASE_S))
    columns = "sound_id library instrument note_number dynamics articulation velocity seconds".split()
    return pd.DataFrame(rows, columns=columns)


@lru_cache(maxsize=4)
def _synth(path):
    synth = tinysoundfont.Synth(samplerate=SR)
    return synth, synth.sfload(str(path))


def _generate(synth, n):
    return np.frombuffer(bytes(synth.generate(n)), dtype=np.float32).reshape(-1, 2).mean(axis=1)


def render(path, instrument, note_number, velocity, seconds):
    """Render one note.

    Parameters
    ----------
    path : path
        Soundfont file (.sf2).
    instrument : str
        Canonical slug.
    note_number, velocity : int
        MIDI, 0..127.
    seconds : float
        Whole length; the key is let go `RELEASE_S` before the end.

    Returns
    -------
    np.ndarray, (n_samples,), float32
        Mono at `SR` Hz, n_samples = round(seconds * SR).

    Raises
    ------
    RenderError
        The soundfont has no such program, or the result is silent.
    ValueError
        Unknown instrument, or no time left to hold the key.
    """
    program = INSTRUMENTS[check_name("instrument", instrument, INSTRUMENTS)].program
    synth, font = _synth(path)
    if synth.sfpreset_name(font, 0, program) is None:
        raise RenderError(f"program {program} ({instrument}) is not in the soundfont")
    synth.program_select(0, font, 0, program)
    total, release = round(seconds * SR), round(RELEASE_S * SR)
    if total <= release:
        raise ValueError(f"expected more than the release of {RELEASE_S} s, found {seconds} s: ask for a longer note")
    synth.noteon(0, note_number, velocity)
    held = _generate(synth, total - release)
    synth.noteoff(0, note_number)
    y = np.concatenate([held, _generate(synth, release)])
    synth.sounds_off()
    _generate(synth, SR // 10)  # flush: the next note must not depend on this one
    peak = float(np.abs(y).max())
    if not peak >= SILENCE_PEAK:
        raise RenderError(f"silent render: peak {peak:.1e}, expected at least {SILENCE_PEAK:.0e}")
    return y
