"""A user's folders: mapped, kept up to date, opened again.

A map is a folder OUT. `frames/` keeps what was heard of each content (not each name) in shards that are there whole or not
at all, `audio/` its previews; all else is written anew from these and the folders as they are: `map.parquet`, one row a
sound, `skipped.csv`, `duplicates.csv`, `index.html` with its parts, `report.html`. So a run may be killed anywhere, and the
next one ends where an undisturbed one would have. The user's files are only read.

Source
------
Our choice. `python -m dml_lib map`; chapter 07.
"""

import errno
import io
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from . import store
from .intake import LABELS, held, listen, stores, walk
from .paths import Damaged, Run, replace_file, whole
from .sounds import files
from .sounds.decode import is_audio_name
from .store import Lazily

FACTS = ["seconds", "loudness_db", "centroid_hz", "attack_s", "note_estimate"]
COLUMNS = ["path", "x", "y", "z", "sound_id", "library", *LABELS, *FACTS, "cut", "checksum", "bytes", "modified_ns"]
PARTS = ("index.html", "data.js", "report.html", "duplicates.csv", "weights.safetensors")
HEARD = {"note_number": "pitch, told or estimated", "loudness_db": "loudness, dB", "centroid_hz": "brightness, Hz", "attack_s": "attack, s"}


def _rows(table, facts):
    """Rows of `map.parquet`: the sounds of the folders that were heard, with what was heard."""
    table = table[table["checksum"].isin(facts.index)]
    known = facts.reindex(columns=["x", "y", "z", *FACTS, "cut"]).loc[table["checksum"]].astype({"cut": bool}).reset_index(drop=True)
    rows = pd.concat([table.drop(columns="seconds").reset_index(drop=True), known], axis=1)[COLUMNS]
    return pd.read_parquet(io.BytesIO(rows.to_parquet(index=False)))  # of the types that they will have when they are read again


def read(out):
    """`map.parquet` of a map.

    Raises
    ------
    ValueError
        There is none.
    Damaged
        It is not whole.
    """
    path = Path(out) / "map.parquet"
    if not path.is_file():
        raise ValueError(f"expected a map in {out}, found no map.parquet: make one by `python -m dml_lib map FOLDER -o MAP`, and name MAP here")
    return whole(lambda file: pd.read_parquet(file)[COLUMNS], path, "a whole map", "delete it and make the map again")


def update(folders, out, weights, labels=None, audio=True, executor=None, progress=True, say=print):
    """Make the map of some folders, or bring it up to date: only new and changed files are heard.

    Parameters
    ----------
    folders : sequence of path
        Folders or CSV manifests, see `walk`. What an earlier map had of others is forgotten.
    out : path
    weights : path
        File of the network.
    labels : path, optional
        CSV of labels, see `walk`.
    audio : bool
        Make previews.
    executor : concurrent.futures.Executor, optional
        Who does the work, such as Dask's; a process for each core if not given.
    progress : bool
    say : callable

    Returns
    -------
    pandas.DataFrame
        The map, as `map.parquet`.

    Raises
    ------
    ValueError
        A folder that is none, no usable sound in any, or something in the place of the map that is no map.
    Busy
        Another process writes this map.
    RuntimeError
        No room on the disk.
    """
    out = Path(out)
    for folder in map(Path, folders):
        if not folder.exists():
            raise ValueError(f"expected a folder of sounds or a CSV file, found none at {folder}: check the name")
        if folder.is_file() and is_audio_name(folder):
            raise ValueError(f"expected a folder of sounds or a CSV file, found the sound {folder}: name its folder")
        own = [out / "frames", out / "audio"] if files.is_map(out) else [out]  # what is written over
        if folder.resolve() == out.resolve() or any(folder.is_dir() and folder.resolve().is_relative_to(each.resolve()) for each in own):
            raise ValueError(f"expected a place for the map that does not hold the sounds, found {out}, where {folder} lies: choose another -o")
    given = {Path(each).resolve() for each in (*folders, labels) if each}
    there = [out] if out.is_file() else [path for path in out.glob("[!.]*") if path.resolve() not in given]
    if there and not files.is_map(out):
        raise ValueError(f"expected a new folder, an empty one or a map, found {there[0]} at {out}: choose another -o")
    try:
        with held(out):
            return _update(folders, out, Path(weights), labels, audio, executor, progress, say)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise RuntimeError(f"expected room on the disk of {out}, found it full: make room and run the same command again") from None


def _update(folders, out, weights, labels, audio, executor, progress, say):
    digest = files.checksum(weights)[0]
    before = read(out) if (out / "map.parquet").is_file() else None
    last = out / "weights.safetensors"
    if before is not None and last.is_file() and files.checksum(last)[0] != digest:
        say(f"another network than before ({weights.name}): all sounds are heard again")
    table = walk(folders, before, labels)
    if not len(table):
        raise ValueError(f"expected audio files in {', '.join(map(str, folders))}, found none: choose a folder that holds sounds")
    listen(table, out, weights, digest, audio, executor, progress, say)
    known = stores(out, digest)[1].index().set_index("key")
    facts = known[known["reason"] == ""]
    after = _rows(table, facts)
    skipped = table.assign(reason=table["reason"].where(table["reason"] != "", table["checksum"].map(known["reason"])))
    skipped = skipped.loc[~skipped["path"].isin(after["path"]), ["path", "reason"]]
    replace_file(out / "skipped.csv", lambda path: skipped.to_csv(path, index=False))
    if not len(after):
        raise ValueError(f"expected sounds that can be read, found none in {len(table)} files: see {out / 'skipped.csv'}")
    state = store.digest(digest, audio, [str(Path(folder).resolve()) for folder in folders], skipped.to_numpy().tolist())
    done = out / ".state"
    if before is not None and before.equals(after) and all(f.is_file() for f in (done, *map(out.joinpath, PARTS))) and done.read_text() == state:
        say(f"nothing changed: {len(after):,} sounds, {len(skipped):,} files skipped")
        return after
    done.unlink(missing_ok=True)
    _write(out, table, before, after, facts, weights, digest, audio, skipped, say)
    done.write_text(state)
    return after


def _write(out, table, before, after, facts, weights, digest, audio, skipped, say):
    """All that a map shows, from what was heard."""
    from . import census, disputes, geometry, player
    from .weights import open_weights

    magnitudes, places = stores(out, digest)
    for file in (out / "frames").iterdir():
        if file.is_dir() and file not in (magnitudes.folder, places.folder):
            shutil.rmtree(file)  # of other weights
    for each in (magnitudes, places):
        each.forget(table["checksum"])
    if weights.resolve() != (out / "weights.safetensors").resolve():
        replace_file(out / "weights.safetensors", lambda path: shutil.copyfile(weights, path))
    replace_file(out / "map.parquet", lambda path: after.to_parquet(path, index=False))
    facts = facts.loc[after["checksum"]]
    copies = census.copies(after, facts, magnitudes)
    replace_file(out / "duplicates.csv", lambda path: copies.to_csv(path, index=False))
    axes = census.axes(after)
    kept = set(after["checksum"].str[:16])
    for file in (out / "audio").glob("*.mp3"):
        if file.stem not in kept or not audio:
            file.unlink()
    shown = after.assign(
        name=census.names(after), note_number=disputes.notes(after),
        preview=after["checksum"].str[:16] if audio else "", wave=facts["wave"].to_numpy(),
    )
    cfg = open_weights(weights)[1]
    made = player.write_map(
        out, shown, after[["x", "y", "z"]].to_numpy(), Lazily(places, facts), Lazily(magnitudes, _index(magnitudes, after)),
        title=", ".join(after["library"].unique()), axes=geometry.axis_titles(axes), columns=player.COLUMNS | HEARD, audio=None,
        frame_s=cfg.hop_length / cfg.sr, gain=cfg.gain,
    )
    replace_file(out / "report.html", lambda path: path.write_text(census.page(after, skipped, axes, copies, made), "utf-8"))
    cut = int(after["cut"].sum())
    gone = "" if before is None else f", {(~before['path'].isin(after['path'])).sum():,} of the last run gone or not in these folders"
    say(f"{len(after):,} sounds, {len(skipped):,} files skipped{gone}" + (f", {cut:,} cut after their first minute" if cut else ""))


def _index(kept, table):
    """Rows of a store's index in the order of a map; raises Damaged where they are not all there."""
    index = kept.index().set_index("key")
    if not table["checksum"].isin(index.index).all():
        raise Damaged(f"{kept.folder} does not hold all sounds of its map: run `python -m dml_lib map` with its folders again")
    return index.loc[table["checksum"]]


@dataclass
class Library:
    """A map opened again.

    Attributes
    ----------
    out : Path
    table : pandas.DataFrame
        Its `map.parquet`.
    """

    out: Path
    table: pd.DataFrame

    @classmethod
    def open(cls, out):
        """Open the map in a folder; raises as `read`."""
        return cls(Path(out), read(out))

    @cached_property
    def skipped(self):
        """What is not in it: `path, reason`."""
        return pd.read_csv(self.out / "skipped.csv")

    @cached_property
    def copies(self):
        """Pairs of sounds that are copies, see `census.copies`."""
        return pd.read_csv(self.out / "duplicates.csv")

    @cached_property
    def weights(self):
        """The file of its network; raises Damaged where it is gone."""
        file = self.out / "weights.safetensors"
        if not file.is_file():
            raise Damaged(f"expected the network of the map at {file}, found none: run `python -m dml_lib map` with its folders again")
        return file

    @cached_property
    def network(self):
        """(model, cfg)."""
        from .weights import open_weights

        return open_weights(self.weights)

    @cached_property
    def frame_s(self):
        """Seconds from one frame to the next."""
        cfg = self.network[1]
        return cfg.hop_length / cfg.sr

    @cached_property
    def points(self):
        """One place a sound, (n_sounds, n_dims), float32."""
        return self.table[["x", "y", "z"]].to_numpy(np.float32)

    @cached_property
    def places(self):
        """Places of the frames of each sound, a sequence of (n_frames, n_dims)."""
        kept = stores(self.out, files.checksum(self.weights)[0])[1]
        return Lazily(kept, _index(kept, self.table))

    @cached_property
    def heard(self):
        """All sounds with their frames, a `Dataset` at the levels of the files."""
        from .dataset import Dataset

        kept = stores(self.out, files.checksum(self.weights)[0])[0]
        frames, n_frames = kept.read(_index(kept, self.table).index.tolist())
        return Dataset(self.table, frames, n_frames)

    @cached_property
    def dataset(self):
        """The same at the level that the network hears: what paths are played with."""
        return self.heard.leveled(self.network[1].level)


def sounds(place, cfg):
    """The sounds of a map, or of a folder of sounds, at the level that a network hears them.

    Parameters
    ----------
    place : path
    cfg : Config
        Of the network.

    Returns
    -------
    Dataset

    Raises
    ------
    ValueError
        No folder, nothing usable in it, or a map with another front end.
    """
    from . import dataset

    place = Path(place).resolve()
    if (place / "map.parquet").is_file():
        found = Library.open(place)
        if found.network[1].front_end() != cfg.front_end():
            raise ValueError(f"expected the map {place} to have the front end of the network, found another: map its folders again")
        return found.heard.leveled(cfg.level)
    table = files.folder_table(place, place.name, place.name)
    if not len(table):
        raise ValueError(f"expected audio files in {place}, found none: choose a folder that holds sounds")
    run = Run("folders", f"_run/folders/{store.digest(str(place))}")
    data = dataset.analyze(table[table["reason"] == ""].reset_index(drop=True), cfg, run)[0]
    if not len(data):
        raise ValueError(f"expected audio files that can be read in {place}, found none: see {run.skipped}")
    return data.leveled(cfg.level)
