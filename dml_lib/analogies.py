"""Analogies: does the point a - b + c lie where it should?

Conventions: the terms a, b and c are single test sounds, drawn by chance from their *neighborhoods*; the center of a
neighborhood is the median of all its test sounds. The expected neighborhood is ranked among all of them, those of the
terms included, by the distance of its center to a - b + c. (word2vec leaves the three terms out, which flatters: where
a and b are near, the answer is the best neighbor of c.) Rivals say what a rank is worth: the trivial answers `c` and,
because the sum does not tell them apart, `a`; and c moved as far as from b to a but in a `random` direction.

Source
------
Mikolov et al. 2013 for the question and its scores. Original code, notebook eval-dev, for the three of `AUTHOR`; the
camera-ready paper no longer mentions analogies. Chapter 04.
"""

import itertools

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist

from .config import check_name
from .evaluate import COLUMNS, frame_sample, interval, labeled_sounds, summary, with_intervals
from .nearest import knn_predict, validate
from .results import published

RELATIVES = (  # lower and higher
    ("trombone", "trumpet"), ("english-horn", "oboe"), ("tenor-sax", "soprano-sax"), ("baritone-sax", "alto-sax"), ("flute", "piccolo"),
    ("cello", "violin"),
)
RIVALS = ("_random", "_c", "_a")
AUTHOR = {  # label, the three terms as (instrument, note or None), the answer that is counted
    "tenor_sax_soprano_sax_horn": ("instrument", (("tenor-sax", None), ("soprano-sax", None), ("french-horn", None)), "french-horn"),
    "tenor_sax_cello_violin": ("instrument", (("tenor-sax", None), ("cello", None), ("violin", None)), "soprano-sax"),
    "horn_60_55_40": ("pitch", (("french-horn", 72), ("french-horn", 67), ("french-horn", 52)), 57),
}
AUTHOR_NOTES = 12  # below MIDI
AUTHOR_SPACE, AUTHOR_PLACES = "instrument_pitch", 5


def transpositions(instruments, notes):
    """Instrument A at note p is to A at q as B at p is to B at q.

    Parameters
    ----------
    instruments, notes : np.ndarray, (n_sounds,)

    Returns
    -------
    which : np.ndarray, (n_sounds,), int64
        Neighborhood of each sound: same instrument and note.
    asked : np.ndarray, (n_questions, 4), int64
        Neighborhoods a, b, c and the expected one: all questions that these sounds allow.
    """
    (_, i), (_, j) = (np.unique(labels, return_inverse=True) for labels in (instruments, notes))
    grid = np.full((i.max() + 1, j.max() + 1), -1)
    pairs, which = np.unique(np.stack([i, j]), axis=1, return_inverse=True)
    grid[tuple(pairs)] = np.arange(pairs.shape[1])
    both = (grid[:, None] >= 0) & (grid[None] >= 0)
    a, b, p, q = np.nonzero(both[:, :, :, None] & both[:, :, None, :] & ~np.eye(grid.shape[0], dtype=bool)[:, :, None, None])
    a, b, p, q = (x[p != q] for x in (a, b, p, q))
    return which.ravel(), np.stack([grid[a, p], grid[a, q], grid[b, q], grid[b, p]], axis=1)


def intervals(instruments, notes):
    """Note p is to q as another note, as far from r as p from q, is to r. Neighborhoods are notes; else as `transpositions`."""
    heights, which = np.unique(notes, return_inverse=True)
    place = np.full(3 * int(heights.max()) + 1, -1)
    place[heights.astype(int)] = np.arange(len(heights))
    p, q, r = (x.ravel() for x in np.indices((len(heights),) * 3))
    asked = np.stack([p, q, r, place[(heights[p] - heights[q] + heights[r]).astype(int)]], axis=1)
    return which, asked[(asked[:, 3] >= 0) & (p != q) & (q != r)]


def relatives(instruments, notes):
    """The lower of two relatives is to the higher, or the higher to the lower, as in another pair of `RELATIVES`."""
    names, which = np.unique(instruments, return_inverse=True)
    place = {name: i for i, name in enumerate(names)}
    pairs = [[place[name] for name in pair] for pair in RELATIVES if all(name in place for name in pair)]
    asked = [[one[i], one[1 - i], other[1 - i], other[i]] for one, other in itertools.permutations(pairs, 2) for i in (0, 1)]
    return which, np.array(asked, np.int64).reshape(-1, 4)


KINDS = {"transposition": transpositions, "interval": intervals, "relative": relatives}


def ranks(predicted, centers, expected):
    """Place of the expected center among all by distance to the predicted point, from 1; equal distances rank by position.

    Parameters
    ----------
    predicted : np.ndarray, (n, n_dims)
    centers : np.ndarray, (n_neighborhoods, n_dims)
    expected : np.ndarray, (n,), int

    Returns
    -------
    np.ndarray, (n,), int64
    """
    far = cdist(predicted, centers)
    wanted = np.take_along_axis(far, expected[:, None], axis=1)
    before = np.arange(len(centers)) < expected[:, None]
    return 1 + ((far < wanted) | ((far == wanted) & before)).sum(axis=1)


def evaluate(points, dataset, split="random", seed=0, most=2_000):
    """How well analogies hold among the test sounds of one space.

    Parameters
    ----------
    points : np.ndarray, (n_sounds, n_dims)
    dataset : Dataset
    split : str
    seed : int
        Which questions, which sounds, which random directions.
    most : int
        Questions of a kind.

    Returns
    -------
    dict of str to float
        `<score>.<kind>`, with `.lo` and `.hi` for a 95 % interval over expected neighborhoods. Scores are `mrr`, the mean of
        1 / rank, and `hit_at_1` and `hit_at_5`, the share of ranks up to there; with `_random`, `_c` or `_a` behind them those
        of the rivals. `neighborhoods.<kind>` is how many there are to choose from. A kind without a question is absent.

    Raises
    ------
    ValueError
        Points that are not finite.
    """
    rows = np.intersect1d(*(labeled_sounds(dataset, label, split)[0][2] for label in COLUMNS))
    z, values, rng = np.asarray(points, float)[rows], {}, np.random.default_rng([seed, 14])
    if not len(rows):
        return {}
    validate(z, np.arange(len(rows)))
    table = dataset.table.iloc[rows]
    for kind, ask in KINDS.items():
        which, asked = ask(table["instrument"].to_numpy(str), table["note_number"].to_numpy(float))
        if not len(asked):
            continue
        asked = asked[np.sort(rng.choice(len(asked), min(most, len(asked)), replace=False))]
        centers, sizes = pd.DataFrame(z).groupby(which).median().to_numpy(), np.bincount(which)
        drawn = (rng.random((len(asked), 3)) * sizes[asked[:, :3]]).astype(int)
        a, b, c = np.moveaxis(z[np.argsort(which, kind="stable")][(np.cumsum(sizes) - sizes)[asked[:, :3]] + drawn], 1, 0)
        direction = rng.normal(size=a.shape)
        direction *= np.linalg.norm(a - b, axis=1, keepdims=True) / np.linalg.norm(direction, axis=1, keepdims=True)
        values[f"neighborhoods.{kind}"] = float(len(centers))
        for rival, predicted in zip(("", *RIVALS), (a - b + c, c + direction, c, a)):
            rank = ranks(predicted, centers, asked[:, 3])
            for score, each in (("mrr", 1 / rank), ("hit_at_1", rank == 1), ("hit_at_5", rank <= 5)):
                name = f"{score}{rival}.{kind}"
                values[name] = float(np.mean(each))
                values[f"{name}.lo"], values[f"{name}.hi"] = interval(each, asked[:, 3], seed)
    return values


def report(embeddings, dataset, seed=0):
    """`evaluate` for several spaces and every split that the dataset has: `<space>.analogy_<score>.<kind>.<split>`."""
    values = {}
    for (space, (_, points)), split in itertools.product(embeddings.items(), dataset.splits):
        for name, value in evaluate(points, dataset, split, seed).items():
            score, kind, *end = name.split(".")
            values[".".join([space, f"analogy_{score}", kind, split, *end])] = value
    return values


def against_rivals(values, spaces):
    """Mean reciprocal ranks as text, one row a kind and space and one column a split: with its interval, and the best rival behind it.

    Parameters
    ----------
    values : dict of str to float
        From `report` or a results file.
    spaces : sequence of str
    """
    ours = with_intervals(values, spaces, "analogy_mrr", labels=tuple(KINDS))
    others = pd.concat({rival[1:]: summary(values, spaces, f"analogy_mrr{rival}", labels=tuple(KINDS)) for rival in RIVALS})
    best = others.groupby(level=1, sort=False).max()
    ours = ours + best.map(lambda x: "" if np.isnan(x) else f", rival {x:.3f}")
    return pd.concat({kind: ours[kind] for kind in KINDS})


def votes(frames, dataset, name, split="random", trials=10_000, k=75, most=100_000, seed=0):
    """One of the author's analogies as he asked it: how the nearest training frames name a - b + c.

    Parameters
    ----------
    frames : np.ndarray, (n_frames_total, n_dims)
    dataset : Dataset
    name : str
        One of `AUTHOR`.
    split : str
    trials : int
        Times that a test frame of each term is drawn.
    k : int
        Training frames that vote.
    most : int
        Training frames in all.
    seed : int

    Returns
    -------
    pandas.Series
        Share of the trials by class, largest first; empty where a term has no test frame.

    Source
    ------
    Original code: 10,000 triples, the 75 nearest of 100,000 frames, silent ones too.
    """
    label, terms, _ = AUTHOR[check_name("analogy", name, AUTHOR)]
    (train, _, test), y, names = labeled_sounds(dataset, label, split)
    table, sound, rng, found = dataset.table.iloc[test], dataset.sound_of_frame(), np.random.default_rng([seed, 15]), []
    for instrument, note in terms:
        of_term = (table["instrument"] == instrument) & (note is None or table["note_number"] == note)
        found.append(np.flatnonzero(np.isin(sound, test[of_term.to_numpy(bool, na_value=False)])))
    if not all(map(len, found)):
        return pd.Series(dtype=float)
    a, b, c = (frames[rng.choice(rows, trials)] for rows in found)
    rows = frame_sample(dataset, train, most, seed)
    answers = knn_predict(frames[rows], y[sound[rows]], a - b + c, (k,))[0]
    return pd.Series(names[answers]).value_counts(normalize=True)


def author(frames, dataset, seed=0):
    """`votes` for all of the author's analogies on the random split, by name; see `author_values` and `author_table`."""
    return {name: votes(frames, dataset, name, seed=seed) for name in AUTHOR}


def author_values(found):
    """What `author` found, for a results file: share of the answer that is counted, `<scheme>.analogy_votes.<name>.random`."""
    return {f"{AUTHOR_SPACE}.analogy_votes.{name}.random": float(each.get(AUTHOR[name][2], 0)) for name, each in found.items() if len(each)}


def author_table(found):
    """The author's answers and ours side by side, one row a place: other sounds and other classes, so no row is a comparison.

    Parameters
    ----------
    found : dict of str to pandas.Series
        From `author`.
    """
    rows, prefix = {}, f"author.{AUTHOR_SPACE}.analogy."
    for name, ours in found.items():
        at = f"{prefix}{name}.votes."
        his = {key.removeprefix(at): value for key, value in published().items() if key.startswith(at)}
        if AUTHOR[name][0] == "pitch":
            his = {int(note) + AUTHOR_NOTES: value for note, value in his.items()}
        both = [[f"{answer}: {share:.3f}" for answer, share in each.items()][:AUTHOR_PLACES] for each in (his, ours)]
        for place, (theirs, here) in enumerate(itertools.zip_longest(*both, fillvalue="")):
            rows[name, place + 1] = {"author": theirs, "ours": here if len(ours) else "not run"}
    return pd.DataFrame.from_dict(rows, orient="index")
