"""The report card of a space: classification by nearest neighbors and ranked retrieval, at all levels, on all splits.

Source
------
Paper, section 3 (both methods are named there, no number is printed).
"""

import itertools

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix

from .config import check_name
from .nearest import knn_accuracy
from .retrieval import across, ndcg, retrieval
from .splits import FRACTIONS, SPLITS

COLUMNS = {"instrument": "instrument", "pitch": "note_number"}  # label: column of the table of sounds
ENDS = (".lo", ".hi")  # of an interval, behind the name of a figure


def labeled_sounds(dataset, label, split="random"):
    """Which sounds of each part of a split carry a label that occurs in training.

    Parameters
    ----------
    dataset : Dataset
    label : str
        `instrument` or `pitch`.
    split : str
        Column of the table that says train, valid or test.

    Returns
    -------
    rows : list of np.ndarray
        Sound numbers of training, validation and test.
    y : np.ndarray, (n_sounds,), int64
        Label codes, -1 without a label.
    names : np.ndarray
        Name of each code.

    Raises
    ------
    ValueError
        No such label or column.
    """
    column = dataset.table[COLUMNS[check_name("label", label, COLUMNS)]]
    if split not in dataset.table:
        found = [name for name in dataset.table if dataset.table[name].isin(FRACTIONS).any()]
        raise ValueError(f"expected a column {split!r} that says {', '.join(FRACTIONS)} of each sound, found {', '.join(found) or 'none'}")
    part = dataset.table[split].to_numpy()
    names = np.sort(column[part == "train"].dropna().unique())
    y = column.map({name: code for code, name in enumerate(names)}).fillna(-1).to_numpy(np.int64)
    return [np.flatnonzero((part == name) & (y >= 0)) for name in FRACTIONS], y, names


def frame_sample(dataset, sounds, max_frames, seed, heard=True):
    """At most `max_frames` frames of some sounds, by chance, of those where `heard` (n_frames_total, bool) holds.

    Returns
    -------
    np.ndarray, (n,), int64
        Rows of `dataset.frames`, sorted.
    """
    rows = np.flatnonzero(np.isin(dataset.sound_of_frame(), sounds) & heard)
    return np.sort(np.random.default_rng([seed, 5]).choice(rows, min(max_frames, len(rows)), replace=False))


def interval(scores, groups, seed=0, resamples=1_000):
    """Bounds that hold the mean of some scores with 95 %, where scores of one group stand or fall together.

    Parameters
    ----------
    scores : np.ndarray, (n,)
    groups : np.ndarray, (n,), int
        Whole groups are drawn again: the frames of a sound are no independent witnesses.
    seed, resamples : int

    Returns
    -------
    tuple of float
        Lowest, highest.

    Source
    ------
    Percentile bootstrap over clusters (Davison and Hinkley 1997, chapter 3). Where all scores are 1, or all 0, no drawing
    differs from another; there Wilson's interval (1927) of as many trials as there are groups.
    """
    _, group = np.unique(groups, return_inverse=True)
    if np.all(scores == scores[0]) and scores[0] in (0, 1):
        n = int(group.max()) + 1
        return tuple(map(float, binomtest(n * int(scores[0]), n).proportion_ci(method="wilson")))
    sums, counts = np.bincount(group, weights=scores), np.bincount(group)
    rng, means, share = np.random.default_rng([seed, 12]), [], np.full(len(sums), 1 / len(sums))
    for _ in range(resamples):
        times = rng.multinomial(len(sums), share)
        means.append(times @ sums / (times @ counts))
    return tuple(np.percentile(means, (2.5, 97.5)).tolist())


def evaluate(frames, points, dataset, label, split="random", max_frames=20_000, seed=0):
    """The report card of one space for one label, at sound level and at frame level.

    Parameters
    ----------
    frames : np.ndarray, (n_frames_total, n_dims), or None
        One point a frame; without them there are no figures at frame level.
    points : np.ndarray, (n_sounds, n_dims)
        One point a sound.
    dataset : Dataset
    label : str
        `instrument` or `pitch`.
    split : str
        As in `labeled_sounds`.
    max_frames : int
        Frames drawn from the validation and from the test sounds; neighbors are all frames of the training sounds.
    seed : int

    Returns
    -------
    dict of str to float
        `knn` and `k`, and the same with `.frame` (all frames, silent ones too, as in the author's code) and `.audible`
        (without the silent ones); `chance` (always the largest class), `p_at_5`, `r_precision`, `map_at_r`, for pitch
        also `ndcg`; `p_at_5_across` among training sounds of other source families, where there are some. Bounds of 95 % intervals over test sounds have `.lo` and `.hi` behind them.
    """
    rows, y, names = labeled_sounds(dataset, label, split)
    if missing := [name for name, r in zip(FRACTIONS, rows) if not len(r)]:
        raise ValueError(f"expected sounds with {label} in each of {', '.join(FRACTIONS)} of {split}, found none in {', '.join(missing)}: mend the split")
    at_sound = [(points[r], y[r]) for r in rows]
    levels, of, sound = {"": at_sound}, {"": rows[2]}, dataset.sound_of_frame()
    for level, heard in ((".frame", True), (".audible", dataset.audible())) if frames is not None else ():
        drawn = [frame_sample(dataset, r, most, seed, heard) for r, most in zip(rows, (len(sound), max_frames, max_frames))]
        levels[level] = [(frames[r], y[sound[r]]) for r in drawn]
        of[level] = sound[drawn[2]]
    values, scores = {}, {}
    for level, parts in levels.items():
        values["knn" + level], values["k" + level], predicted = knn_accuracy(*parts)
        scores["knn" + level] = predicted == parts[2][1], of[level]
    values["chance"] = float((at_sound[2][1] == np.bincount(at_sound[0][1]).argmax()).mean())
    z, codes = at_sound[2]
    if np.bincount(codes).max() > 1:
        scores |= {name: (each, np.arange(len(each))) for name, each in retrieval(z, codes).items()}
    if "source_family" in dataset.table:
        family = pd.factorize(dataset.table["source_family"])[0]
        precision, asked = across(*((points[r], y[r], family[r]) for r in (rows[0], rows[2])))
        scores |= {"p_at_5_across": (precision, asked)} if len(asked) else {}
    if label == "pitch":
        scores["ndcg"] = ndcg(z, names[codes]), rows[2]
    for name, (each, groups) in scores.items():
        values[name] = float(np.mean(each))
        values[f"{name}.lo"], values[f"{name}.hi"] = interval(each, groups, seed)
    return values


def report(embeddings, dataset, max_frames=20_000, seed=0, labels=tuple(COLUMNS)):
    """Evaluate several spaces, by every split that the dataset has.

    Parameters
    ----------
    embeddings : dict of str to (frames, points)
        Space name: what `embed` gives.
    dataset, max_frames, seed
        As in `evaluate`.
    labels : sequence of str

    Returns
    -------
    dict of str to float
        `<space>.<metric>.<label>.<split>`, nothing where no test sound has a label that training knows, with `.frame` or `.audible` behind it at frame level, then `.lo` or `.hi`.
    """
    values = {}
    for (name, (frames, points)), label, split in itertools.product(embeddings.items(), labels, dataset.splits):
        if not len(labeled_sounds(dataset, label, split)[0][2]):
            continue  # tests nothing that training knows
        for metric, value in evaluate(frames, points, dataset, label, split, max_frames, seed).items():
            metric, _, level = metric.partition(".")
            values[f"{name}.{metric}.{label}.{split}" + (f".{level}" if level else "")] = value
    return values


def shown(values, name, digits=3):
    """One figure as text, with its interval where it has one; "not run" where there is no figure."""
    x, low, high = (values.get(name + end, np.nan) for end in ("", *ENDS))
    return "not run" if np.isnan(x) else f"{x:.{digits}f}" + ("" if np.isnan(low) else f" ({low:.{digits}f}, {high:.{digits}f})")


def summary(values, spaces, metric="knn", suffix="", labels=tuple(COLUMNS), cell=lambda values, name: values.get(name, np.nan)):
    """One row a space, one column a label and split; NaN where a split was not run. See `with_intervals`.

    Parameters
    ----------
    values : dict of str to float
        From `report` or a results file.
    spaces : sequence of str
    metric : str
    suffix : str
        "", ".frame" or ".audible".
    labels : sequence of str
    cell : callable
        What stands in a cell, from the values and the name of one.
    """
    columns = [(label, split) for label in labels for split in SPLITS]
    rows = [[cell(values, f"{space}.{metric}.{label}.{split}{suffix}") for label, split in columns] for space in spaces]
    return pd.DataFrame(rows, index=list(spaces), columns=pd.MultiIndex.from_tuples(columns))


def with_intervals(values, spaces, metric="knn", suffix="", labels=tuple(COLUMNS)):
    """`summary` as text; see `shown`."""
    return summary(values, spaces, metric, suffix, labels, shown)


def hidden(values, spaces):
    """What random splits hide: one row a label and space, one column a split, and how much higher `random` is than the others.

    Parameters
    ----------
    values, spaces
        As in `summary`.

    Returns
    -------
    pandas.DataFrame
        Columns `random`, `held_out`, `real`, `random - held_out`, `random - real`; NaN where a split was not run.
    """
    table = summary(values, spaces)
    table = pd.concat({label: table[label] for label in COLUMNS})
    return table.assign(**{f"random - {split}": table["random"] - table[split] for split in SPLITS[1:]})


def per_class(y, predicted, names):
    """Precision and recall of each class, one row a class; NaN where nothing was called so, or nothing was so.

    Returns
    -------
    pandas.DataFrame
        `precision`, `recall`, the bounds `lo` and `hi` of a 95 % interval of the recall, and `sounds`, how many there were.

    Source
    ------
    Wilson's interval (1927): unlike one from redrawing the sounds it has a width where all of a few sounds were right.
    """
    hits = np.bincount(y[predicted == y], minlength=len(names))
    called, true = np.bincount(predicted, minlength=len(names)), np.bincount(y, minlength=len(names))
    bounds = [binomtest(int(h), int(n)).proportion_ci(method="wilson") if n else (np.nan, np.nan) for h, n in zip(hits, true)]
    with np.errstate(invalid="ignore"):
        table = pd.DataFrame({"precision": hits / called, "recall": hits / true}, index=names)
    return table.assign(lo=[low for low, _ in bounds], hi=[high for _, high in bounds], sounds=true)


def confusion_of(points, dataset, label, split="random"):
    """Of the test sounds, with the k chosen on validation: confusion matrix, names, and the table of `per_class`.

    The matrix has the share of each true class (rows) given each label (columns): recall, where the author's bar charts show precision.
    """
    rows, y, names = labeled_sounds(dataset, label, split)
    _, _, predicted = knn_accuracy(*((points[r], y[r]) for r in rows))
    shares = confusion_matrix(y[rows[2]], predicted, labels=np.arange(len(names)), normalize="true")
    return shares, names.astype(str), per_class(y[rows[2]], predicted, names.astype(str))


def per_class_by_split(points, dataset, label):
    """The table of `per_class` for every split that the dataset has, by split."""
    return {split: confusion_of(points, dataset, label, split)[2] for split in dataset.splits}
