"""Sounds that lie in files: folders, CSV manifests and two published collections, each as a table of sounds.

Conventions: one row a sound, with the columns `sound_id` (library and path below its root, forward slashes), `library`,
`source_family`, `instrument`, `note_number`, `dynamics`, `articulation`, `velocity` (missing), `kind` (note, phrase or
percussion), `path` (absolute), `checksum` (SHA-256 of the bytes), `seconds` (missing: nothing is decoded) and `reason`.
Labels are those of `labels`, missing where nothing is known. No sound is lost: one that cannot be read keeps its row,
with an empty checksum and the reason. Each function raises ValueError where there is no such folder or table.

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
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from .decode import is_audio_name
from .labels import NSYNTH, Labels, parse_name, parse_note, slug_of

MAP_MARK = ".dml_map"  # in a map from its first moment
KINDS = ("note", "phrase", "percussion")
NOTE_COLUMNS = ("note_number", "midi", "note")  # the first that a manifest has is read
COLUMNS = ("sound_id library source_family instrument note_number dynamics articulation velocity kind path checksum "
           "seconds reason").split()
TINYSOL = {"path": "path", "instrument": "instrument (in full)", "midi": "pitch id", "dynamics": "dynamics",
           "articulation": "technique (in full)"}


def checksum(path):
    """SHA-256 of a file in hex and "", or "" and the reason why it cannot be read."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a named pipe would wait for its writer
            return "", "not a regular file"
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), ""
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        link = "link to a missing file: " if isinstance(error, FileNotFoundError) and os.path.islink(path) else ""
        return "", link + (getattr(error, "strerror", None) or str(error))


def _table(rows, library, source_family, checksum=checksum):
    """The table of rows (path below the root, absolute path, Labels, reason or "")."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # hashing releases the interpreter lock
        sums = list(pool.map(lambda row: ("", row[3]) if row[3] else checksum(row[1]), rows))
    labels = pd.DataFrame([vars(row[2]) for row in rows], columns=list(Labels.__dataclass_fields__))
    missing = pd.array([pd.NA] * len(rows), dtype="Int64")
    return labels.astype({"note_number": "Int64"}).assign(
        sound_id=[f"{library}/{row[0]}" for row in rows], library=library, source_family=source_family,
        velocity=missing, path=[row[1] for row in rows], checksum=[found for found, _ in sums], seconds=np.nan,
        reason=[reason for _, reason in sums],
    )[COLUMNS]


def _shown(path):
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def is_map(folder):
    """Whether a folder is a map that this project wrote, or began; its sounds are previews."""
    mark, table, page = (os.path.isfile(os.path.join(folder, name)) for name in (MAP_MARK, "map.parquet", "data.js"))
    return mark or table and page  # a copy may lack hidden files


def folder_table(folder, library, source_family, checksum=checksum):
    """The audio files in a folder and below, in order of their paths, labeled by their names.

    Hidden files and folders are passed over, and so are maps that this project wrote; no link is followed to another
    folder or out of this one: it keeps a row with the reason. Of the folder's own place only its name counts for labels.

    Parameters
    ----------
    folder : path
    library, source_family : str
    checksum : callable
        From a path to (SHA-256, "") or ("", reason), in place of `checksum`; called from several threads.

    Returns
    -------
    pandas.DataFrame
    """
    root = os.path.abspath(folder)
    if not os.path.isdir(root):
        raise ValueError(f"expected a folder, found none at {root}: check the name")
    real, above, found, rows = os.path.realpath(root), _shown(os.path.dirname(root)), [], []

    def refused(error):
        found.append((error.filename, f"folder: {error.strerror}"))

    for where, folders, names in os.walk(root, onerror=refused):
        folders[:] = [name for name in folders if not name.startswith(".") and not is_map(os.path.join(where, name))]
        found += [(path, "folder: a link, not followed") for path in map(partial(os.path.join, where), folders) if os.path.islink(path)]
        for name in names:
            if is_audio_name(name) and not name.startswith("."):
                path = os.path.join(where, name)
                inside = os.path.commonpath([real, os.path.realpath(path)]) == real
                found.append((path, "" if inside else "link out of the folder"))
    for path, reason in sorted(found, key=lambda row: row[0].split(os.sep)):
        shown = _shown(path)
        if shown != path:  # no table could be written with such a name in it
            reason = "a name that is not UTF-8: rename it"
        said = Labels() if reason.startswith("folder") else parse_name(os.path.relpath(shown, above))
        rows.append((Path(os.path.relpath(shown, _shown(root))).as_posix(), shown, said, reason))
    return _table(rows, library, source_family, checksum)


def _read(path):
    """The rows of a CSV file, {column in lower case: text}, each with a `path` of its own."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
            rows = [{key: (value or "").strip() for key, value in row.items() if key} for row in reader]
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: expected a CSV table in UTF-8, found {error}: save it as CSV") from None
    if "path" not in columns:
        raise ValueError(f"{path}: expected a column 'path', found {', '.join(columns) or 'none'}: rename one, or separate columns by commas")
    rows, seen = [row for row in rows if any(row.values())], set()
    for row in rows:
        place = row["path"] and os.path.normpath(row["path"])
        if not place or place in seen:
            raise ValueError(f"{path}: expected a path in each row, each path once, found {place!r} in {row}: mend it")
        seen.add(place)
    return rows


def _said(words):
    """What the words of cells say, by the rules for names."""
    return parse_name(f"{words.replace('/', ' ')}.wav")


def _labels(row):
    """Labels of a manifest row: its columns, and the file's name for what it has no column for."""
    said = parse_name(row["path"])
    if "instrument" in row:
        kind = _said(f"{row['instrument']} A4").kind
        said = replace(said, instrument=slug_of(row["instrument"]), kind="phrase" if said.kind == "phrase" else kind)
    for field in {"dynamics", "articulation"} & set(row):
        said = replace(said, **{field: getattr(_said(f"violin A4 {row[field]}"), field)})
    if column := next((name for name in NOTE_COLUMNS if name in row), None):
        text = row[column].removesuffix(".0")
        said = replace(said, note_number=parse_note(f"midi {text}" if text.isdecimal() else text))
    if row.get("kind", "").lower() in KINDS:
        said = replace(said, kind=row["kind"].lower())
    return replace(said, note_number=None) if said.kind == "percussion" else said


def _listed(rows, root, library, source_family, checksum=checksum):
    """The table of manifest rows whose paths start at `root`."""
    root, places = os.path.abspath(root), [os.path.normpath(row["path"]) for row in rows]
    rows = [(Path(place).as_posix(), os.path.normpath(os.path.join(root, place)), _labels(row), "")
            for place, row in zip(places, rows)]
    return _table(rows, library, source_family, checksum)


def same_file(name):
    """The paths by which a table may know a file: as it was named, and as it is without links."""
    return os.path.abspath(name), os.path.realpath(name)


def manifest_table(path, library=None, source_family=None, checksum=checksum):
    """The sounds that a CSV file lists, in its order.

    Parameters
    ----------
    path : path
        A header, then a sound a row. Columns: `path` (relative to the CSV file) and, where known, `instrument`,
        `note_number` or `midi` or `note` (a MIDI number, or a name such as A#4), `dynamics`, `articulation`, `kind`.
        Words are read as in file names, and what cannot be read is no label, but an instrument that we do not know is one
        of its own; a label that has no column comes from the file's name.
    library, source_family : str, optional
        The name of the CSV file, and the library, if not given.
    checksum : callable
        See `folder_table`.

    Returns
    -------
    pandas.DataFrame
    """
    library = library or Path(path).stem
    return _listed(_read(path), Path(path).parent, library, source_family or library, checksum)


def _published(folder, name):
    """The metadata files called `name` in a folder and below, sorted."""
    if found := sorted(Path(os.path.abspath(folder)).rglob(name)):
        return found
    raise ValueError(f"expected the published file {name}, found none in {folder}: put it beside the sounds")


def tinysol_table(folder, library="tinysol", source_family="tinysol"):
    """TinySOL: `TinySOL_metadata.csv`, and the unpacked sounds in the folder or in one folder of it; as `folder_table`.

    Source
    ------
    Layout: doi.org/10.5281/zenodo.3685367; `Pitch ID` is MIDI.
    """
    rows = _read(_published(folder, "TinySOL_metadata.csv")[0])
    rows = [{ours: row.get(theirs, "") for ours, theirs in TINYSOL.items()} for row in rows]
    roots = [Path(folder), *sorted(path for path in Path(folder).iterdir() if path.is_dir())]
    root = next((root for root in roots if any((root / row["path"]).exists() for row in rows)), folder)
    return _listed(rows, root, library, source_family)


def nsynth_table(folder, library="nsynth", source_family="nsynth"):
    """NSynth: one folder or several, each with `examples.json` and `audio/`; as `folder_table`.

    Its families are labels only where they name one instrument (a mallet is none); its velocities are no dynamics.

    Source
    ------
    Layout: magenta.tensorflow.org/datasets/nsynth; `pitch` is MIDI.
    """
    rows = []
    for found in _published(folder, "examples.json"):
        try:
            for name, note in sorted(json.loads(found.read_text(encoding="utf-8")).items()):
                said = Labels(NSYNTH.get(f"{note['instrument_family_str']}_{note['instrument_source_str']}"),
                              parse_note(f"midi {note['pitch']}"))
                path = found.parent / "audio" / f"{name}.wav"
                rows.append((path.relative_to(os.path.abspath(folder)).as_posix(), str(path), said, ""))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{found}: expected NSynth's table of notes, found {type(error).__name__}: {error}: "
                             "unpack it again") from None
    return _table(rows, library, source_family)
