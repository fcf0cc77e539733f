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
import os
import shutil
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout
from tqdm import tqdm

from . import store
from .paths import Damaged
from .sounds import files
from .store import FeatureStore, Lazily

BLOCK = 128  # sounds a task and a shard
PREVIEW_BYTES = 60_000  # of 5 s, at most
LABELS = ["instrument", "note_number", "dynamics", "articulation", "kind"]
FACTS = ["seconds", "loudness_db", "centroid_hz", "attack_s", "note_estimate"]
COLUMNS = ["path", "x", "y", "z", "sound_id", "library", *LABELS, *FACTS, "cut", "checksum", "bytes", "modified_ns"]
TITLES = {
    "note": "pitch", "instrument": "instrument", "family": "family", "library": "source", "dynamics": "dynamics",
    "articulation": "articulation", "loudness_db": "loudness, dB", "centroid_hz": "brightness, Hz", "attack_s": "attack, s", "seconds": "seconds",
}


class Busy(RuntimeError):
    """Another process is writing the map."""


@contextmanager
def held(out):
    """Hold a map: nobody else writes it meanwhile.

    Raises
    ------
    Busy
        Says who does.
    """
    out.mkdir(parents=True, exist_ok=True)
    who = out / ".holder"
    try:
        with FileLock(out / files.MAP_MARK, timeout=0):
            who.write_text(f"process {os.getpid()} on {os.uname().nodename if hasattr(os, 'uname') else 'this machine'}")
            yield
            who.unlink(missing_ok=True)
    except Timeout:
        holder = who.read_text() if who.is_file() else "another process"
        raise Busy(f"expected {out} to be free, found it held by {holder}: wait until that is done, or choose another folder") from None


class Checksums:
    """Checksums of files, those known from the last run by size and time of change; sees each file's both."""

    def __init__(self, known):
        self.known, self.stats = known, {}

    def __call__(self, path):
        try:
            stat = os.stat(path)
            self.stats[path] = stat.st_size, stat.st_mtime_ns
        except (OSError, ValueError):  # `files.checksum` says what is wrong
            return files.checksum(path)
        found = self.known.get(path)
        return (found[1], "") if found and found[0] == self.stats[path] else files.checksum(path)


def walk(folders, known=None, labels=None):
    """The sounds of some folders and manifests, each a library by its name; a file that two of them hold counts for the first.

    Parameters
    ----------
    folders : sequence of path
        Folders, or CSV manifests (see `files.manifest_table`).
    known : pandas.DataFrame, optional
        The last `map.parquet`: files that did not change since are not read.
    labels : path, optional
        A manifest whose labels are taken for the files that it lists, whatever their names say.

    Returns
    -------
    pandas.DataFrame
        As `files.folder_table`, with `bytes` and `modified_ns`.

    Raises
    ------
    ValueError
        No such folder, or a manifest that cannot be read.
    """
    known = {} if known is None else {
        path: ((size, modified), checksum)
        for path, size, modified, checksum in known[["path", "bytes", "modified_ns", "checksum"]].itertuples(index=False)
    }
    checksums, tables, names = Checksums(known), [], set()
    for folder in map(Path, folders):
        name = folder.stem if folder.is_file() else folder.resolve().name
        name = name if name not in names else str(folder.resolve())
        names.add(name)
        read = files.manifest_table if folder.is_file() else files.folder_table
        tables.append(read(folder, name, name, checksums))
    table = pd.concat(tables, ignore_index=True).drop_duplicates("path", ignore_index=True)
    if labels:
        said = files.manifest_table(labels).set_index("path").reindex(table["path"])
        listed = said["sound_id"].notna().to_numpy()
        if not listed.any():
            raise ValueError(f"expected {labels} to list files of these folders, found none of them: its paths start at its own folder")
        for column in LABELS:
            table[column] = table[column].where(~listed, said[column].to_numpy())
    stats = [checksums.stats.get(path, (0, 0)) for path in table["path"]]
    return table.assign(bytes=[size for size, _ in stats], modified_ns=[modified for _, modified in stats])


def cluster(address):
    """Executor of a Dask cluster, for `update`; its workers must see the sounds and the weights under the same paths.

    Parameters
    ----------
    address : str
        Of its scheduler, such as tcp://10.0.0.1:8786.

    Raises
    ------
    ValueError
        Nobody answers there, or Dask is not installed.
    """
    try:
        from distributed import Client

        return Client(address).get_executor()
    except ImportError:
        raise ValueError("expected the package distributed for a cluster, found none: install dml_lib[cluster]") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"expected a Dask scheduler at {address}, found none ({error}): start one by `dask scheduler`") from None


def _stores(out, digest):
    """What is kept of the sounds of a map: magnitudes, and places with facts."""
    return FeatureStore(out / "frames", {"magnitudes": digest}), FeatureStore(out / "frames", {"places": digest}, np.float32)


def _tasks(paths, weights, digest, audio, executor, progress):
    """Hear files in blocks, by an executor: yields the places of each block in `paths`, and what `hear_many` gave."""
    from . import hearing  # needs torch: a second run without new files does not

    block = max(1, min(BLOCK, -(-len(paths) // 8)))
    blocks = [range(i, min(i + block, len(paths))) for i in range(0, len(paths), block)]
    own = executor or ProcessPoolExecutor(min(os.cpu_count() or 1, max(1, len(blocks))), mp_context=get_context("spawn"))
    jobs = {own.submit(hearing.hear_many, [paths[i] for i in each], str(weights), digest, audio): each for each in blocks}
    try:
        with tqdm(total=len(paths), unit=" files", desc="listen", disable=not progress) as bar:
            for job in as_completed(list(jobs)):
                each = jobs.pop(job)
                yield each, job.result()
                bar.update(len(each))
    finally:
        for job in jobs:
            job.cancel()
        if executor is None:
            own.shutdown(cancel_futures=True)


def _listen(table, out, weights, digest, audio, executor, progress, say):
    """Hear what is not known yet, and keep it, or the reason why it is no usable sound."""
    magnitudes, places = _stores(out, digest)
    previews, known = out / "audio", places.index()
    previews.mkdir(exist_ok=True)
    have = {file.stem for file in previews.glob("*.mp3")}
    if len(known) and shutil.which("ffmpeg"):  # perhaps it was not there
        known = known[~known["reason"].str.contains(" ffmpeg")]
    if len(known) and audio:
        known = known[(known["reason"] != "") | known["key"].str[:16].isin(have)]
    new = table[(table["reason"] == "") & ~table["checksum"].isin(known["key"])].drop_duplicates("checksum")
    if not len(new):
        return
    about = f"; previews take at most {len(new) * PREVIEW_BYTES / 1e6:,.1f} MB" if audio else ""
    say(f"{len(table):,} files, {len(new):,} of them new{about}")
    paths, keys = new["path"].tolist(), new["checksum"].tolist()
    nothing = [np.zeros((0, 1)), np.zeros((0, 1)), {}, None]
    for block, heard in _tasks(paths, weights, digest, audio, executor, progress):
        names, reasons = [keys[i] for i in block], [found if isinstance(found, str) else "" for found in heard]
        x, z, facts, bodies = zip(*(nothing if isinstance(found, str) else found for found in heard))
        for key, body in zip(names, bodies):
            if body is not None:
                _replace(previews / f"{key[:16]}.mp3", lambda path: path.write_bytes(body))
        magnitudes.write(names, _alike(x), reasons)
        places.write(names, _alike(z), reasons, pd.DataFrame(facts))


def _alike(arrays):
    """The arrays, those without rows as wide as the others."""
    width = max(a.shape[1] for a in arrays)
    return [a if len(a) else np.zeros((0, width)) for a in arrays]


def _rows(table, facts):
    """Rows of `map.parquet`: the sounds of the folders that were heard, with what was heard."""
    table = table[table["checksum"].isin(facts.index)]
    known = facts.reindex(columns=["x", "y", "z", *FACTS, "cut"]).loc[table["checksum"]].astype({"cut": bool}).reset_index(drop=True)
    return pd.concat([table.drop(columns="seconds").reset_index(drop=True), known], axis=1)[COLUMNS]


def _replace(path, write):
    """Let `write` make a file beside its place and rename it into that."""
    temporary = path.with_name(f".{path.name}.part")
    write(temporary)
    temporary.replace(path)


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
        raise ValueError(f"expected a map in {out}, found no map.parquet: make one by `python -m dml_lib map FOLDER -o {out}`")
    try:
        return pd.read_parquet(path)[COLUMNS]
    except Exception as error:  # pyarrow raises types of its own for each kind of damage
        raise Damaged(f"{path} is not a whole map ({error}): delete it and make the map again") from None


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
        A folder that is none, or no usable sound in any.
    Busy
        Another process writes this map.
    RuntimeError
        No room on the disk.
    """
    out = Path(out)
    for folder in map(Path, folders):
        if folder.resolve() == out.resolve():
            raise ValueError(f"expected another folder for the map than the one of the sounds, found {out} for both: choose another -o")
        if not folder.exists():
            raise ValueError(f"expected a folder of sounds or a CSV file, found none at {folder}: check the name")
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
    table = walk(folders, before, labels)
    if not len(table):
        raise ValueError(f"expected audio files in {', '.join(map(str, folders))}, found none: choose a folder that holds sounds")
    _listen(table, out, weights, digest, audio, executor, progress, say)
    known = _stores(out, digest)[1].index().set_index("key")
    facts = known[known["reason"] == ""]
    after = _rows(table, facts)
    skipped = table.assign(reason=table["reason"].where(table["reason"] != "", table["checksum"].map(known["reason"])))
    skipped = skipped.loc[~skipped["path"].isin(after["path"]), ["path", "reason"]]
    _replace(out / "skipped.csv", lambda path: skipped.to_csv(path, index=False))
    if not len(after):
        raise ValueError(f"expected sounds that can be read, found none in {len(table)} files: see {out / 'skipped.csv'}")
    state = store.digest(digest, audio, [str(Path(folder).resolve()) for folder in folders])
    done = out / ".state"
    if before is not None and before.equals(after) and done.is_file() and done.read_text() == state and (out / "index.html").is_file():
        say(f"nothing changed: {len(after):,} sounds, {len(skipped):,} files skipped")
        return after
    done.unlink(missing_ok=True)
    _write(out, table, after, facts, weights, digest, audio, skipped, say)
    done.write_text(state)
    return after


def _write(out, table, after, facts, weights, digest, audio, skipped, say):
    """All that a map shows, from what was heard."""
    from . import census, player

    magnitudes, places = _stores(out, digest)
    for file in (out / "frames").iterdir():
        if file not in (magnitudes.folder, places.folder):
            shutil.rmtree(file)  # of other weights
    for each in (magnitudes, places):
        each.forget(table["checksum"])
    _replace(out / "map.parquet", lambda path: after.to_parquet(path, index=False))
    if weights.resolve() != (out / "weights.safetensors").resolve():
        _replace(out / "weights.safetensors", lambda path: shutil.copyfile(weights, path))
    facts = facts.loc[after["checksum"]]
    copies = census.copies(after, facts, magnitudes)
    _replace(out / "duplicates.csv", lambda path: copies.to_csv(path, index=False))
    axes = census.axes(after)
    kept = set(after["checksum"].str[:16])
    for file in (out / "audio").glob("*.mp3"):
        if file.stem not in kept or not audio:
            file.unlink()
    shown = after.assign(
        name=census.names(after), note=after["note_number"].astype("Float64").fillna(after["note_estimate"].round()),
        preview=after["checksum"].str[:16] if audio else "", wave=facts["wave"].to_numpy(),
    )
    made = player.write_map(
        out, shown, after[["x", "y", "z"]].to_numpy(), Lazily(places, facts), Lazily(magnitudes, _index(magnitudes, after)),
        title=", ".join(after["library"].unique()), axes=census.titles(axes), columns=TITLES, audio=None,
    )
    _replace(out / "report.html", lambda path: path.write_text(census.page(after, skipped, axes, copies, made), "utf-8"))
    cut = int(after["cut"].sum())
    say(f"{len(after):,} sounds, {len(skipped):,} files skipped" + (f", {cut:,} cut after their first minute" if cut else ""))


def _index(kept, table):
    """Rows of a store's index in the order of a map."""
    return kept.index().set_index("key").loc[table["checksum"]]


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
        """The file of its network."""
        return self.out / "weights.safetensors"

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
        kept = _stores(self.out, files.checksum(self.weights)[0])[1]
        return Lazily(kept, _index(kept, self.table))

    @cached_property
    def dataset(self):
        """All sounds with their frames, at the level that the network hears them: what paths are played with."""
        from .dataset import Dataset

        kept = _stores(self.out, files.checksum(self.weights)[0])[0]
        frames, n_frames = kept.read(self.table["checksum"].tolist())
        return Dataset(self.table, frames, np.cumsum(n_frames) - n_frames, n_frames).leveled(self.network[1].level)
