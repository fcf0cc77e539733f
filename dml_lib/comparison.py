"""The recorded comparison: every method of `baselines` by one protocol, one budget, three seeds, all splits, human ears.

Conventions: a *trial* is one method, size, label and seed. It is kept as soon as it is done, so the comparison may be killed and
run again. A seed decides the network and its batches, and which sounds of each part are judged. All methods are judged among
the same 2,000 training sounds; those that must be fitted to few sounds are fitted to these. Figures are means over seeds,
with the smallest and largest as `.lo` and `.hi`; native sizes have one seed, no bounds, and no frame level.

Source
------
Our choice. Chapter 04 shows the results.
"""

import time
from functools import partial
from itertools import product

import numpy as np
import pandas as pd
from tqdm import tqdm

from . import baselines, evaluate, experiments, judge, paths, results, splits, timbre
from .baselines import METHODS
from .dataset import build
from .encoder import one_thread
from .sounds import sources
from .store import digest

FULL = experiments.FULL.with_(ours_iterations=400, validations=3, eval_frames=5_000)  # the common budget of all networks
RECORDED = paths.RECORDED / "baselines.json"
SOUNDS = 2_000
SIZES = (250, 500, 1_000, 2_000)  # numbers of sounds at which cost is measured
COSTLY = tuple(name for name, method in METHODS.items() if method.new != "function")
UNITS = {"fit_s": "s", "place_s": "s", "peak_mb": "MB"}


def trials(seeds):
    """All trials, (seed, method, native, label); what learns nothing from labels is judged by both in one."""
    for seed, native, (name, method) in product(range(seeds), (False, True), METHODS.items()):
        if not native or seed == 0:
            yield from ((seed, name, native, label) for label in (evaluate.COLUMNS if method.labels else ("instrument",)))


def _trial(cfg, name, native, label, data, tests, said):
    """Fit one method, and judge it on all splits and, where it learned of instruments or of nothing, by listeners."""
    method, row = METHODS[name], name + "_native" * native
    judged = experiments.judged_sounds(data, SOUNDS, cfg.seed)
    learn = judged if method.few else data
    learn = learn.subset((learn.table["random"] == "train").to_numpy())
    space = baselines.fit(name, learn, label, cfg, native, judge.Judge(data, cfg, label))
    frames, points = space(judged)
    labels = (label,) if method.labels else tuple(evaluate.COLUMNS)
    found = evaluate.report({row: (None if native else frames, points)}, judged, cfg.eval_frames, cfg.seed, labels)
    values = {name: value for name, value in found.items() if not name.endswith(evaluate.ENDS)}  # bounds are those of the seeds
    if said and label == "instrument":
        heard = timbre.evaluate(space(tests)[1], tests.table["test"], said)
        values |= {f"{row}.ears_{metric}": heard[metric] for metric in ("spearman", "triplets")}
    return values


def _costs(cfg, data, sizes):
    """Cost of what has no function for new sounds, `<method>.<n>.<what>`; and of placing one by a network, `ours.place_s`."""
    rows = np.random.default_rng([cfg.seed, 14]).permutation(len(data))[:max(sizes) + 1]
    x, values = np.stack(data.table["spectrum"].iloc[rows]), {}
    for name in COSTLY:
        baselines.cost(name, x[:min(sizes) + 1])  # what compiles or loads at first use is not counted
        for n in sizes:
            values |= {f"{name}.{n}.{what}": value for what, value in baselines.cost(name, x[:n + 1]).items()}
    space, one = baselines.fit("untrained", data, "instrument", cfg), data.subset(np.arange(len(data)) == rows[0])
    taken = []
    with one_thread():
        for _ in range(9):
            began = time.process_time()
            space(one)
            taken.append(time.process_time() - began)
    return values | {"ours.place_s": float(np.median(taken))}


def record(seeds=None, full=FULL, work=paths.Run("full"), folder=paths.RECORDED, sizes=SIZES):
    """Run the comparison, or what is left of it, and write `results/baselines.json`.

    Parameters
    ----------
    seeds : int, optional
        How many; 3 by default.
    full : Config
    work : paths.Run
        Where features and finished trials are kept.
    folder : path
        Where the results go.
    sizes : sequence of int
        Numbers of sounds at which cost is measured.

    Returns
    -------
    dict of str to float
        `<method>.<metric>.<label>.<split>`, `<method>.ears_<metric>`, and the same with `.lo` and `.hi`; `<method>_native...`;
        `<method>.<n>.<what>` of `baselines.cost`.

    Raises
    ------
    sources.SourceMissing
        A sound bank is not here; says how to get it.
    """
    data = baselines.described(build(full, work)[0], full, work)
    ratings, tests, said = sources.folder("timbre_ratings"), None, {}
    if ratings:
        tests, said = timbre.listening_tests(ratings, full, paths.Run("ears", str(work.root / "ears")))
        tests = baselines.described(tests, full, work)
    heard, series = [*filter(sources.folder, full.recordings), *said], {}
    bar = tqdm(list(trials(seeds or 3)), desc="baselines", unit=" trials")
    for seed, name, native, label in bar:
        bar.set_postfix_str(f"{name}{'_native' * native}, {label}, seed {seed}")
        cfg = full.with_(seed=seed)
        path = work.root / "trials" / f"{digest(cfg.as_dict(), heard, name, native, label, SOUNDS)}.json"
        for key, value in results.kept(path, partial(_trial, cfg, name, native, label, data, tests, said)).items():
            series.setdefault(key, []).append(value)
    values = results.over_seeds(series)
    path = work.root / "trials" / f"{digest(full.as_dict(), heard, 'costs', list(sizes))}.json"
    values |= results.kept(path, partial(_costs, full, data, sizes))
    not_run = splits.not_run(data.table) | ({} if said else {"ears": timbre.DEAF})
    return results.save(folder / "baselines.json", values, full, UNITS, series=series, not_run=not_run, machine=results.machine())["values"]


def methods():
    """What is compared, one row a method: its native size, what it learns from and sees, what a new sound takes, source."""
    new = {"function": "a function", "all": "all sounds it was fitted to", "refit": "fitting again"}
    rows = {
        method.title: {
            "native size": method.native, "learns from": "labels" if method.labels else "nothing", "sees": method.sees,
            "a new sound takes": new[method.new], "source": method.source,
        } for method in METHODS.values()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def rows():
    """The recorded values of all methods, costs apart: what stands beside those of a run in its `evaluate.json`."""
    kept = {name + end for name in METHODS for end in ("", "_native")}
    return {
        name: value for name, value in results.recorded("baselines").items()
        if name.split(".")[0] in kept and not name.split(".")[1].isdigit() and name != "ours.place_s"
    }


def recorded(metric="knn", native=False):
    """The recorded comparison as text, one row a method, one column a label and split: mean (smallest, largest of the seeds).

    Native sizes, of one seed, are figures without bounds.
    """
    values, rows = results.recorded("baselines"), {name + "_native" * native: method.title for name, method in METHODS.items()}
    return evaluate.with_intervals(values, rows, metric).rename(index=rows)


def recorded_ears():
    """Agreement with listeners, one row a method: both figures in three dimensions, mean over seeds, and in the native size."""
    values = results.recorded("baselines")
    rows = {
        method.title: {
            (size, metric): values.get(f"{name}{end}.ears_{metric}", np.nan)
            for size, end in (("3-D", ""), ("native size", "_native")) for metric in ("spearman", "triplets")
        } for name, method in METHODS.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def recorded_costs():
    """Cost against number of sounds, one row a method and number: seconds to fit and to place one new sound, peak memory in MB."""
    values = results.recorded("baselines")
    rows = {
        (METHODS[name].title, n): {what: values[f"{name}.{n}.{what}"] for what in UNITS}
        for name, n in product(COSTLY, SIZES)
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename(columns={"fit_s": "fit, s", "place_s": "one more, s", "peak_mb": "memory, MB"})


def facts():
    """Numbers about the recorded comparison that its chapter cites, by name."""
    content, total = results.load(RECORDED), results.published()["paper.sounds.total"]
    values, made, n = content["values"], content["config"], max(SIZES)
    return {
        "compared.seeds": len(content["series"]["ours.knn.instrument.random"]), "compared.iterations": made["ours_iterations"],
        "compared.windows": made["ours_windows"], "compared.sounds": SOUNDS, "compared.place_ms": 1000 * values["ours.place_s"],
        "compared.total": total, "compared.mds_total_gb": values[f"mds.{n}.peak_mb"] * (total / n) ** 2 / 1000,  # all pairs
    }
