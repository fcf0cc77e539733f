"""Sound in the page: labeled audio elements, and the audible map, a folder that opens without a network or a server.

Names and labels come from strangers. In the map's page they are data in a script, shown as text; its files are named by
checksums, so that nothing in a name can point out of the folder.
"""

import base64
import hashlib
import html
import json
import os
import tempfile
from pathlib import Path
from string import Template

import numpy as np
import pandas as pd
from IPython.display import HTML

from . import previews
from .previews import MAX_PREVIEW_S, mp3
from .sounds import catalog
from .palette import coded, stops_of

MAX_EMBEDDED = 30_000_000  # bytes; a larger page is slow to open and to send
PAGE = Path(__file__).with_name("page")
PART = 50  # sounds a file of details
RANKS = np.linspace(0, 1, 101)  # at which the values of a column of numbers are known to the page
AXES = ("axis 1", "axis 2", "axis 3")
COLUMNS = {
    "note_number": "pitch", "instrument": "instrument", "family": "family", "dynamics": "dynamics", "articulation": "articulation",
    "library": "source", "random": "split", "seconds": "seconds",
}


def listen(sounds, max_seconds=MAX_PREVIEW_S):
    """Labeled audio elements, embedded in the page: they play offline and in every browser.

    Parameters
    ----------
    sounds : dict of str to (y, sr)
        Label: mono samples and Hz.
    max_seconds : float
        Longer sounds are cut.

    Returns
    -------
    IPython.display.HTML
    """
    parts = []
    for label, (y, sr) in sounds.items():
        data = base64.b64encode(mp3(y[:round(max_seconds * sr)], sr)).decode()
        text = html.escape(label, quote=True)
        parts.append(
            f'<figure style="display:inline-block;margin:0.4em"><figcaption>{text}</figcaption>'
            f'<audio controls preload="metadata" aria-label="{text}" src="data:audio/mpeg;base64,{data}"></audio></figure>'
        )
    return HTML("".join(parts))


def script_text(value):
    """JSON that may stand in a script element, whatever the strings in it: ASCII alone, without `<`."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")


def _b64(values, dtype):
    return base64.b64encode(np.ascontiguousarray(values, dtype).tobytes()).decode()


def _column(key, title, values):
    """What the page needs of one column of the table: a number a sound, or categories with color and shape."""
    empty = values.isna().to_numpy()
    if values.dtype.kind in "iuf":
        numbers, notes = values.to_numpy(np.float32, na_value=np.nan), key == "note_number"
        knots = np.quantile(numbers[~empty], [0, 1] if notes else RANKS, method="nearest").tolist()
        about = {"notes": notes, "unit": "s" if key == "seconds" else "", "scale": stops_of("Viridis"), "knots": knots}
        return {"key": key, "title": title, "kind": "number", "data": _b64(numbers, "<f4"), "varied": knots[0] < knots[-1]} | about
    codes, looks = coded(key, values)
    colors, shapes = zip(*looks.values())
    about = {"values": list(looks), "colors": colors, "shapes": shapes, "data": _b64(codes, "<u2"), "varied": len(looks) > 1}
    return {"key": key, "title": title, "kind": "category"} | about


def _data(table, points, keys, title, axes, columns, frame_s, parts, embed):
    names = next((table[key] for key in ("name", "path") if key in table), pd.Series(None, table.index, object))
    if names.isna().any():
        names = names.fillna(pd.Series(catalog.titles(table), table.index))
    files = next((table[key].fillna("") for key in ("file", "path") if key in table), names.map(lambda _: ""))
    table = catalog.with_family(table)
    used = [_column(key, what, table[key]) for key, what in columns.items() if key in table and table[key].notna().any()]
    return {
        "title": title, "axes": list(axes), "names": names.astype(str).tolist(), "files": files.astype(str).tolist(),
        "points": _b64(points, "<f4"), "audio": keys, "columns": used or [_column("sounds", "sounds", files.map(lambda _: "sounds"))],
        "part": PART, "parts": parts, "bins": previews.BINS, "frame_s": frame_s, "scale": stops_of("Magma"), "embedded": embed,
    }


def _detail(i, keys, waves, trajectories, pictures, gain, folder):
    """What the page shows of one sound when it is pressed; with its preview where `folder` is given."""
    row = {} if waves[i] is None else {"w": _b64(waves[i], "u1")}
    if trajectories is not None:
        row["p"] = _b64(trajectories[i], "<f4")
    if pictures is not None:
        row["q"] = _b64(previews.thumbnail(pictures[i], gain), "u1")
    if folder and keys[i]:
        row["a"] = "data:audio/mpeg;base64," + base64.b64encode((folder / f"{keys[i]}.mp3").read_bytes()).decode()
    return row


def _write_page(out, data, details, embed):
    """`index.html` and its parts, or all of them inside it; the number of bytes read before the first sound."""
    texts = {name: (PAGE / name).read_text("utf-8") for name in ("map.css", "scene.js", "map.js")}
    texts["data.js"] = f"const DATA = {script_text(data)};\n"
    scripts = ["data.js", "scene.js", "map.js"]
    if embed:
        texts["detail.js"] = "".join(details)
        parts = [texts["map.css"]] + [texts[name] for name in scripts + ["detail.js"]]
        sums = [f"'sha256-{base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()}'" for part in parts]
        style, tags = f"<style>{parts[0]}</style>", [f"<script>{part}</script>" for part in parts[1:]]
        allowed = {"style": sums[0], "script": " ".join(sums[1:])}
    else:
        style, tags = '<link rel="stylesheet" href="map.css">', [f'<script src="{name}"></script>' for name in scripts]
        allowed = {"style": "'self' file:", "script": "'self' file:"}
    policy = "default-src 'none'; media-src 'self' file: data:; style-src {style}; script-src {script}".format(**allowed)
    page = Template((PAGE / "map.tmpl").read_text("utf-8")).substitute(policy=policy, style=style, scripts="\n".join(tags))
    if embed and len(page) > MAX_EMBEDDED:
        raise ValueError(f"expected a page of at most {MAX_EMBEDDED / 1e6:.0f} MB, found {len(page) / 1e6:.1f} MB: use fewer sounds, or embed=False")
    if not embed:
        (out / "detail").mkdir(exist_ok=True)
        written = set()
        for part, text in enumerate(details):  # one at a time: together they may not fit into memory
            written.add(f"{part:05d}.js")
            (out / "detail" / f"{part:05d}.js").write_text(text, "utf-8")
        for old in (out / "detail").glob("[0-9]*.js"):
            if old.name not in written:
                old.unlink()
        for name, text in texts.items():
            (out / name).write_text(text, "utf-8")
    temporary = out / "index.tmp"
    temporary.write_text(page, "utf-8")
    temporary.replace(out / "index.html")
    return len(page) + (0 if embed else sum(map(len, texts.values())))


def write_map(
    out, table, points, trajectories=None, pictures=None, audio=catalog.audio, title="Map of sounds", axes=AXES, columns=COLUMNS,
    frame_s=0.05, gain=50.0, embed=False, progress=True, say=print, max_seconds=MAX_PREVIEW_S, first=None,
):
    """Write the audible map of some sounds: a folder whose `index.html` plays them from `file://`, without a network.

    Parameters
    ----------
    out : path
        Folder; only what this function writes is replaced or removed in it.
    table : pandas.DataFrame, n_sounds rows
        `name`, else `path`, else `catalog.titles` names a sound. Those of `columns` that it has color, filter and label;
        each may have gaps. A saved selection lists its `file`, else its `path`, else its preview. A `checksum` lets an
        earlier preview be used again.
    points : np.ndarray, (n_sounds, 3)
    trajectories : sequence of np.ndarray, (n_frames, 3), optional
        The path of each sound, `frame_s` seconds a step.
    pictures : sequence of np.ndarray, (n_frames, n_bins), optional
        Linear constant-Q magnitudes of each sound.
    audio : callable or None
        From a row to (y, sr); previews are cut at `max_seconds`. None: what is there already, see `previews.ready`.
    title : str
    axes : sequence of 3 str
        What to call the axes.
    columns : dict of str to str
        Columns of the table and what to call them.
    frame_s, gain : float
        Seconds a frame, and the compression of `pictures`.
    embed : bool
        Everything in `index.html` alone, to be sent as one file.
    progress : bool
    say : callable
        Told how large the sound will be, before most of it is made.
    first : int, optional
        Row of the sound that is shown, and not played, when the page opens, with its whole path in view.

    Returns
    -------
    dict
        `sounds`, `previews`, `audio_bytes`, `page_bytes` (what is read before the first sound).

    Raises
    ------
    ValueError
        No sounds, points that do not fit the table or are not finite, or an embedded page above 30 MB.
    """
    points, n, out = np.asarray(points, np.float32), len(table), Path(out)
    if not n or points.shape != (n, 3) or not np.isfinite(points).all():
        raise ValueError(f"expected a finite place (x, y, z) for each of at least one sound, found {points.shape} for {n} sounds")
    out.mkdir(parents=True, exist_ok=True)
    table = table.reset_index(drop=True)
    with tempfile.TemporaryDirectory() as elsewhere:
        folder = Path(elsewhere) if embed else out / "audio"
        keys, waves, size = previews.write(folder, table, audio, progress, say, max_seconds) if audio else previews.ready(folder, table)
        about = keys, waves, trajectories, pictures, gain, folder if embed else None
        parts = range(0, n, PART) if any(keys) or trajectories is not None or pictures is not None else ()
        details = (
            f"DETAIL({start // PART}, {script_text([_detail(i, *about) for i in range(start, min(start + PART, n))])});\n" for start in parts
        )
        way = () if first is None or trajectories is None else trajectories[first]
        data = _data(table, points, keys, title, axes, columns, frame_s, len(parts), embed) | {"first": first, "way": _b64(way, "<f4")}
        page_bytes = _write_page(out, data, details, embed)
    return {"sounds": n, "previews": sum(map(bool, keys)), "audio_bytes": size, "page_bytes": page_bytes}


def show(folder, height=820):
    """The map in a page of the book or, in a live Jupyter that cannot see other folders, where to open it.

    Parameters
    ----------
    folder : path
        What `write_map` wrote; for the book, `Run.page_file(name)`.
    height : int
        Pixels.

    Returns
    -------
    IPython.display.HTML
    """
    folder = Path(folder).resolve()
    if os.environ.get("DML_BOOK"):
        src = html.escape(f"../{folder.name}/index.html", quote=True)
        return HTML(Template((PAGE / "frame.tmpl").read_text("utf-8")).substitute(src=src, height=height))
    index = folder / "index.html"
    return HTML(f'<p>The map: <a href="{html.escape(index.as_uri(), quote=True)}">{html.escape(str(index))}</a>, to be opened in a browser.</p>')
