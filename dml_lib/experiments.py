"""Recorded experiments: one change at a time, several seeds, all splits, each by one command.

Conventions: a *trial* trains one network and judges it on the splits that it was trained for. A network of `random`
serves `real` and the sound bank of an unheard family too. In a *rotation* a network is trained without each family in
turn, and all families are reported, then their mean, `held_out`; and one without recordings, `real`. One more family is
kept for validation there, and so neither teaches nor tests. A network is kept as soon as it is trained and a trial as soon
as it is judged, so an experiment may be killed and run again. Seeds change the network, its batches, and which test sounds
are asked, never the sounds or the random split. Results are the mean over seeds, with the smallest and largest as `.lo` and
`.hi`.

Source
------
Our choice. Chapters 01 and 03 show the results.
"""

from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import numpy as np
import pandas as pd
import torch

from . import duplicates, embed, evaluate, judge, paths, portable, results, splits, tensors, train
from .config import SCHEMES, Config, check_name
from .dataset import build
from .sounds import sources
from .store import digest
from .weights import load_weights, save_weights

FULL = Config.preset("paper", sounds_per_instrument=500, recordings_each=1_500, eval_frames=20_000, threads=1)
JUDGED = {"valid": 400, "test": 600}  # sounds of each part: embedding all of them takes longer than training
EVERY = {"sources": (*FULL.sources, "generaluser_147", "sonivox"), "sounds_per_instrument": 750}  # all banks at hand
MORE = {"sources": (*FULL.sources, "sonivox"), "sounds_per_instrument": 625}  # as many notes a bank as `FULL` and one family more
LEFT_OUT = ("timgm", "fluid", "generaluser", "philharmonia")  # in turn; sonivox validates


@dataclass(frozen=True)
class Experiment:
    """What is compared: variants by name, each a recipe and changes of `FULL`; on which schemes; with the rotation or not.

    `neighbors` is the number of training sounds among which neighbors are looked for: fewer for what is compared only
    with its like.
    """

    variants: dict
    schemes: tuple = SCHEMES
    rotate: bool = False
    seeds: int = 3
    neighbors: int = 2_400


SHORT = {"ours_iterations": 400}
AS_PAPER = {"ours_group": 4, "unit_gain": False, "ours_pool": 1, "ours_deep": False}


EXPERIMENTS = {
    "level": Experiment({
        "as_is": ("ours", SHORT | {"level": 0.0}), "leveled": ("ours", SHORT), "louder": ("ours", SHORT | {"level": 10.0}),
    }, ("instrument", "pitch")),
    "ladder": Experiment({
        "paper": ("paper", {"paper_iterations": 400}),
        "all_pairs": ("ours", SHORT | AS_PAPER | {"ours_loss": "pairs"}),
        "neighbors": ("ours", SHORT | AS_PAPER),
        "unit_gain": ("ours", SHORT | AS_PAPER | {"unit_gain": True}),
        "groups_of_two": ("ours", SHORT | {"ours_pool": 1, "ours_deep": False}),
        "pooling": ("ours", SHORT | {"ours_deep": False}),
        "deep": ("ours", SHORT),
    }, ("instrument",)),
    "rivals": Experiment({"by_chance": ("ours", SHORT | {"ours_rivals": 0}), "rivals": ("ours", SHORT)}, ("instrument_pitch",)),
    "paper_options": Experiment({
        name: ("paper", {"paper_iterations": 200} | change) for name, change in {
            "as_it_was": {}, "noise": {"noise_mean": 0.1, "noise_sd": 0.01}, "no_penalty": {"penalize_origin": False},
            "other_files": {"same_file_positives": False}, "overlapping": {"disjoint_negatives": False},
            "repeated_edges": {"zero_padding": False},
        }.items()
    }, ("instrument_pitch_2",)),
    "schemes": Experiment({"ours": ("ours", {"ours_iterations": 7_000, "ours_learning_rate": 5e-4})}, neighbors=100_000),
    "rotation": Experiment({"ours": ("ours", EVERY | {"ours_iterations": 1_500})}, ("instrument", "pitch"), rotate=True),
    "specimens": Experiment({
        "two_families": ("ours", {"ours_iterations": 1_500}),
        "three_families": ("ours", MORE | {"ours_iterations": 1_500}),
        "and_recordings": ("ours", MORE | {"sources": (*MORE["sources"], "philharmonia"), "ours_iterations": 1_500}),
    }, ("instrument",)),
    "dimensions": Experiment({str(n): ("ours", {"n_dims": n}) for n in (2, 3, 8, 32)}, ("instrument",)),
    "speed": Experiment({"paper": ("paper", {"paper_iterations": 5_000}), "ours": ("ours", {"ours_iterations": 250})}, seeds=1),
}


def judged_sounds(data, neighbors, seed):
    """The sounds that a network is judged on: at most `neighbors` and `JUDGED` of each part of each split, by chance."""
    rng, chosen = np.random.default_rng([seed, 9]), np.zeros(len(data), bool)
    for split, (part, most) in product(data.splits, ({"train": neighbors} | JUDGED).items()):
        rows = np.flatnonzero(data.table[split] == part)
        if part == "test" or not chosen[rows].any():  # what is trained on is the same in all splits of one network
            chosen[rng.choice(rows, min(most, len(rows)), replace=False)] = True
    return data.subset(chosen)


def figures(model, data, cfg, neighbors, intervals=False):
    """The report card of a network on its `judged_sounds`: `<metric>.<label>.<split>`, with `.frame` or `.audible` behind it at frame level.

    Without intervals if not asked for, as those that are recorded are of the seeds; and nothing is recorded across families yet.
    """
    data = judged_sounds(data, neighbors, cfg.seed)
    frames = embed.embed_frames(model, data, cfg)
    found = evaluate.report({"": (frames, embed.sound_points(frames, data))}, data, cfg.eval_frames, cfg.seed)
    return {name[1:]: value for name, value in found.items() if (intervals or not name.endswith(evaluate.ENDS)) and "across" not in name}


def _learned(cfg, scheme, recipe, data, split, file, announce, device):
    """The network of a trial, from its file where it was trained before, and what its training took: (model, dict).

    `announce` is called where it was not.
    """
    if not file.is_file() or "took" not in tensors.read(file, "weights", "delete it")[1]:
        announce()
        learn, ask = data.subset((data.table[split] == "train").to_numpy()), judge.Judge(data, cfg, scheme, split)
        model, history = train.train(cfg, scheme, recipe, learn, ask, checkpoint=file.with_suffix(".checkpoint"), device=device)
        took = {name: getattr(history, name) for name in ("seconds", "cpu_seconds", "waiting", "trained_on")}
        save_weights(file, model, cfg, recipe, scheme=scheme, took=took | {"val_knn": history.val_knn_by_iteration[-1][1]})
    model, card = load_weights(file, cfg, recipe)
    return model, card["took"]


def trial(cfg, scheme, recipe, neighbors, without, work, sounds, say, device="cpu"):
    """The values of one trial, the file that keeps them, and what trained it: iterations by machine, as far as that was kept.

    The file has the weights beside it and is named by all that the trial depends on but the machine. `without` is the family
    left out, or ""; `sounds` gives the dataset of a `Config`; on `device` the network learns, and on the processor it is judged.
    """
    torch.set_num_threads(cfg.threads)  # judged as well as trained so: sums in another order differ
    heard = [name for name in cfg.recordings if sources.folder(name)]
    file = work.root / "trials" / f"{digest(cfg.as_dict(), heard, scheme, recipe, neighbors, without, *portable.mark())}.json"
    announce = partial(say, f"training {scheme}, {recipe}, seed {cfg.seed}" + (f", without {without}" if without else ""))

    def make():
        data, split = sounds(cfg), ("held_out" if without in splits.BANKS else "real") if without else "random"
        if without:
            table = data.table.drop(columns=data.splits)
            data = replace(data, table=table.assign(**{split: splits.family_split(table, without, cfg.seed)}))
        model, took = _learned(cfg, scheme, recipe, data, split, file.with_suffix(".safetensors"), announce, device)
        return took | figures(model, data, cfg, neighbors)

    values = results.kept(file, make)
    return values, file, values.pop("trained_on", {})


def _rotation(values):
    """Values of a rotation, from a function that gives those of a family: of each bank, `without_<family>`, their mean, `held_out`,
    and those of recordings, `real`."""
    found = {family: values(family) for family in LEFT_OUT}
    banks = [found[family] for family in LEFT_OUT if family in splits.BANKS]
    means = {key: float(np.mean([each[key] for each in banks])) for key in banks[0] if all(key in each for each in banks)}
    each = {
        key.replace("held_out", f"without_{family}"): value for family, those in found.items() for key, value in those.items()
        if family in splits.BANKS and "held_out" in key
    }
    return each | means | {key: value for those in found.values() for key, value in those.items() if "real" in key}


def sounds_of(full, work):
    """A function that gives the dataset of a `Config` that differs from `full` in few things, and builds it once."""
    built = {}

    def sounds(cfg):
        of = cfg.level, cfg.sources
        if of not in built:
            built.clear()
            built[of] = build(cfg.with_(seed=full.seed), work)[0]
        return built[of]

    return sounds


def run(name, seeds=None, full=FULL, work=paths.Run("full"), folder=paths.RECORDED, say=print):
    """Run an experiment, or what is left of it, and write `results/<name>.json`.

    Parameters
    ----------
    name : str
        One of `EXPERIMENTS`.
    seeds : int, optional
        How many; by default those of the experiment.
    full : Config
        What the variants change.
    work : paths.Run
        Where features and finished trials are kept.
    folder : path
        Where the results go.
    say : callable
        Is told what is going on.

    Returns
    -------
    dict of str to float
        `<variant>.<scheme>.<metric>.<label>.<split>`, and the same with `.lo` and `.hi`.

    Raises
    ------
    ValueError
        Unknown experiment.
    sources.SourceMissing
        A sound bank is not here; says how to get it.
    """
    experiment = EXPERIMENTS[check_name("experiment", name, EXPERIMENTS)]
    return record(experiment, folder / f"{name}.json", seeds or experiment.seeds, full, work, sounds_of(full, work), say)


def record(experiment, path, seeds, full, work, sounds, say, device="cpu", **more):
    """What `run` does, for any `Experiment`; `sounds` and `device` as in `trial`, and `more` is said in the file."""
    series, trained_on = {}, []
    for (variant, (recipe, changes)), scheme in product(experiment.variants.items(), experiment.schemes):
        found = []
        for seed in range(seeds):
            cfg = full.with_(seed=seed, **changes)

            def judged(without):
                those, _, machines = trial(cfg, scheme, recipe, experiment.neighbors, without, work, sounds, say, device)
                trained_on.append(machines)
                return those

            found.append(_rotation(judged) if experiment.rotate else judged(""))
        series |= {f"{variant}.{scheme}.{key}": [each[key] for each in found] for key in found[0]}
    values = results.over_seeds(series)
    not_run = splits.not_run({part for key in values for part in key.split(".")})
    variants = {name: {"recipe": recipe} | changes for name, (recipe, changes) in experiment.variants.items()}  # of the config
    more |= {"series": series, "variants": variants, "not_run": not_run, "machine": results.machine(), "trained_on": trained_on}
    return results.save(path, values, full, {"seconds": "s", "cpu_seconds": "s"}, **more)["values"]


def record_leaks(full=FULL, work=paths.Run("full"), folder=paths.RECORDED):
    """Compare all sound banks and recordings with one another, and write `results/leaks.json`: `<a>.<b>.<figure>`."""
    table = duplicates.leaks(build(full, work)[0])
    figures = table.columns.drop(["library_a", "family_a", "library_b", "family_b"])
    values = {f"{row.library_a}.{row.library_b}.{figure}": row[figure] for _, row in table.iterrows() for figure in figures}
    return results.save(folder / "leaks.json", values, full, machine=results.machine())["values"]


def recorded_leaks():
    """The recorded leak table: one row two libraries, most alike first."""
    values = pd.Series(results.recorded("leaks"))
    values.index = pd.MultiIndex.from_tuples([name.split(".") for name in values.index])
    return values.unstack().sort_values("mean", ascending=False).convert_dtypes()


def recorded(name, scheme=None, level=""):
    """kNN accuracies of a recorded experiment as a table of text: one row a variant, one column a label and split, mean (smallest, largest).

    Parameters
    ----------
    name : str
        Of the experiment.
    scheme : str, optional
        Without it a row is a scheme, for an experiment of one variant.
    level : str
        "", ".frame" or ".audible".
    """
    experiment = EXPERIMENTS[check_name("experiment", name, EXPERIMENTS)]
    check_name("scheme", scheme or experiment.schemes[0], experiment.schemes)
    check_name("level", level, ("", ".frame", ".audible"))
    rows = {f"{v}.{s}": v if scheme else s for v, s in product(experiment.variants, [scheme] if scheme else experiment.schemes)}
    return evaluate.with_intervals(results.recorded(name), rows, suffix=level).rename(index=rows)


def recorded_rotation():
    """Accuracy of audible frames on each family left out, one row a family and one column a scheme, for the label that the scheme looks at."""
    values = results.recorded("rotation")
    rows = {family: f"without_{family}" if family in splits.BANKS else "real" for family in LEFT_OUT}
    columns = {s: {family: values[f"ours.{s}.knn.{s}.{name}.audible"] for family, name in rows.items()} for s in EXPERIMENTS["rotation"].schemes}
    return pd.DataFrame(columns)


def recorded_speed():
    """Time to quality, one row a scheme: validation accuracy and seconds of a core of both recipes, ratios of windows and seconds."""
    values, rows = results.recorded("speed"), {}
    recipes = {variant: FULL.with_(**changes) for variant, (_, changes) in EXPERIMENTS["speed"].variants.items()}
    windows = {"paper": 3 * FULL.batch_triplets * recipes["paper"].paper_iterations, "ours": FULL.ours_windows * recipes["ours"].ours_iterations}
    for scheme in SCHEMES:
        accuracy, seconds = ({recipe: values[f"{recipe}.{scheme}.{what}"] for recipe in recipes} for what in ("val_knn", "cpu_seconds"))
        rows[scheme] = {
            "kNN, paper": accuracy["paper"], "kNN, ours": accuracy["ours"], "windows, ratio": windows["paper"] / windows["ours"],
            "s, paper": seconds["paper"], "s, ours": seconds["ours"], "s, ratio": seconds["paper"] / seconds["ours"],
        }
    return pd.DataFrame.from_dict(rows, orient="index")
