"""From names to sound: a run of the book or a folder of sounds is opened, sounds and files are found in it, a path is played.

Source
------
Our choice. `python -m dml_lib sonify`.
"""

import math
from pathlib import Path

import numpy as np

from . import dataset, embed, library, paths, soundcheck, trajectories
from .config import SCHEMES, check_name
from .selection import STEP_FRAMES
from .sonify import Instrument, Sonification
from .sounds import decode, files, soundfont
from .transposition import fitting
from .weights import open_weights

WAYS = ("trajectory", "line", "spline", "geodesic", "walk", "graph-walk")
LASTS_S = 4.0
WALK_STEP = 0.05  # of a walk, in radii of the corpus
KEPT = ".transposed.safetensors"  # in a map: where its transposed sounds lie


def open_corpus(place, scheme=None, weights=None, transpose=None):
    """An instrument to play paths with.

    Parameters
    ----------
    place : path
        The folder of a run of the book, such as `_run/standard`, a map, or a folder of sounds.
    scheme : str, optional
        Whose space, "instrument_pitch" if not given; that of a map is its own.
    weights : path, optional
        File of the network; that of the run, or for a folder of sounds what `paths.find_weights` finds; that of a map is its own.
    transpose : int, optional
        See `sonify.Instrument`; what `transposition.fitting` says if not given. A map keeps where its copies are, others hear
        them each time.

    Returns
    -------
    instrument : sonify.Instrument
    cfg : Config
        What the network was trained with.

    Raises
    ------
    ValueError
        No such folder, nothing to play in it, no network, or another one for a map; more than an octave.
    """
    place = Path(place).resolve()
    if not place.is_dir():
        raise ValueError(f"expected a run of the book or a folder of sounds, found none at {place}: check the name")
    is_run = (place / "store").is_dir() and (place / "weights").is_dir()
    if (place / "map.parquet").is_file():
        if scheme or weights:
            named = weights or scheme
            raise ValueError(f"expected no other network for a map, which plays with its own, found {named}: make a map with it by `map --weights`")
        found = library.Library.open(place)
        (model, cfg), data = found.network, found.dataset
        z, file = np.concatenate(list(found.places)), place / KEPT
    else:
        (model, cfg), data = _sounds(place, scheme, weights, is_run)
        z, file = embed.embed_frames(model, data, cfg), None
    by = fitting(len(z)) if transpose is None else transpose
    return Instrument(z, data, cfg, model, transpose=by, file=file), cfg


def _sounds(place, scheme, weights, is_run):
    """The network that plays a run or a folder, with its `Config`, and the sounds as it hears them."""
    scheme, run = check_name("scheme", scheme or "instrument_pitch", SCHEMES), paths.Run("", str(place)) if is_run else None
    model, cfg = open_weights(paths.find_weights(weights or scheme, None if weights else run))
    if is_run:  # its sounds are those of its own networks, as the network that plays them hears them
        own = next((file for each in SCHEMES if (file := run.weights(each, "ours")).is_file()), None)
        if not own:
            raise ValueError(f"expected a network of its own in the run {place}, which says what its sounds are, found none: run chapter 3 there first")
        data = dataset.build(open_weights(own)[1].with_(level=cfg.level, **cfg.front_end()), run)[0]
    else:
        data = library.sounds(place, cfg)
    return (model, cfg), data


def locate(name, instrument, cfg):
    """A sound by its name: where it goes in the space, and its row in the table of sounds.

    Parameters
    ----------
    name : str
        A `sound_id`, an audio file, or an instrument, which stands for one of its long notes near middle C.

    Returns
    -------
    z : np.ndarray, (n_frames, n_dims)
    heard : np.ndarray, (n_frames,), bool
        Its audible frames.
    row : int or None
        None for a file from outside.

    Raises
    ------
    ValueError
        Nothing by that name, or a file that is no sound.
    """
    units, table = instrument.units, instrument.units.dataset.table
    found = np.flatnonzero(table["sound_id"] == name)
    if not len(found) and "path" in table and Path(name).is_file():
        found = np.flatnonzero(table["path"].isin(files.same_file(name)))
    if not len(found) and name in set(table["instrument"].dropna()):
        found = [dataset.exemplar(table, name)]
    if len(found):
        return units.z[units.sound == found[0]], units.audible[units.dataset.where(found[0])], int(found[0])
    if not Path(name).is_file():
        raise ValueError(
            f"expected a sound id such as {table['sound_id'].iloc[0]!r}, an instrument or an audio file, found nothing by the name {name!r}: check it"
        )
    try:
        y = decode.decode(name, sr=soundfont.SR)[0]
    except decode.DecodeError as error:
        raise ValueError(f"expected a sound in {name}, found {error}: choose another file") from None
    x = soundcheck.analyze(y, soundfont.SR, cfg)
    return instrument.hear(x), dataset.Dataset.single(x).audible(), None


def perform(instrument, cfg, start, end=None, way=None, seconds=None, method="ours", seed=0, via=()) -> Sonification:
    """Play a path between named sounds.

    Parameters
    ----------
    instrument : sonify.Instrument
    cfg : Config
    start, end : str
        See `locate`.
    way : str
        One of `WAYS`: "trajectory" of the start, played by other sounds; "line", "spline" or "geodesic" from start to end;
        "walk" or "graph-walk" from the start. A line where there is an end or something to pass, else the trajectory.
    seconds : float
        How long; the trajectory lasts as long as its sound, others 4 s, if not given.
    method : str
        See `sonify.Instrument.play`.
    seed : int
        Of walks, and of the method "random".
    via : sequence of str
        Sounds to pass on the way from start to end: what a spline bends through.

    Raises
    ------
    ValueError
        Unknown way, an end or sounds to pass where there are none to go to, no end where there should be, or no time.
    """
    if seconds is not None and not math.isfinite(seconds):
        raise ValueError(f"expected seconds as a number, found {seconds}: choose how long the path lasts")
    way = check_name("path", way or ("line" if end or via else "trajectory"), WAYS)
    between = way in ("line", "spline", "geodesic")
    if between and not end:
        raise ValueError(f"expected a sound to go --to for a {way}, found none: name one")
    if not between and (end or via):
        raise ValueError(f"expected no --to or --via for a {way}, found {', '.join(filter(None, (*via, end)))}: choose another --path")
    z, heard, row = locate(start, instrument, cfg)
    step = instrument.units.frame_s
    if seconds is None:
        seconds = (len(z) - 1) * step if way == "trajectory" else LASTS_S
    n_steps = 1 + math.ceil(seconds / step - 1e-9)
    if way == "trajectory":
        return instrument.play(trajectories.stretch(z, n_steps), method, [] if row is None else [row], seed, seconds)
    point, last = np.median(z[heard], axis=0), None
    if between:
        passed = [locate(name, instrument, cfg) for name in (*via, end)]
        points, last = np.stack([point, *(np.median(z[heard], axis=0) for z, heard, _ in passed)]), passed[-1][2]
        lead = trajectories.Graph(instrument.units.own).geodesic if way == "geodesic" else getattr(trajectories, way)
        path = lead(points, n_steps)
    elif way == "walk":
        path = trajectories.walk(point, n_steps, seed, step=instrument.units.radius * WALK_STEP)
    else:
        path = trajectories.stretch(trajectories.Graph(instrument.units.own).walk(point, 2 + n_steps // STEP_FRAMES, seed), n_steps)
    return instrument.play(path, method, seed=seed, seconds=seconds, ends=(row, last))
