"""What a map holds, in figures: what the axes mean, which sounds are copies, what was skipped; the page that says so.

Source
------
Our choice: what sound archives and users of such maps ask for first. `OUT/report.html`; chapter 07.
"""

import html
from pathlib import Path
from string import Template

import numpy as np
import pandas as pd

from . import disputes, duplicates, geometry
from .dataset import Dataset
from .sounds.labels import note_name
from .store import Lazily

MEANINGS = {"note": "pitch", "centroid_hz": "brightness", "loudness_db": "loudness", "attack_s": "attack", "seconds": "length"}
BLOCK = 1_024  # pairs at a time
LISTED = 200  # rows of a table in the page; all are in the CSV files
COPIES = ["sound_a", "sound_b", "correlation", "path_a", "path_b"]


def names(table):
    """What to call each sound: its path in its library, after the library's name where there are several."""
    many = table["library"].nunique() > 1
    return [name if many else name.removeprefix(f"{library}/") for name, library in zip(table["sound_id"], table["library"])]


def axes(table):
    """What each axis goes with of what can be measured of a sound, see `geometry.axis_meanings`."""
    measured = table.assign(note=disputes.notes(table).astype("float64"))[list(MEANINGS)].rename(columns=MEANINGS)
    return geometry.axis_meanings(table[["x", "y", "z"]].to_numpy(), measured)


def copies(table, facts, magnitudes):
    """Pairs of sounds that are copies, exact ones and near ones, in one library or two; most alike first.

    Parameters
    ----------
    table : pandas.DataFrame
        The map.
    facts : pandas.DataFrame
        With `sketch`, in the same order.
    magnitudes : store.FeatureStore

    Returns
    -------
    pandas.DataFrame
        `sound_a, sound_b, correlation, path_a, path_b`.
    """
    sketches = np.frombuffer(b"".join(facts["sketch"]), np.float32).reshape(len(facts), -1)
    a, b = duplicates.candidates(sketches)
    sounds = Lazily(magnitudes, magnitudes.index().set_index("key").loc[table["checksum"]])
    likeness = np.zeros(len(a), np.float32)
    for first in range(0, len(a), BLOCK):  # the marks of many sounds do not fit into memory
        pair = slice(first, first + BLOCK)
        rows, place = np.unique([a[pair], b[pair]], return_inverse=True)
        parts = [sounds[i] for i in rows]
        marks = duplicates.fingerprint(Dataset(table.iloc[rows], np.concatenate(parts), np.array([len(part) for part in parts])))
        likeness[pair] = np.einsum("ij,ij->i", *marks[place.reshape(2, -1)])
    near = pd.DataFrame({"row_a": a, "row_b": b, "correlation": likeness})
    found = duplicates.listed(near, table["sound_id"]).sort_values("correlation", ascending=False, kind="stable")
    paths = table["path"].to_numpy()
    return found.assign(path_a=paths[found["row_a"]], path_b=paths[found["row_b"]])[COPIES]


def disputed(table):
    """Sounds whose name gives them another note than is heard: `sound_id`, and the notes `named, heard`, in the order of the map."""
    wrong = table[disputes.contradicted(table, table["note_estimate"])]
    notes = {title: wrong[column].map(lambda note: note_name(round(note))) for title, column in (("named", "note_number"), ("heard", "note_estimate"))}
    return wrong[["sound_id"]].assign(**notes)


def _table(rows, escape=True, **options):
    return rows.head(LISTED).to_html(escape=escape, border=0, index_names=False, na_rep="", float_format="{:.2f}".format, **options)


def _linked(rows, table):
    """`_table` of rows that name sounds: each name leads to its sound in the map."""
    row_of, shown = dict(zip(table["sound_id"], range(len(table)))), rows.head(LISTED)
    shown = shown.map(lambda value: html.escape(value) if isinstance(value, str) else value)
    for column in shown.columns.intersection(["sound_id", "sound_a", "sound_b"]):
        shown[column] = [f'<a href="index.html#{row_of[name]}">{text}</a>' for name, text in zip(rows[column], shown[column])]
    return _table(shown, escape=False, index=False)


def page(table, skipped, meanings, found, made):
    """The report as one page of HTML; names are text in it, whatever they are.

    Parameters
    ----------
    table, skipped : pandas.DataFrame
        The map, and `path, reason` of what is not in it.
    meanings : pandas.DataFrame
        From `axes`.
    found : pandas.DataFrame
        From `copies`.
    made : dict
        What `player.write_map` returned.
    """
    counts = table.groupby("library").agg(
        sounds=("path", "size"), minutes=("seconds", lambda s: s.sum() / 60), labeled=("instrument", "count"), pitched=("note_number", "count"),
    )
    lines = [f"{len(table):,} sounds, {table['seconds'].sum() / 60:,.1f} minutes, {made['page_bytes'] / 1e6:.1f} MB of page before a sound is pressed."]
    if n := int(table["cut"].sum()):
        lines.append(f"Files that are longer than a minute, of which the first is mapped: {n:,}.")
    wrong = disputed(table)
    reasons = skipped.groupby("reason").size().sort_values(ascending=False).rename("files").to_frame()
    parts = {
        "counts": _table(counts), "axes": _table(meanings),
        "instruments": _table(table["instrument"].value_counts().rename("sounds").to_frame()),
        "copies": _linked(found[["sound_a", "sound_b", "correlation"]], table) if len(found) else "<p>None.</p>",
        "disputes": "".join(_linked(each, table) for each in (disputes.by_instrument(table, table["note_estimate"]), wrong) if len(wrong)) or "<p>None.</p>",
        "n_disputed": f"{len(wrong):,}", "apart": disputes.APART,
        "reasons": _table(reasons) if len(reasons) else "<p>None.</p>",
        "skipped": _table(skipped, index=False) if len(skipped) else "",
        "lines": "".join(f"<p>{html.escape(line)}</p>" for line in lines), "n_copies": f"{len(found):,}", "n_skipped": f"{len(skipped):,}",
        "title": html.escape(", ".join(table["library"].unique())), "listed": LISTED,
    }
    return Template((Path(__file__).with_name("page") / "report.tmpl").read_text("utf-8")).substitute(parts)
