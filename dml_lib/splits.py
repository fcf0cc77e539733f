"""Which sounds are trained on and which tested: by chance, by source family, on recordings.

The honesty of every figure depends on it: no source family crosses `held_out`, and recordings are trained on only where
they are named as sources, and then no sound of their family is tested on as `held_out` or `real`.
"""

import numpy as np

from .config import check_name

SPLITS = ("random", "held_out", "real")
FRACTIONS = {"train": 0.60, "valid": 0.15, "test": 0.25}  # paper: 72k / 18k / 30k of 120k
BANKS = ("timgm", "fluid", "generaluser", "sonivox")  # source families that are sound banks, not performances; the last validates first


def random_split(n_sounds, seed):
    """Assign each sound to train, valid or test by chance.

    Optimistic: notes of one recorded specimen fall on all sides.

    Returns
    -------
    np.ndarray, (n_sounds,), str

    Source
    ------
    Paper, section 3: 60 / 15 / 25 per cent by sound.
    """
    names, shares = list(FRACTIONS), np.cumsum(list(FRACTIONS.values()))
    rank = np.random.default_rng([seed, 1]).permutation(n_sounds)
    return np.array(names)[np.searchsorted(shares, (rank + 0.5) / n_sounds)]


def family_split(table, test_family, seed):
    """Hold out a source family: nothing of it is trained on, and recordings are only ever tested on.

    Where two other rendered families are there, one of them is for validation, so that nothing is chosen by sounds of what
    was trained on: the one that `BANKS` names last. Else a fifth of the rest, by chance.

    Parameters
    ----------
    table : pandas.DataFrame
        `source_family`, `recorded` (bool).
    test_family : str
    seed : int

    Returns
    -------
    np.ndarray, (n_sounds,), str
        train, valid, test, or "" for sounds that take no part.

    Raises
    ------
    ValueError
        Unknown family, or none left to train on.

    Source
    ------
    Our choice: soundfonts of one family share samples, so a split between them is a leak.
    """
    family = table["source_family"].to_numpy()
    check_name("source family", test_family, sorted(set(family)))
    rendered = ~table["recorded"].to_numpy(bool)
    others = sorted(set(family[rendered]) - {test_family}, key=lambda name: (BANKS.index(name) if name in BANKS else -1, name))
    if not others:
        raise ValueError(f"expected a rendered source family beside {test_family!r} to train on, found none: add a source")
    split = np.full(len(table), "", dtype="<U5")
    split[rendered & np.isin(family, others)] = "train"
    if len(others) > 1:
        split[rendered & (family == others[-1])] = "valid"
    else:
        rows = np.flatnonzero(split == "train")
        split[np.random.default_rng([seed, 7]).choice(rows, len(rows) // 5, replace=False)] = "valid"
    split[family == test_family] = "test"
    return split


def protocols(table, seed, taught=()):
    """Which sounds each protocol tests on, for networks trained on the training sounds of `random`.

    Parameters
    ----------
    table : pandas.DataFrame
        `recorded` (bool), `source_family`, `kind`, `library`.
    seed : int
    taught : sequence of str
        Libraries of recordings that are trained on like rendered notes.

    Returns
    -------
    dict of str to np.ndarray, (n_sounds,), str
        By protocol: train, valid, test, or "" for sounds that take no part. `held_out` tests on a sound bank of another
        family than all that were trained on, `real` on recorded performances; each is absent without such sounds.

    Source
    ------
    Our choice. Chapter 01.
    """
    recorded = table["recorded"].to_numpy(bool)
    if len(taught):
        recorded = recorded & ~table["library"].isin(taught).to_numpy()
    random = np.full(len(table), "", dtype="<U5")
    random[~recorded] = random_split((~recorded).sum(), seed)
    found = {"random": random}
    heard = set(table["source_family"][~recorded])
    unheard = recorded & ~table["source_family"].isin(heard).to_numpy() & (table["kind"] == "note").to_numpy()
    bank = table["source_family"].isin(BANKS).to_numpy()
    for name, test in (("held_out", unheard & bank), ("real", unheard & ~bank)):
        if test.any():
            found[name] = np.where(test, "test", np.where(random == "test", "", random))
    return found


def not_run(table):
    """The protocols that a table has no test sounds for, and what to do about it, by name."""
    advice = "and use a profile that tests on it (standard or paper)"
    reasons = {
        "held_out": f"no sound bank of an unheard family: set DML_DATA to a folder that holds generaluser_gs, {advice}",
        "real": f"no recordings: `python -m dml_lib fetch philharmonia`, or set DML_DATA to a folder that holds them, {advice}",
    }
    return {name: reason for name, reason in reasons.items() if name not in table}
