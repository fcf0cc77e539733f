"""Results of chapters and commands: JSON that says what made it, and numbers bound to the prose."""

import importlib.metadata
import json
import os
import platform
from pathlib import Path

import pandas as pd
import pooch
import torch

from . import paths, portable
from .config import SCHEMES
from .paths import ResultMissing

CHAPTER_OF = {path.stem.partition("_")[2]: path.stem for path in paths.CHAPTERS.glob("*.ipynb")}
PACKAGES = ("numpy", "scipy", "torch", "librosa", "pandas", "tinysoundfont")


def machine(device="cpu"):
    """What computes here: said in results that were measured once."""
    here = {"system": platform.system(), "processor": platform.machine(), "cores": os.cpu_count(), "arithmetic": portable.arithmetic()}
    kind = torch.device(device).type
    return here if kind == "cpu" else here | {"device": torch.cuda.get_device_name(device) if kind == "cuda" else str(device)}


def save(path, values, cfg, units=None, inputs=(), series=None, not_run=None, **more):
    """Write one results file, whole or not at all.

    Parameters
    ----------
    path : path
    values : dict of str to number
    cfg : Config
    units : dict of str to str, optional
        Unit of a value, by any part of its name; shares of one where nothing is said.
    inputs : sequence of paths
        Files the values depend on; their sha256 are written, by the names of the files, with their folders where two have one name.
    series : dict of str to list, optional
    not_run : dict of str to str, optional
        What was not run, and why.
    **more
        What else to say, anything JSON can write.
    """
    names = [Path(p).name for p in inputs]
    content = {
        "values": {name: float(value) for name, value in values.items()},
        "units": units or {},
        "series": series or {},
        "not_run": not_run or {},
        "config": cfg.as_dict(),
        "seed": cfg.seed,
        "inputs": {
            name if names.count(name) == 1 else f"{Path(p).parent.name}/{name}": pooch.file_hash(str(p)) for name, p in zip(names, inputs)
        },
        "versions": {"python": platform.python_version()} | {p: importlib.metadata.version(p) for p in PACKAGES},
    } | more
    paths.replace_file(path, lambda part: part.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n"))
    return content


def load(path):
    """Read a results file.

    Raises
    ------
    ResultMissing
        No such file; names the chapter to run first.
    Damaged
        The file is not whole; says what to run again.
    """
    path = Path(path)
    name, _, scheme = (path.stem, "", "") if path.stem in CHAPTER_OF else path.stem.partition("_")
    todo = f"run chapter {CHAPTER_OF.get(name, path.stem)}" + (f" with scheme {scheme!r}" if scheme else "")
    ways = {  # of what is in the repository
        paths.RECORDED: f"report --full --only {path.stem}", paths.WEIGHTS: f"train {path.stem}",
        paths.RECORDED / "paper": "paper-run --recipe {} --scheme {}".format(*path.stem.partition(".")[::2]),
    }
    if path.parent in ways:
        todo = f"get it from the repository, or run `python -m dml_lib {ways[path.parent]}`"
    if not path.is_file():
        raise ResultMissing(f"no result at {path}: {todo} first")
    return paths.whole(_read, path, "a whole results file", f"delete it and {todo} again")


def _read(path):
    content = json.loads(path.read_text())
    if not isinstance(content["values"], dict):
        raise KeyError("values")
    return content


def kept(path, make):
    """The values in a JSON file, made first where there is none: what many of them make may be killed and run again.

    Parameters
    ----------
    path : path
    make : callable
        Without arguments; gives anything JSON can write.
    """
    path = Path(path)
    if not path.is_file():
        values = make()
        paths.replace_file(path, lambda part: part.write_text(json.dumps(values)))
    return paths.whole(lambda file: json.loads(file.read_text()), path, "a whole trial", "delete it and run the same command again")


def over_seeds(series):
    """Values of each seed, by name, as one value each: the mean, and with more than one seed the smallest and largest, `.lo` and `.hi`."""
    values = {}
    for name, each in series.items():
        values[name] = sum(each) / len(each)
        values |= {f"{name}.lo": min(each), f"{name}.hi": max(each)} if len(each) > 1 else {}
    return values


def glue(values):
    """Bind numbers and words to names that the prose of a chapter can cite by `{glue:text}`.

    Parameters
    ----------
    values : dict of str to number or str
    """
    from myst_nb import glue as bind  # only chapters need it

    for name, value in values.items():
        bind(name, value if isinstance(value, (str, int)) else float(value), display=False)


def recorded(name):
    """Values of a recorded experiment, by name."""
    return load(paths.RECORDED / f"{name}.json")["values"]


def published():
    """Figures published by others, by name; other data than ours, so never in one column with ours."""
    return load(paths.PUBLISHED)["values"]


def author_table():
    """The author's test accuracies on frames, one row a scheme and one column a label: other data than ours."""
    values = published()
    rows = {s: {label: values[f"author.{s}.knn.{label}.test"] for label in ("instrument", "pitch")} for s in SCHEMES}
    return pd.DataFrame(rows).T


def paper_neighborhoods():
    """How many files of the paper's library each neighborhood had, one row a scheme, `mean` and `sd`: not our data."""
    values = published()
    return pd.DataFrame({s: {part: values[f"paper.neighborhood_files.{s}.{part}"] for part in ("mean", "sd")} for s in SCHEMES}).T


def thesis_table():
    """Instrument accuracies in three dimensions of the thesis, one row a method and one column a number of classes: not our data."""
    values = published()
    rows = {method: {n: values[f"thesis.{method}.accuracy.{n}_classes"] for n in (5, 8, 12, 24)} for method in ("nlse", "pca_lda")}
    return pd.DataFrame(rows).T
