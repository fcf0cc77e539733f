"""Sounds that lie in files: folders, CSV manifests and two published collections, each as a table of sounds.

Conventions: one row a sound; `sound_id` is the library and the path below its root with forward slashes; labels are
those of `labels`, empty where nothing is known; `checksum` is the SHA-256 of the bytes. Nothing is lost: what cannot be
read keeps its row, with an empty checksum and the `reason`. No file is decoded or changed, so `seconds` is NaN.

Source
------
Our choice; the layouts of TinySOL and NSynth are their publishers'. Used by the chapters `01_sounds` and
`07_your_library`.
"""

import csv
import hashlib
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from .decode import is_audio_name
from .labels import NSYNTH, Labels, parse_name, parse_note

KINDS = ("note", "phrase", "percussion")
NOTE_COLUMNS = ("note_number", "midi", "note")  # the first that a manifest has is read; MIDI numbers or names
TINYSOL = {"instrument (in full)": "instrument", "pitch id": "midi", "dynamics": "dynamics", "technique (in full)": "articulation"}


def _checksum(path):
    """SHA-256 of a file in hex and "", or "" and the reason why it cannot be read."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a named pipe would wait for its writer
            return "", "not a regular file"
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), ""
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        link = "link to a missing file: " if isinstance(error, FileNotFoundError) and os.path.islink(path) else ""
        return "", link + (getattr(error, "strerror", None) or str(error))


def _table(rows, library, source_family):
    """The table of (path below the root, absolute path, Labels, reason) rows; files without a reason are read."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # hashing releases the interpreter lock
        sums = list(pool.map(lambda row: ("", row[3]) if row[3] else _checksum(row[1]), rows))
    names, paths, labels, _ = zip(*rows) if rows else ((), (), (), ())
    text = {name: pd.Series([getattr(said, name) for said in labels], dtype="str")
            for name in ("instrument", "dynamics", "articulation", "kind")}
    return pd.DataFrame({
        "sound_id": pd.Series([f"{library}/{name}" for name in names], dtype="str"), "library": library,
        "source_family": source_family, "instrument": text["instrument"],
        "note_number": pd.array([said.note_number for said in labels], dtype="Int64"), "dynamics": text["dynamics"],
        "articulation": text["articulation"], "velocity": pd.array([pd.NA] * len(rows), dtype="Int64"), "kind": text["kind"],
        "path": pd.Series(paths, dtype="str"), "checksum": pd.Series([found for found, _ in sums], dtype="str"),
        "seconds": np.nan, "reason": pd.Series([reason for _, reason in sums], dtype="str"),
    })


def _shown(path):
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def folder_table(folder, library, source_family):
    """The audio files in a folder and below, in order of their paths, labeled by their names.

    Hidden files and folders are passed over. No link is followed to another folder or out of this one.

    Parameters
    ----------
    folder : path
    library, source_family : str

    Returns
    -------
    pandas.DataFrame
        `sound_id, library, source_family, instrument, note_number, dynamics, articulation, velocity, kind, path,
        checksum, seconds, reason`; `velocity` and `seconds` are missing values, `reason` is "" for what can be read.

    Raises
    ------
    ValueError
        No such folder.
    """
    root = os.path.abspath(folder)
    if not os.path.isdir(root):
        raise ValueError(f"expected a folder, found none at {root}: check the name")
    real, rows = os.path.realpath(root), []

    def refused(error):
        rows.append((error.filename, f"folder: {error.strerror}"))

    for where, folders, names in os.walk(root, onerror=refused):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if is_audio_name(name) and not name.startswith("."):
                path = os.path.join(where, name)
                inside = os.path.commonpath([real, os.path.realpath(path)]) == real
                rows.append((path, "" if inside else "link out of the folder"))
    table, above = [], _shown(os.path.dirname(root))
    for path, reason in sorted(rows, key=lambda row: row[0].split(os.sep)):
        shown = _shown(path)
        if shown != path:  # no table could be written with such a name in it
            reason = "a name that is not UTF-8: rename it"
        said = Labels() if reason.startswith("folder") else parse_name(os.path.relpath(shown, above))
        table.append((Path(os.path.relpath(shown, _shown(root))).as_posix(), shown, said, reason))
    return _table(table, library, source_family)


def _read(path):
    """The rows of a CSV file, {column in lower case: text}, each with a `path` of its own."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            found = [(name or "").strip().lower() for name in reader.fieldnames or ()]
            reader.fieldnames = found
            rows = [{key: (value or "").strip() for key, value in row.items() if key} for row in reader]
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: expected a CSV table in UTF-8, found {error}: check its name, save it as CSV") from None
    if "path" not in found:
        raise ValueError(f"{path}: expected a column 'path', found {', '.join(found) or 'none'}: name the column of file paths 'path'")
    rows, seen = [row for row in rows if any(row.values())], set()
    for row in rows:
        place = os.path.normpath(row["path"]) if row["path"] else "no path"
        if place in seen or not row["path"]:
            raise ValueError(f"{path}: expected one path a row and each path once, found {place!r} in {row}: mend or delete that row")
        seen.add(place)
    return rows


def _said(words):
    """What the words of cells say, by the rules for names."""
    return parse_name(f"{words.replace('/', ' ')}.wav")


def _labels(row):
    """Labels of a manifest row: its columns, and the file's name for what it has no column for."""
    said = parse_name(row["path"])
    if "instrument" in row:
        word = _said(f"{row['instrument']} A4")  # beside a note, short names count
        said = replace(said, instrument=word.instrument, kind="phrase" if said.kind == "phrase" else word.kind)
    for field in {"dynamics", "articulation"} & set(row):
        said = replace(said, **{field: getattr(_said(f"violin A4 {row[field]}"), field)})
    if column := next((name for name in NOTE_COLUMNS if name in row), None):
        text = row[column].removesuffix(".0")
        said = replace(said, note_number=parse_note(f"midi {text}" if text.isdecimal() else text))
    if row.get("kind", "").lower() in KINDS:
        said = replace(said, kind=row["kind"].lower())
    return replace(said, note_number=None) if said.kind == "percussion" else said


def _rows(rows, root):
    root = os.path.abspath(root)
    return [(Path(os.path.normpath(row["path"])).as_posix(), os.path.normpath(os.path.join(root, row["path"])), _labels(row), "")
            for row in rows]


def manifest_table(path, library=None, source_family=None):
    """The sounds that a CSV file lists.

    Parameters
    ----------
    path : path
        A header row, then a sound a row. Columns: `path` (relative to the CSV file), and where they are known
        `instrument`, `note_number` or `midi` or `note` (a MIDI number or a name such as A#4), `dynamics`,
        `articulation` and `kind` (note, phrase or percussion). Words are read as in file names; what cannot be read is
        no label. A label without a column is taken from the file's name.
    library, source_family : str, optional
        The name of the CSV file if not given, and the library.

    Returns
    -------
    pandas.DataFrame
        As `folder_table`, in the order of the file.

    Raises
    ------
    ValueError
        No CSV file, no column `path`, a row without a path, or a path listed twice.
    """
    library = library or Path(path).stem
    return _table(_rows(_read(path), Path(path).parent), library, source_family or library)


def _published(folder, name):
    """The metadata files called `name` in a folder and below, sorted."""
    found = sorted(Path(folder).rglob(name))
    if not found:
        raise ValueError(f"expected the published file {name}, found none in {folder}: put it beside the sounds")
    return found


def tinysol_table(folder, library="tinysol", source_family="tinysol"):
    """TinySOL: `TinySOL_metadata.csv`, and the unpacked sounds in the folder or in one folder of it.

    Parameters
    ----------
    folder : path
    library, source_family : str

    Returns
    -------
    pandas.DataFrame
        As `folder_table`, in the order of the metadata.

    Raises
    ------
    ValueError
        No metadata file, or one that is none.

    Source
    ------
    Layout: doi.org/10.5281/zenodo.3685367; `Pitch ID` is MIDI.
    """
    rows = [{"path": row["path"]} | {ours: row.get(theirs, "") for theirs, ours in TINYSOL.items()}
            for row in _read(_published(folder, "TinySOL_metadata.csv")[0])]
    roots = [Path(folder), *sorted(path for path in Path(folder).iterdir() if path.is_dir())]
    root = next((root for root in roots if any((root / row["path"]).exists() for row in rows)), folder)
    return _table(_rows(rows, root), library, source_family)


def nsynth_table(folder, library="nsynth", source_family="nsynth"):
    """NSynth: one folder or several, each with `examples.json` and `audio/`.

    Parameters
    ----------
    folder : path
    library, source_family : str

    Returns
    -------
    pandas.DataFrame
        As `folder_table`, in order of the names. Its families are instruments only where they name one: a keyboard or
        a mallet is no instrument. Velocities are no dynamic markings.

    Raises
    ------
    ValueError
        No `examples.json`, or one that is none.

    Source
    ------
    Layout: magenta.tensorflow.org/datasets/nsynth; `pitch` is MIDI.
    """
    root, rows = Path(os.path.abspath(folder)), []
    for found in _published(root, "examples.json"):
        try:
            notes = json.loads(found.read_text(encoding="utf-8"))
            for name in sorted(notes):
                family = "_".join(notes[name][f"instrument_{part}_str"] for part in ("family", "source"))
                said = Labels(NSYNTH.get(family), parse_note(f"midi {notes[name]['pitch']}"))
                path = found.parent / "audio" / f"{name}.wav"
                rows.append((path.relative_to(root).as_posix(), str(path), said, ""))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{found}: expected notes with instrument_family_str, instrument_source_str and pitch, "
                             f"found {type(error).__name__}: {error}: unpack it again") from None
    return _table(rows, library, source_family)
