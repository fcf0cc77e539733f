"""Ask a map for sounds: like a file from anywhere, like a moment of it, or as one is to another.

Source
------
Our choice; sums of places as in `analogies`. `python -m dml_lib query`; chapter 07.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from . import disputes, hearing
from .config import check_name
from .sounds import decode, files
from .sounds.labels import parse_note, slug_of

PLAYLIST = "#PLAYLIST:answers of dml_lib"  # by this line a file is known as ours
SHOWN = ["rank", "distance", "path", "instrument", "note_number", "seconds", "at_s"]


def place(name, library, at=None):
    """Where a sound is, or a moment of it.

    Parameters
    ----------
    name : str
        A `sound_id` or a path of the map, or any other audio file.
    library : library.Library
    at : float, optional
        Seconds.

    Returns
    -------
    z : np.ndarray, (n_dims,)
    row : int or None
        In the map; None for a file from outside.

    Raises
    ------
    ValueError
        No such sound or file, a file that is no sound, or a moment that it does not have.
    """
    table = library.table
    rows = np.flatnonzero((table["sound_id"] == name) | table["path"].isin(files.same_file(name)))
    if len(rows):
        row, z = int(rows[0]), library.places[rows[0]]
        point = library.points[row]
    else:
        if not Path(name).is_file():
            raise ValueError(f"expected an audio file or a sound id such as {table['sound_id'].iloc[0]!r}, found nothing by the name {name!r}")
        try:
            _, z, facts, _ = hearing.hear(name, str(library.weights), files.checksum(library.weights)[0], False)
        except decode.DecodeError as error:
            raise ValueError(f"expected a sound in {name}, found {error}: choose another file") from None
        row, point = None, np.array([facts[axis] for axis in "xyz"], np.float32)
    if at is None:
        return point, row
    frame = round(at / library.frame_s)
    if not 0 <= frame < len(z):
        heard = f"{(len(z) - 1) * library.frame_s:.2f} s of {name}, heard for a minute at most"
        raise ValueError(f"expected a moment from 0 to {heard}, found {at} s: choose another --at")
    return z[frame], row


def fitting(table, note=None, instrument=None, source=None, max_seconds=None):
    """Which sounds of a map may be an answer, (n_sounds,), bool.

    Parameters
    ----------
    table : pandas.DataFrame
    note : str, optional
        Such as "C4" or "60"; the estimate counts where there is no label; percussion has none.
    instrument, source : str, optional
        A slug, or a word for it that file names may have, such as "kick"; and the name of a library.
    max_seconds : float, optional

    Raises
    ------
    ValueError
        No note, an instrument or library that is not in the map, or nothing fits.
    """
    fits = np.ones(len(table), bool)
    if note is not None:
        number = parse_note(f"midi {note}" if str(note).isdecimal() else str(note))
        if number is None:
            raise ValueError(f"expected a note such as C4, F#3 or 60, found {note!r}")
        fits &= (disputes.notes(table) == number).fillna(False).to_numpy(bool)
    for column, wanted in (("instrument", instrument), ("library", source)):
        if wanted is not None:
            known = table[column].dropna().unique()
            said = slug_of(wanted) if column == "instrument" else wanted
            wanted = said if wanted not in known and said in known else wanted
            check_name(column, wanted, known if len(known) else [wanted])
            fits &= (table[column] == wanted).fillna(False).to_numpy(bool)
    if max_seconds is not None:
        fits &= (table["seconds"] <= max_seconds).to_numpy()
    if not fits.any():
        raise ValueError(f"expected sounds that fit, found none among {len(table)}: ask for less")
    return fits


def nearest(target, library, k=10, fits=None, moments=False):
    """The k sounds of a map that are nearest to a place.

    Parameters
    ----------
    target : np.ndarray, (n_dims,)
    library : library.Library
    k : int
    fits : np.ndarray, (n_sounds,), bool, optional
        Sounds that may be an answer.
    moments : bool
        Compare with each moment of a sound rather than with its median place.

    Returns
    -------
    pandas.DataFrame
        Rows of the map, nearest first, with `rank, distance` and `at_s` (the moment meant, NaN for a whole sound).
    """
    rows = np.arange(len(library.table)) if fits is None else np.flatnonzero(fits)
    if moments:
        parts = [library.places[i] for i in rows]
        far = [np.linalg.norm(part - target, axis=1) for part in parts]
        best = np.array([each.argmin() for each in far])
        distance = np.array([each.min() for each in far])
    else:
        distance, best = np.linalg.norm(library.points[rows] - target, axis=1), np.full(len(rows), np.nan)
    order = np.argsort(distance, kind="stable")[:k]
    found = library.table.iloc[rows[order]].reset_index(drop=True)
    return found.assign(rank=np.arange(1, len(found) + 1), distance=distance[order], at_s=best[order] * library.frame_s)


def ask(library, sounds=(), at=None, unlike=(), plus=(), k=10, **filters):
    """Answers to a question, one after another.

    Parameters
    ----------
    library : library.Library
    sounds : sequence of str
        See `place`. Each is a question of its own.
    at : float, optional
        The moment of it that is meant, in seconds; answers are moments then.
    unlike, plus : sequence of str
        As many of each: the question is like a sound, as `plus` is to `unlike`.
    k : int
        Answers to each; a sound of the map is no answer to itself.
    filters
        Of `fitting`.

    Returns
    -------
    pandas.DataFrame
        As `nearest`, with the `query`.

    Raises
    ------
    ValueError
        See `place` and `fitting`; no question, or not as many `plus` as `unlike`.
    """
    if not sounds or len(unlike) != len(plus):
        raise ValueError(f"expected a sound to look for, and as many --plus as --unlike, found {len(sounds)} sounds, {len(plus)} --plus, {len(unlike)} --unlike")
    allowed, answers = fitting(library.table, **filters), []
    for name in sounds:
        target, row = place(name, library, at)
        used = [row]
        for b, c in zip(unlike, plus):
            (z_b, row_b), (z_c, row_c) = place(b, library), place(c, library)
            target, used = target - z_b + z_c, [*used, row_b, row_c]
        fits = allowed.copy()
        fits[[i for i in used if i is not None]] = False
        answers.append(nearest(target, library, k, fits, at is not None).assign(query=name))
    if not any(map(len, answers)):
        raise ValueError(f"expected a sound beside those asked about, found none that fits among {len(allowed)}: ask for less")
    return pd.concat(answers, ignore_index=True)


def text(answers):
    """Answers as a table of text."""
    shown = answers[["query", *SHOWN]].dropna(axis=1, how="all")
    shown = shown.assign(**{name: column.astype(object).where(column.notna(), "") for name, column in shown.select_dtypes("Int64").items()})
    return shown.to_string(index=False, na_rep="", float_format="{:.3f}".format)


def as_json(answers):
    """Answers as a JSON list; what is not known is null."""
    return json.dumps(json.loads(answers[["query", *SHOWN, "sound_id", "library"]].to_json(orient="records")), ensure_ascii=False)


def write_playlist(path, answers):
    """Write the answers as an M3U playlist; a name with a line break in it is left out, since a playlist cannot hold it.

    Raises
    ------
    ValueError
        The file has not the name of a playlist: it may be a sound; or there is another playlist in its place.
    """
    if Path(path).suffix.lower() not in (".m3u", ".m3u8"):
        raise ValueError(f"expected a playlist that ends with .m3u or .m3u8, found {path}: choose another name")
    before = Path(path).read_text("utf-8", "replace") if Path(path).is_file() else ""
    if before and PLAYLIST not in before:
        raise ValueError(f"expected no other playlist in the place of the answers, found one at {path}: delete it, or choose another name")
    names = [name for name in answers["path"] if not set(name) & set("\r\n")]
    Path(path).write_text("\n".join(["#EXTM3U", PLAYLIST, *names, ""]), "utf-8")
