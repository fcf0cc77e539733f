"""Recorded: how well paths are played, by each method in each scheme; `python -m dml_lib report --full --only sonify`.

Conventions: one network of our recipe a scheme. A seed draws 50 test sounds whose trajectories are played without
themselves, and 50 straight lines of 4 s between two test sounds. Values are means over seeds, with the smallest and the
largest as `.lo` and `.hi`; the discontinuity of joins is that of all sounds of a seed together. Networks and finished
seeds are kept, so the recording may be killed and run again.

Source
------
Our choice. Chapter 06.
"""

from functools import lru_cache, partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from . import costs, embed, judge, nearest, paths, results, selection, soundcheck, synthesis, trajectories, transposition, units
from .config import SCHEMES, Config
from .dataset import build
from .evaluate import shown
from .sonify import Instrument, Sonification
from .selection import STEP_FRAMES
from .store import digest
from .train import train
from .weights import load_weights, save_weights

FULL = Config.preset("standard", ours_iterations=1_500, threads=1)
RECORDED = paths.RECORDED / "sonify.json"
N_PATHS, LINE_S, LEAST_FRAMES = 50, 4.0, 20
METHODS = ("author", "random", "untransposed", "ours")  # the third is ours with the sounds as they are alone
KINDS = ("trajectory", "line")
UNITS = {
    "reembedding_error": "median distance between neighboring sounds", "join_discontinuity": "median flux of the sources",
    "join_discontinuity_median": "median flux of the sources", "join_discontinuity_changed": "median flux of the sources",
    "reembedding_error_leveled": "median distance between neighboring sounds", "pitch_error": "cents", "loudness_variation": "dB",
}


def _space(cfg, scheme, data, file):
    """Instruments for all methods, and the places of all frames, by the network in a file, trained first where there is none."""
    if not file.is_file():
        learn = data.subset((data.table["random"] == "train").to_numpy())
        save_weights(file, train(cfg, scheme, "ours", learn, judge.Judge(data, cfg, scheme))[0], cfg, "ours", scheme=scheme)
    model = load_weights(file, cfg, "ours")[0]
    frames = embed.embed_frames(model, data, cfg)
    return Instrument(frames, data, cfg, model), Instrument(frames, data, cfg, model, transpose=transposition.USUAL), frames


def _flux(audio, known, sound):
    if sound not in known:
        known[sound] = soundcheck.flux(audio(sound), audio.sr)
    return known[sound]


def original(sound, instrument, path):
    """A sound itself as the sound of its own path: what no choice of others can surpass."""
    first = int(np.searchsorted(instrument.units.sound, sound))
    chosen = first + np.arange(0, len(path), STEP_FRAMES)
    return Sonification(instrument.audio(sound), instrument.audio.sr, path, chosen, "ours")


def wanted(data, frames, points, frame_s, n_paths, seed):
    """Paths to play: (kind, path, sounds that may not be played, note or None), first trajectories, then lines."""
    rng = np.random.default_rng([seed, 14])
    rows = np.flatnonzero((data.table["random"] == "test") & (data.n_frames >= LEAST_FRAMES))
    for sound in rng.choice(rows, min(n_paths, len(rows)), replace=False):
        yield "trajectory", frames[data.where(sound)], [sound], int(data.table["note_number"].iloc[sound])
    for _ in range(n_paths):
        a, b = rng.choice(rows, 2, replace=False)
        yield "line", trajectories.line(points[[a, b]], 1 + round(LINE_S / frame_s)), [], None


def trial(cfg, instrument, wide, frames, known, n_paths, seed):
    """The values of one scheme and seed, `<measure>.<method>` and the same with `.<kind>`; `wide` plays copies as well, behind the sounds.

    `known` keeps the flux of sounds by their rows, which are the same in all schemes.
    """
    data = instrument.units.dataset
    points = embed.sound_points(frames, data)
    unit, rows, met = nearest.neighbor_distance(points), [], {}
    every = list(wanted(data, frames, points, instrument.units.frame_s, n_paths, seed))
    flux = partial(_flux, wide.audio, known)
    for i, (kind, path, banned, note) in enumerate(tqdm(every, unit=" paths")):
        made = {method: instrument.play(path, method, banned, seed=[seed, i]) for method in ("author", "random")}
        made |= {"untransposed": instrument.play(path, banned=banned), "ours": wide.play(path, banned=banned)}
        if banned:
            made["original"] = original(banned[0], instrument, path)
        for method, sound in made.items():
            rows.append({"kind": kind, "method": method} | soundcheck.measure(sound, wide, cfg, unit, note))
            met.setdefault((method, kind), []).append(soundcheck.joins(sound, wide.units, flux))
    table, values = pd.DataFrame(rows), {}
    for method, of_method in table.groupby("method"):
        for part, ending in [(of_method, ""), *((of_method[of_method["kind"] == kind], f".{kind}") for kind in KINDS)]:
            kinds = [kind for kind in KINDS if len(part) and kind in set(part["kind"])]
            if kinds:
                means = part.drop(columns=["kind", "method"]).mean().dropna()
                values |= {f"{measure}.{method}{ending}": float(value) for measure, value in means.items()}
                joined = soundcheck.discontinuity([found for kind in kinds for found in met[method, kind]])
                values |= {f"{measure}.{method}{ending}": value for measure, value in joined.items()}
    return values


def record(seeds=None, full=FULL, work=paths.Run("full"), folder=paths.RECORDED, n_paths=N_PATHS, say=print):
    """Play and measure all paths, and write `results/sonify.json`.

    Parameters
    ----------
    seeds : int, optional
        Three if not given.
    full : Config
    work : paths.Run
        Where features, networks and finished seeds are kept.
    folder : path
        Where the results go.
    n_paths : int
        Of each kind.
    say : callable
        Is told what is going on.

    Returns
    -------
    dict of str to float
        `<scheme>.<measure>.<method>`, for one kind of path alone with `.trajectory` or `.line` behind it, and all of these
        with `.lo` and `.hi`.
    """
    data, series, known = build(full, work)[0], {}, {}
    modules = costs, selection, soundcheck, synthesis, transposition, units
    code = [Path(module.__file__).read_text("utf-8") for module in modules]
    constants = {name: value for module in modules for name, value in vars(module).items() if name.isupper() and np.isscalar(value)}
    space = lru_cache(maxsize=1)(lambda scheme: _space(full, scheme, data, work.weights(scheme, "sonify")))

    def play(scheme, seed):
        say(f"playing {n_paths} trajectories and {n_paths} lines, {scheme}, seed {seed}")
        return trial(full, *space(scheme), known, n_paths, seed)

    depends = full.as_dict(), data.table["sound_id"].tolist(), code, constants, n_paths  # others have other results
    for scheme, seed in product(SCHEMES, range(seeds or 3)):
        file = work.root / "trials" / f"sonify-{digest(depends, scheme, seed)}.json"
        for key, value in results.kept(file, partial(play, scheme, seed)).items():
            series.setdefault(f"{scheme}.{key}", []).append(value)
    return results.save(folder / "sonify.json", results.over_seeds(series), full, UNITS, series=series, machine=results.machine())["values"]


def summary(measure, kind=""):
    """A recorded measure as a table of text: one row a scheme, one column a method, mean (smallest, largest).

    Parameters
    ----------
    measure : str
        Such as "reembedding_error".
    kind : str
        "trajectory" or "line"; both together if not given.
    """
    values, ending = results.recorded("sonify"), f".{kind}" if kind else ""
    methods = [m for m in (*METHODS, "original") if f"{SCHEMES[0]}.{measure}.{m}{ending}" in values]
    rows = {scheme: {method: shown(values, f"{scheme}.{measure}.{method}{ending}", 2) for method in methods} for scheme in SCHEMES}
    return pd.DataFrame(rows).T


def ratio(measure, method="ours"):
    """A recorded measure of one method over that of the author's, mean over the schemes."""
    values = results.recorded("sonify")
    return float(np.mean([values[f"{scheme}.{measure}.{method}"] / values[f"{scheme}.{measure}.author"] for scheme in SCHEMES]))
