"""Finding a sound by the words of its name and by an example of it, on sounds of which it is known what they are.

Conventions: the *corpus* is what is searched, one row a sound; a *question* is an instrument and a note, and another sound
of both that is not in the corpus. An answer ranks the whole corpus by a score, the highest first. Sounds of one score come
in any order with equal chance, so a rank and a share are those expected over all these orders: no method gains by the
order of files in a folder.

Source
------
The question is the paper's (section 1: libraries are too large to be searched by name); the protocol is our choice.
Chapter 07.
"""

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist
from scipy.stats import bootstrap, hypergeom
from sklearn.feature_extraction.text import TfidfVectorizer

from .evaluate import interval, shown
from .sounds import catalog, labels

METHODS = {
    "names_clean": "names, clean", "names_messy": "names, messy", "names_read": "names, messy, read by our rules",
    "example": "an example", "chance": "chance",
}
RIGHT = {"sound": ["instrument", "note_number"], "instrument": ["instrument"]}  # what must agree
DEPTHS = (1, 2, 3, 5, 10, 20, 50, 100)
WORD = r"[^\W_]+(?:#\d)?"  # "A#4" is one word


def heard(answers):
    """Answers to a question as sounds to press: from the moment that is meant, and half a second at least.

    Parameters
    ----------
    answers : pandas.DataFrame
        From `query.ask`.

    Returns
    -------
    dict of str to (y, sr)
        For `player.listen`.
    """
    sounds = {}
    for row in answers.fillna({"at_s": 0.0}).itertuples():
        y, sr = catalog.audio({"path": row.path})
        name = row.sound_id.removeprefix(f"{row.library}/")
        sounds[f"{row.rank}: {name}" + (f" from {row.at_s:.2f} s" if row.at_s else "")] = y[max(0, min(round(row.at_s * sr), len(y) - sr // 2)):], sr
    return sounds


def questions(candidates, corpus, seed=0):
    """Sounds to ask a corpus by, one for each instrument and note that it has, as far as there are any.

    Parameters
    ----------
    candidates : pandas.DataFrame
        Sounds; those of the corpus itself are passed over.
    corpus : pandas.DataFrame
    seed : int

    Returns
    -------
    pandas.DataFrame
        Rows of `candidates`, with their index.
    """
    kind = RIGHT["sound"]
    other = candidates[~candidates["sound_id"].isin(corpus["sound_id"])]
    asked = pd.MultiIndex.from_frame(other[kind]).isin(pd.MultiIndex.from_frame(corpus[kind]))
    return other[asked].sample(frac=1, random_state=seed).drop_duplicates(kind).sort_index()


def first_right(scores, right):
    """Where in an answer the first right sound comes.

    Parameters
    ----------
    scores : np.ndarray, (n_questions, n_sounds)
    right : np.ndarray, (n_questions, n_sounds), bool

    Returns
    -------
    rank : np.ndarray, (n_questions,)
        Counted from 1; its mean over all orders of sounds of one score.
    within : np.ndarray, (n_questions, n_depths)
        Chance that it is among the first of each of `DEPTHS`.

    Raises
    ------
    ValueError
        A question without a right answer.

    Source
    ------
    Of t sounds in random order the first of r right ones comes at (t + 1) / (r + 1) on average; that none is among the
    first n is hypergeometric.
    """
    if not right.any(axis=1).all():
        raise ValueError("expected a right sound for each question, found none for some: ask for what is there")
    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
    before, tied = (scores > best).sum(axis=1), (scores == best).sum(axis=1)
    good = ((scores == best) & right).sum(axis=1)
    drawn = np.clip(np.array(DEPTHS)[None] - before[:, None], 0, tied[:, None])
    return before + (tied + 1) / (good + 1), 1 - hypergeom.pmf(0, tied[:, None], good[:, None], drawn)


def by_name(names, texts):
    """Similarity of names to what is typed into a search, by their words.

    Parameters
    ----------
    names, texts : sequence of str

    Returns
    -------
    np.ndarray, (n_texts, n_names)
        Cosine of TF-IDF weights, rounded so that equal ones are equal.
    """
    search = TfidfVectorizer(token_pattern=WORD)
    return (search.fit_transform(names) @ search.transform(texts).T).toarray().T.round(9)


def trial(corpus, points, asked, targets):
    """Ask a corpus by every method; a sharp is typed in both of its common spellings, "A#4 As4".

    Parameters
    ----------
    corpus : pandas.DataFrame
        `instrument, note_number, clean, messy`.
    points : np.ndarray, (n_sounds, n_dims)
        Places of its sounds.
    asked : pandas.DataFrame
        From `questions`.
    targets : np.ndarray, (n_questions, n_dims)
        Their places.

    Returns
    -------
    pandas.DataFrame
        One row a question, method and meaning of right: `method, right, rank`, and a column for each of `DEPTHS`.
    """
    found = []
    said = pd.DataFrame([vars(labels.parse_name(name)) for name in corpus["messy"]])
    for what, columns in RIGHT.items():
        agree = sum((asked[c].to_numpy()[:, None] == corpus[c].to_numpy()[None]).astype(int) for c in columns)
        notes = [labels.note_name(int(n)) if "note_number" in columns else "" for n in asked["note_number"]]
        texts = [" ".join([slug.replace("-", " "), *{note: 0, note.replace("#", "s"): 0}]) for slug, note in zip(asked["instrument"], notes)]
        scores = {
            "names_clean": by_name(corpus["clean"], texts), "names_messy": by_name(corpus["messy"], texts),
            "names_read": sum((asked[c].to_numpy()[:, None] == said[c].to_numpy()[None]).astype(int) for c in columns),
            "example": -cdist(targets, points), "chance": np.zeros_like(agree),
        }
        for method, each in scores.items():
            rank, within = first_right(each, agree == len(columns))
            found.append(pd.DataFrame(within, columns=DEPTHS).assign(method=method, right=what, rank=rank))
    return pd.concat(found, ignore_index=True)


def values(found, name, seed=0):
    """What came out of a trial, with 95 % intervals over the questions.

    Parameters
    ----------
    found : pandas.DataFrame
        From `trial`.
    name : str
        Put before the names.
    seed : int

    Returns
    -------
    dict of str to float
        `<name>.<method>.<right>.median_rank` and `.within_10`, with `.lo` and `.hi` behind them for the bounds.
    """
    result = {}
    for (method, right), rows in found.groupby(["method", "right"], sort=False):
        ranks, within = rows["rank"].to_numpy(), rows[10].to_numpy()
        middle = np.median(ranks), *bootstrap((ranks,), np.median, method="percentile", rng=seed).confidence_interval
        share = within.mean(), *interval(within, np.arange(len(within)), seed)
        for figure, three in (("median_rank", middle), ("within_10", share)):
            result |= {f"{name}.{method}.{right}.{figure}{end}": float(v) for end, v in zip(("", ".lo", ".hi"), three)}
    return result


def summary(values, names):
    """One row a method, one column a trial, meaning of right and figure, as text; "not run" where there is none.

    Parameters
    ----------
    values : dict of str to float
        From `values`.
    names : dict of str to str
        Name of a trial: what to call it.
    """
    columns, figures = {}, {"median_rank": ("median rank", 1), "within_10": ("in the first 10", 2)}
    for trial_name, called in names.items():
        for right, (figure, (title, digits)) in ((r, f) for r in RIGHT for f in figures.items()):
            columns[called, right, title] = [shown(values, f"{trial_name}.{method}.{right}.{figure}", digits) for method in METHODS]
    return pd.DataFrame(columns, index=list(METHODS.values()))


def curves(found):
    """For each method, the share of questions answered within each of `DEPTHS`; see `charts.found_within`."""
    rows = found[found["right"] == "sound"].groupby("method")[list(DEPTHS)].mean()
    return {METHODS[method]: (DEPTHS, rows.loc[method].tolist()) for method in METHODS}
