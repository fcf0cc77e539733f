"""The method at the size that the paper used: 120,000 sounds, both recipes, four schemes, by one command.

Conventions: each recipe and scheme is a result of its own, written as soon as it is done, and each training goes on from
its checkpoint: the command may be killed and run again for days. A training uses one core; several commands, each with a
`--recipe` and `--scheme` of its own, use several. A result that is not there was not run.

Source
------
Paper, section 3: number of sounds, split, iterations. `python -m dml_lib paper-run`.
"""

from itertools import product

import pandas as pd

from . import evaluate, experiments, paths, results
from .config import RECIPES, SCHEMES, Config
from .experiments import EXPERIMENTS, Experiment
from .model import usable
from .sounds import sources

PAPER = Config.preset("paper", threads=1)
CHANGES = {"paper": {}, "ours": EXPERIMENTS["schemes"].variants["ours"][1] | {"ours_iterations": 14_000}}  # for ten times its sounds
NEIGHBORS = EXPERIMENTS["schemes"].neighbors

FOLDER = paths.RECORDED / "paper"
LEVELS = {"a sound": "", "a frame": ".frame", "an audible frame": ".audible"}


def run(
    seeds=1, recipes=RECIPES, schemes=SCHEMES, full=PAPER, work=paths.Run("paper"), folder=FOLDER, say=print, changes=CHANGES, device="cpu",
):
    """Run what is left, our recipe first because it takes hours and not days, and write `<recipe>.<scheme>.json`.

    Parameters
    ----------
    seeds : int
    recipes, schemes : sequence of str
    full : Config
    work : paths.Run
        Where features, checkpoints and finished trials are kept.
    folder : path
        Where the results go.
    say : callable
        Is told what is going on.
    changes : dict of str to dict
        What each recipe changes of `full`.
    device : str
        Where the networks learn, such as "cuda"; what was done on another stays.

    Raises
    ------
    sources.SourceMissing
        A sound bank is not here; says how to get it.
    ValueError
        This machine has no such device.
    """
    usable(device)
    sounds = experiments.sounds_of(full, work)
    for recipe, scheme in product([name for name in reversed(RECIPES) if name in recipes], schemes):
        path, inputs = folder / f"{recipe}.{scheme}.json", [sources.soundfont_file(name) for name in full.sources]
        one = Experiment({recipe: (recipe, {})}, (scheme,), neighbors=NEIGHBORS)
        cfg = full.with_(**changes[recipe])
        experiments.record(one, path, seeds, cfg, work, sounds, say, device, inputs=inputs)
        say(f"written: {path}")


def values(folder=FOLDER):
    """All values of what was run, `<recipe>.<scheme>.<metric>.<label>.<split>`: dict of str to float."""
    found = [results.load(path)["values"] for path in sorted(folder.glob("*.json"))]
    return {name: value for each in found for name, value in each.items()}


def recorded(folder=FOLDER):
    """The paper's table: accuracy of both recipes in all schemes, and the author's, in columns of his own.

    Returns
    -------
    pandas.DataFrame of str
        One row a level, recipe and scheme, one column a label and split; the author's are of frames, of other sounds.
    """
    found, author = values(folder), results.author_table()
    rows = pd.MultiIndex.from_product((RECIPES, SCHEMES), names=("recipe", "scheme"))
    table = pd.concat({
        level: evaluate.with_intervals(found, [".".join(row) for row in rows], "knn", suffix).set_axis(rows) for level, suffix in LEVELS.items()
    })
    for label in author:
        table[label, "author"] = [f"{author.loc[scheme, label]:.3f}" if level == "a frame" else "" for level, _, scheme in table.index]
    return table
