"""The report card of a run outside the book: as text, as a tidy table and as LaTeX.

Conventions: everything is made from `evaluate.json`, the results of chapter 04, and so agrees with it.

Source
------
Our choice.
"""

import pandas as pd

from .analogies import AUTHOR, KINDS, RIVALS
from .config import SCHEMES
from .evaluate import COLUMNS, with_intervals
from .splits import SPLITS

ENDINGS = {"end": ("lo", "hi"), "level": ("frame", "audible"), "split": SPLITS}  # of a name, from its end
KEYS = ["space", "metric", "label", "split", "level"]
LEVELS = {"": "sounds", ".frame": "all frames", ".audible": "audible frames"}
BY_SPLIT = [  # title, metric, level, labels
    *((f"kNN accuracy, {level}", "knn", suffix, COLUMNS) for suffix, level in LEVELS.items()),
    ("always the largest class", "chance", "", COLUMNS),
    *((f"retrieval, {name}", name, "", COLUMNS) for name in ("p_at_5", "p_at_5_across", "r_precision", "map_at_r")),
    ("retrieval, ndcg", "ndcg", "", ("pitch",)),
    *((f"analogies, mrr{rival}", f"analogy_mrr{rival}", "", KINDS) for rival in ("", *RIVALS)),
    ("analogies of the author, share of the answer that is counted", "analogy_votes", "", AUTHOR),
]
PLAIN = {
    "what a space keeps": ("trustworthiness", "continuity", "preservation", "pitch_order"), "correlation of the best direction": ("direction",),
    "human ears": ("ears_spearman", "ears_triplets", "ears_trajectory_spearman", "ears_trajectory_triplets"),
}


def _key(name):
    """(space, metric, label, split, level) of a value, and which end of an interval it is; "" for what its name does not say."""
    parts, said = name.split("."), {}
    for key, known in ENDINGS.items():
        said[key] = parts.pop() if parts and parts[-1] in known else ""
    n = 2 if parts[:1] in (["paper"], ["ships"]) else 1  # parts of the name of a space
    if not 1 <= len(parts[n:]) <= 2:
        raise ValueError(f"expected a name <space>.<metric> with at most a label, a split and a level behind it, found {name!r}")
    metric, label = (*parts[n:], "")[:2]
    return (".".join(parts[:n]), metric, label, said["split"], said["level"]), said["end"] or "value"


def tidy(values):
    """One row an estimate.

    Parameters
    ----------
    values : dict of str to float
        From `evaluate.json`.

    Returns
    -------
    pandas.DataFrame
        `space, metric, label, split, level, value, lo, hi`: "" for a label or split that the name does not say, and for
        the level of sounds; NaN without bounds.

    Raises
    ------
    ValueError
        A name that cannot be read.
    """
    rows = {}
    for name, value in values.items():
        key, end = _key(name)
        rows.setdefault(key, {})[end] = value
    return pd.DataFrame(list(rows), columns=KEYS).join(pd.DataFrame(list(rows.values()), columns=["value", "lo", "hi"], dtype=float))


def by_split(values, spaces, metric="knn", suffix="", labels=tuple(COLUMNS)):
    """`evaluate.with_intervals`, one row a label and space and one column a split: narrow enough for a page."""
    table = with_intervals(values, spaces, metric, suffix, tuple(labels))
    return pd.concat({label: table[label] for label in labels})


def tables(values):
    """All parts of the card by title, figures as text; a part that was not run is absent.

    Parameters
    ----------
    values : dict of str to float
        From `evaluate.json`.

    Returns
    -------
    dict of str to pandas.DataFrame
    """
    rows, found = tidy(values), {}
    spaces = {(metric, level): each["space"].unique() for (metric, level), each in rows.groupby(["metric", "level"])}
    for title, metric, suffix, labels in BY_SPLIT:
        if (metric, suffix[1:]) in spaces:
            found[title] = by_split(values, spaces[metric, suffix[1:]], metric, suffix, labels)
    for title, metrics in PLAIN.items():
        part = rows[rows["metric"].isin(metrics)]
        if len(part):
            figure = part["label"].where(part["label"] != "", part["metric"])
            table = part.assign(figure=figure, value=part["value"].map("{:.3f}".format)).set_index(["space", "figure"])["value"].unstack(sort=False)
            found[title] = table.rename_axis(index=None, columns=None)
    return found


def text(content):
    """The card for a terminal: `tables`, and what was not run.

    Parameters
    ----------
    content : dict
        From `results.load`.
    """
    parts = [f"{title}\n{table.to_string(na_rep='not run')}" for title, table in tables(content["values"]).items()]
    parts.append("Intervals: of the test sounds, but for recorded methods the smallest and largest of the seeds.")
    return "\n\n".join([*parts, "\n".join(f"not run: {name}: {reason}" for name, reason in content.get("not_run", {}).items())]).rstrip()


def latex(values):
    """A table for `booktabs`: kNN accuracy of the four schemes at all levels, for both labels, by split, with intervals."""
    table = pd.concat({name: by_split(values, SCHEMES, suffix=suffix) for suffix, name in LEVELS.items()}, names=["level", "label", "scheme"])
    table = table.rename(index=lambda name: name.replace("_", " "), columns=lambda name: name.replace("_", " "))
    caption = r"kNN accuracy in three dimensions, with 95\,\% intervals over test sounds."
    return table.to_latex(caption=caption, label="tab:card", column_format="lllccc")


def write(content, folder):
    """Write `report.csv` (see `tidy`) and `report.tex` (see `latex`) into a folder; returns their paths."""
    paths = folder / "report.csv", folder / "report.tex"
    tidy(content["values"]).to_csv(paths[0], index=False)
    paths[1].write_text(latex(content["values"]))
    return paths
