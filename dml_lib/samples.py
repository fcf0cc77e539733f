"""Folders of sounds as people have them: messy names, copies, and files that are no sound, drawn by a seed.

Source
------
Our choice. Chapter 07 maps and searches them.
"""

import os
import shutil

import numpy as np
import pandas as pd
import soundfile

from . import paths
from .sounds import catalog, labels

NAMINGS = {  # how a file is called: what its name is made of
    "clean": "{slug}_{note}_{word}_{i:03d}", "abbreviated": "{i:03d} {code} {lower} {dynamics}", "respelled": "{other} {flat} {i:03d}",
    "octave": "{slug} {below} {i:03d}", "half": "{half} {i:03d}", "nothing": "{any}",
}
FOLDERS = ("", "old disk", "session 3", "New Folder (2)")
NOTHING = ("take {i}", "Kopie von take {i}", "Audio {i:02d}-rec", "untitled ({i})", "final FINAL {i}")
FLATS = {"C#": "Db", "D#": "Eb", "F#": "Gb", "G#": "Ab", "A#": "Bb"}
CODES = {slug: code for code, slug in reversed(labels.CODES.items())}


def name_sounds(table, seed=0):
    """What the sounds of a folder are called, tidily and as people leave them.

    Parameters
    ----------
    table : pandas.DataFrame
        `instrument, note_number`, and `dynamics` where known. Where there is a `path`, its file name is the clean one.
    seed : int

    Returns
    -------
    pandas.DataFrame
        `naming` (of `NAMINGS`, all equally often), `clean` and `messy`, paths below the folder without and with folders.
        `octave` follows the makers who call middle C C3; `half` says instrument or note; `nothing` says neither.
    """
    rng, rows = np.random.default_rng([seed, 21]), []
    namings = rng.permutation(np.resize(list(NAMINGS), len(table)))
    wanted = table.reindex(columns=["instrument", "note_number", "dynamics", "path"])
    for i, (naming, (slug, number, dynamics, path)) in enumerate(zip(namings, wanted.itertuples(index=False)), 1):
        note, dynamics = labels.note_name(int(number)), dynamics if isinstance(dynamics, str) else ""
        others = list(filter(None, labels.INSTRUMENTS.get(slug, "").split("|"))) or [slug.replace("-", " ")]
        said = {
            "i": i, "slug": slug, "note": note, "lower": note.lower(), "flat": FLATS.get(note[:2], note[:-1]) + note[-1],
            "below": labels.note_name(max(int(number) - 12, 0)), "dynamics": dynamics,
            "word": labels.DYNAMICS.get(dynamics, "").split("|")[0] or dynamics, "code": CODES.get(slug, slug[:3]),
            "other": str(rng.choice(others)).title(), "half": str(rng.choice([slug, note])), "any": str(rng.choice(NOTHING)).format(i=i),
        }
        given, end = os.path.split(path)[1] if isinstance(path, str) else "", os.path.splitext(path)[1] if isinstance(path, str) else ".wav"
        clean = given or NAMINGS["clean"].format(**said) + end
        messy = clean if naming == "clean" else NAMINGS[naming].format(**said).strip() + end
        rows.append((naming, clean, f"{rng.choice(FOLDERS)}/{messy}".lstrip("/")))
    return pd.DataFrame(rows, columns=["naming", "clean", "messy"], index=table.index)


def write(table, names, folder):
    """Write sounds into files: a recipe is rendered as a wave file, a file is copied as it is.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows that `catalog.audio` takes.
    names : sequence of str
        Paths below `folder`.
    folder : path

    Returns
    -------
    list of str
        The files.
    """
    written = [folder / name for name in names]
    for file, row in zip(written, table.to_dict("records")):
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(row.get("path"), str):
            shutil.copyfile(row["path"], file)
        else:
            soundfile.write(file, *catalog.audio(row), "FLOAT")  # a loud render is not clipped
    return list(map(str, written))


def make_folder(table, run, name, seed=0):
    """A folder of sounds as a reader may have one: messy names, and what else lies about.

    Beside the sounds there are a file that is no audio, a silent one, a copy of the first sound and one of the last, 12 dB
    softer. A folder of that name of an earlier run is replaced; ValueError where another's is in its place.

    Parameters
    ----------
    table : pandas.DataFrame
        At least one sound, see `name_sounds`.
    run : paths.Run
        The folder is made in `run.samples`.
    name : str
    seed : int

    Returns
    -------
    pandas.DataFrame
        The table with the columns of `name_sounds` and `file`.
    """
    folder = paths.emptied(run.samples / name)
    named = table.join(name_sounds(table, seed))
    named = named.assign(file=write(named, named["messy"], folder))
    (folder / "broken.wav").write_text("RIFF, and no more of it")
    soundfile.write(folder / "nothing recorded.wav", np.zeros(16_000), 16_000)
    first, last = (named.iloc[i] for i in (0, -1))
    shutil.copyfile(first["file"], folder / f"Kopie von {first['messy'].rpartition('/')[2]}")
    y, sr = catalog.audio({"path": last["file"]})
    soundfile.write(folder / "softer.wav", y * 10 ** (-12 / 20), sr, "FLOAT")
    return named
