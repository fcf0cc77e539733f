"""The one table of sounds of a run, and the audio of each of its rows.

Source
------
Our choice. Used by the chapter `01_sounds`, and wherever a sound is played.
"""

import numpy as np
import pandas as pd
import pooch

from . import decode, files, soundfont, sources
from .instruments import INSTRUMENTS
from .labels import note_name
from .sources import SOURCES


def recordings(name):
    """The table of a source of recordings, phrases and percussion included.

    Parameters
    ----------
    name : str

    Returns
    -------
    pandas.DataFrame
        As `files.folder_table`.

    Raises
    ------
    sources.SourceMissing
        There is no folder of recordings by that name; the message says how to get it.
    """
    folder, source = sources.folder(name), SOURCES[name]
    if folder is None or source.kind == "features":
        found = f"the {source.kind} {sources.find(name)}" if sources.find(name) else "nothing"
        raise sources.SourceMissing(f"expected recordings of {name!r}, found {found}. {source.how()}")
    read = {"tinysol": files.tinysol_table, "nsynth": files.nsynth_table}.get(name, files.folder_table)
    return read(folder, name, source.family)


def notes(name):
    """The labeled single notes of a source of recordings; parameters and errors as for `recordings`."""
    table = recordings(name)
    return table[(table["kind"] == "note") & table["note_number"].notna() & (table["reason"] == "")]


def table(cfg):
    """The table of sounds that a run trains on, one row a sound.

    Returns
    -------
    pandas.DataFrame
        Of each sound bank of `cfg.sources` the recipe columns of `soundfont.recipes` and `source_family`, `checksum` (sha256
        of the source file); of each folder of recordings its `notes`.

    Raises
    ------
    sources.SourceMissing
        A source of `cfg.sources` is not on this machine.
    """
    recorded = [name for name in cfg.sources if sources.kind(name) == "recordings"]
    banks = [name for name in cfg.sources if name not in recorded]
    tables = [notes(name) for name in recorded]
    share = -(-cfg.sounds_per_instrument // max(len(banks), 1))
    for name in banks:
        checksum = pooch.file_hash(str(sources.soundfont_file(name)))
        rows = soundfont.recipes(name, share, cfg.note_step, cfg.seed)
        tables.append(rows.assign(source_family=SOURCES[name].family, checksum=checksum))
    return pd.concat(tables, ignore_index=True)


def audio(row, sr=soundfont.SR):
    """The sound of one row of a table: its file decoded if it has a `path`, its recipe rendered otherwise.

    Parameters
    ----------
    row : pandas.Series or dict
    sr : int
        Hz.

    Returns
    -------
    y : np.ndarray, (n_samples,), float32
        Mono.
    sr : int

    Raises
    ------
    decode.DecodeError, soundfont.RenderError
        There is no sound in it.
    """
    if isinstance(row.get("path"), str):
        return decode.decode(row["path"], sr)[0], sr
    return decode.resample(soundfont.render_row(sources.soundfont_file(row["library"]), row), soundfont.SR, sr), sr


def with_family(table):
    """The table with the family of each instrument, where it has instruments and does not name families itself."""
    if "instrument" not in table or "family" in table:
        return table
    return table.assign(family=table["instrument"].map({slug: i.family for slug, i in INSTRUMENTS.items()}))


def titles(table):
    """What to call each sound in a picture, such as `trumpet D5, f staccato`; what is not known is left out.

    Parameters
    ----------
    table : pandas.DataFrame
        Any of `instrument, note_number, dynamics, articulation`.

    Returns
    -------
    list of str
        The `sound_id` where nothing is known.
    """
    known = table.reindex(columns=["instrument", "note_number", "dynamics", "articulation", "sound_id"]).astype(object)
    known["note_number"] = known["note_number"].map(lambda note: note_name(int(note)), na_action="ignore")
    rows = known.where(known.notna(), "").astype(str).to_numpy()
    return [", ".join(filter(None, (f"{i} {n}".strip(), f"{d} {a}".strip()))) or name for i, n, d, a, name in rows]


def author_features(code):
    """One of the feature files that the paper's author published, where they are found.

    Parameters
    ----------
    code : str
        His instrument code, such as `klb` (clarinet) or `fl1` (flute).

    Returns
    -------
    (note_number, magnitudes) or None
        MIDI note, and (n_frames, 192) float64 linear constant-Q magnitudes; None where there is no such file.

    Source
    ------
    Original code: files are named `<code>_<note>_<md5>.npz`, their notes lie 12 below MIDI.
    """
    folder = sources.find("vsl_cqts")
    found = sorted(folder.glob(f"{code}_*.npz")) if folder else []
    if not found:
        return None
    with np.load(found[0]) as content:
        return int(found[0].name.split("_")[1]) + 12, content["cqt"][0]
