"""Solo notes rendered from a General MIDI soundfont, each from one row of a recipe table.

No audio is stored: a row is enough to render its sound again, sample for sample.
The renderer is TinySoundFont (the package `tinysoundfont`): a wheel, no system library, a few milliseconds a note.
"""

import hashlib
import json
from functools import lru_cache

import numpy as np
import pandas as pd
import scipy.signal
import tinysoundfont

from ..config import check_name
from .instruments import INSTRUMENTS

SR = 44_100  # for ears; the front end resamples
SILENCE_PEAK = 1e-3  # full scale is 1; below -60 dB a render is taken for a failure
CONTROL_S = 0.02  # pitch wheel and expression move in steps of this length
TILT_HZ = 1_000
DYNAMICS = {"pp": 30, "p": 48, "mp": 64, "mf": 80, "f": 98, "ff": 118}
ARTICULATIONS = {"staccato": (0.1, 0.25), "normal": (0.4, 1.0), "long": (1.2, 2.5)}  # seconds the key is held
VARIATIONS = ("release_s", "vibrato_cents", "vibrato_hz", "detune_cents", "swell", "tilt_db")


class RenderError(ValueError):
    """A recipe gave no sound."""


def _variation(rng):
    """How one note departs from the plain one; half of them have no vibrato and no swell."""
    some = rng.random(2) < 0.5
    return {
        "release_s": rng.uniform(0.3, 0.8),
        "vibrato_cents": some[0] * rng.uniform(5, 40),
        "vibrato_hz": rng.uniform(4, 7),
        "detune_cents": np.clip(rng.normal(0, 6), -20, 20),
        "swell": some[1] * rng.uniform(-0.6, 0.6),
        "tilt_db": np.clip(rng.normal(0, 1.5), -4, 4),
    }


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
        `sound_id, library, instrument, note_number, dynamics, articulation, velocity, seconds` (whole length, key held
        plus release), and what `render` takes: `release_s, vibrato_cents, vibrato_hz, detune_cents, swell, tilt_db`.

    Raises
    ------
    ValueError
        Unknown instrument, or no note left.

    Source
    ------
    Our choice; the paper's library had several articulations and dynamics of each note.
    """
    rows = []
    for slug in instruments:
        inst = INSTRUMENTS[check_name("instrument", slug, INSTRUMENTS)]
        rng = np.random.default_rng([seed, inst.program, *source.encode()])
        notes = np.array([n for n in range(inst.low, inst.high + 1) if n % note_step == 0])
        if not len(notes):
            raise ValueError(f"no note of {slug} ({inst.low} to {inst.high}) is a multiple of note_step {note_step}: use a smaller one")
        cycles = [rng.permutation(notes) for _ in range(-(-n_sounds // len(notes)))]
        for note in np.concatenate(cycles)[:n_sounds]:
            dynamics, articulation = str(rng.choice(list(DYNAMICS))), str(rng.choice(list(ARTICULATIONS)))
            velocity = int(np.clip(DYNAMICS[dynamics] + rng.integers(-7, 8), 1, 127))
            held = rng.uniform(*ARTICULATIONS[articulation])
            vary = {name: round(float(value), 3) for name, value in _variation(rng).items()}
            row = {
                "library": source, "instrument": slug, "note_number": int(note), "dynamics": dynamics, "articulation": articulation,
                "velocity": velocity, "seconds": round(held + vary["release_s"], 3), **vary,
            }
            number = hashlib.sha256(json.dumps(row).encode()).hexdigest()[:10]
            rows.append({"sound_id": f"{source}/{slug}/{note:03d}-{number}"} | row)
    return pd.DataFrame(rows)


@lru_cache(maxsize=2)
def _synth(path):
    synth = tinysoundfont.Synth(samplerate=SR)
    return synth, synth.sfload(str(path))


def _generate(synth, n):
    return np.frombuffer(bytes(synth.generate(n)), dtype=np.float32).reshape(-1, 2).mean(axis=1)


def render(
    path, instrument, note_number, velocity, seconds, release_s=0.5, vibrato_cents=0.0, vibrato_hz=5.0, detune_cents=0.0, swell=0.0,
    tilt_db=0.0,
):
    """Render one note.

    Parameters
    ----------
    path : path
        Soundfont file (.sf2).
    instrument : str
        Canonical slug.
    note_number, velocity : int
        MIDI, 0..127.
    seconds, release_s : float
        Whole length, and how long before the end the key is let go.
    vibrato_cents, vibrato_hz, detune_cents : float
        Of the pitch wheel.
    swell : float
        -1..1: expression falls to (1 + swell) of its start, or rises from (1 - swell) of its end.
    tilt_db : float
        Gain far above 1 kHz, by a first-order shelf.

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
    total, release = round(seconds * SR), round(release_s * SR)
    if total <= release:
        raise ValueError(f"expected more than the release of {release_s} s, found {seconds} s: ask for a longer note")
    synth, font = _synth(path)
    if synth.sfpreset_name(font, 0, program) is None:
        raise RenderError(f"program {program} ({instrument}) is not in the soundfont")
    synth.program_select(0, font, 0, program)
    synth.pitchbend_range(0, 1.0)
    parts, step, letting_go = [], round(CONTROL_S * SR), total - release
    for now in range(0, total, step):
        cents = detune_cents + vibrato_cents * np.sin(2 * np.pi * vibrato_hz * now / SR)
        synth.pitchbend(0, round(8192 * (1 + cents / 100)))
        synth.control_change(0, 11, round(127 * (1 + min(swell, 0) * now / total - max(swell, 0) * (1 - now / total))))
        if now == 0:
            synth.noteon(0, note_number, velocity)
        end = min(now + step, total)
        if now <= letting_go < end:
            parts.append(_generate(synth, letting_go - now))
            synth.noteoff(0, note_number)
            now = letting_go
        parts.append(_generate(synth, end - now))
    synth.sounds_off()
    _generate(synth, SR // 10)  # flush: the next note must not depend on this one
    y = np.concatenate(parts)
    if tilt_db:
        low, gain = scipy.signal.butter(1, TILT_HZ, fs=SR), 10 ** (tilt_db / 20)
        y = (gain * y + (1 - gain) * scipy.signal.lfilter(*low, y)).astype(np.float32)
    peak = float(np.abs(y).max())
    if not peak >= SILENCE_PEAK:
        raise RenderError(f"silent render (peak below {SILENCE_PEAK:g} of full scale)")
    return y


def render_row(path, row):
    """Render the sound of one row of `recipes` (a dict or a Series)."""
    numbers = {name: float(row[name]) for name in ("seconds", *VARIATIONS)}
    return render(path, row["instrument"], int(row["note_number"]), int(row["velocity"]), **numbers)
