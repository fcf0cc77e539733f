"""From folders to what is heard of their files: which sounds there are, and features, places and previews of new ones.

Each content is heard once, in blocks, by local processes or by any `concurrent.futures` executor, and kept in shards that
are there whole or not at all.

Source
------
Our choice. `library` calls it.
"""

import os
import shutil
import signal
import unicodedata
from collections import deque
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, ProcessPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from multiprocessing import active_children, get_context
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout
from tqdm import tqdm

from .paths import replace_file
from .sounds import files
from .sounds.decode import NEEDS_FFMPEG
from .store import FeatureStore

CRASHED = "the process that listened to it crashed"
BLOCK = 128  # sounds a task and a shard
PREVIEW_BYTES = 60_000  # of 5 s, at most
COMPOSED = partial(unicodedata.normalize, "NFC")  # some systems take names apart: an accent is a letter of its own
LABELS = ["instrument", "note_number", "dynamics", "articulation", "kind"]


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
        with FileLock(out / ".lock", timeout=0):
            (out / files.MAP_MARK).open("a").close()  # stays where a system removes locks
            who.write_text(f"process {os.getpid()} on {os.uname().nodename if hasattr(os, 'uname') else 'this machine'}")
            try:
                yield
            finally:
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
    first = {}
    for folder in map(Path, folders):
        first.setdefault(folder.resolve(), folder)  # a link to one of them is no other
    for folder in first.values():
        name = folder.stem if folder.is_file() else folder.resolve().name
        name = name if name not in names else str(folder.resolve())
        names.add(name)
        read = files.manifest_table if folder.is_file() else files.folder_table
        tables.append(read(folder, name, name, checksums))
    table = pd.concat(tables, ignore_index=True).drop_duplicates("path", ignore_index=True)
    if labels:
        said = files.manifest_table(labels, checksum=lambda path: ("", ""))
        said = said.set_index(said["path"].map(COMPOSED))
        said = said[~said.index.duplicated()].reindex(table["path"].map(COMPOSED))
        listed = said["sound_id"].notna().to_numpy()
        if not listed.any():
            raise ValueError(f"expected {labels} to list files of these folders, found none of them: its paths start at its own folder")
        for column in LABELS:
            table[column] = table[column].where(~listed, said[column].to_numpy())
    stats = [checksums.stats.get(path, (0, 0)) for path in table["path"]]
    return table.assign(bytes=[size for size, _ in stats], modified_ns=[modified for _, modified in stats])


def cluster(address):
    """Executor of a Dask cluster, for `listen`; its workers must see the sounds and the weights under the same paths.

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
    except (OSError, ValueError, MemoryError) as error:  # the last where something else answers
        raise ValueError(f"expected a Dask scheduler at {address}, found none ({error}): start one by `dask scheduler`") from None


def stores(out, digest):
    """What is kept of the sounds of a map: magnitudes, and places with facts."""
    return FeatureStore(out / "frames", {"magnitudes": digest}), FeatureStore(out / "frames", {"places": digest}, np.float32)


def _pool(workers):
    """Processes that leave an interrupt from the keyboard to this one."""
    return ProcessPoolExecutor(workers, get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN))


def can_start():
    """Raise RuntimeError where no process can be started."""
    try:
        with _pool(1) as pool:
            pool.submit(int).result()
    except BrokenExecutor:
        raise RuntimeError(
            "expected processes to share the work, found that none can start: a script needs `if __name__ == \"__main__\":` around what it"
            " calls, and must be a file"
        ) from None


def _alone(block, call):
    """What a block gives in a process of its own, or where that dies in halves, down to the file that kills it."""
    with _pool(1) as pool:
        try:
            return [(block, pool.submit(*call(block)).result())]
        except BrokenExecutor:
            pass
    if len(block) == 1:
        return [(block, [CRASHED])]
    middle = len(block) // 2
    return _alone(block[:middle], call) + _alone(block[middle:], call)


def _tasks(paths, weights, digest, audio, executor, progress):
    """Hear files in blocks, by an executor: yields the places of each block in `paths`, and what `hear_many` gave."""
    from . import hearing  # needs torch: a second run without new files does not

    def call(block):
        return hearing.hear_many, [paths[i] for i in block], str(weights), digest, audio

    size = min(BLOCK, -(-len(paths) // 32))
    waiting = deque(range(i, min(i + size, len(paths))) for i in range(0, len(paths), size))
    workers = min(os.cpu_count() or 1, len(waiting))
    others, pool, most, jobs = active_children(), executor or _pool(workers), 1_000 if executor else 2 * workers, {}
    try:
        with tqdm(total=len(paths), unit=" files", desc="listen", disable=not progress) as bar:
            while waiting or jobs:
                heard = []
                try:
                    while waiting and len(jobs) < most:
                        jobs[pool.submit(*call(waiting[0]))] = waiting[0]
                        waiting.popleft()
                    done = wait(jobs, return_when=FIRST_COMPLETED).done
                    heard = [(jobs[job], job.result()) for job in done]
                    for job in done:
                        del jobs[job]
                except BrokenExecutor:  # a file killed a worker, and with it all that was under way
                    if executor:
                        raise
                    can_start()
                    heard = [each for block in jobs.values() for each in _alone(block, call)]
                    pool, jobs = _pool(workers), {}
                for block, found in heard:
                    yield block, found
                    bar.update(len(block))
    except BaseException:
        for process in set(active_children()).difference(others) if executor is None else ():
            process.terminate()  # what is under way is heard again in the next run
        raise
    finally:
        for job in jobs:
            job.cancel()
        if executor is None:
            pool.shutdown(cancel_futures=True)


def listen(table, out, weights, digest, audio, executor, progress, say):
    """Hear what is not known yet, and keep it, or the reason why it is no usable sound.

    Raises as `open_weights`, and ValueError where the network has not three dimensions.
    """
    from .weights import open_weights  # needs torch, as hearing does

    magnitudes, places = stores(out, digest)
    previews, known = out / "audio", places.index()
    previews.mkdir(exist_ok=True)
    have = {file.stem for file in previews.glob("*.mp3")}
    known = known[known["key"].isin(magnitudes.index()["key"])]
    if len(known) and shutil.which("ffmpeg"):  # perhaps it was not there
        known = known[~known["reason"].str.contains(NEEDS_FFMPEG)]
    known = known[known["reason"] != CRASHED]  # perhaps the machine was to blame
    if len(known) and audio:
        known = known[(known["reason"] != "") | known["key"].str[:16].isin(have)]
    new = table[(table["reason"] == "") & ~table["checksum"].isin(known["key"])].drop_duplicates("checksum")
    if not len(new):
        return
    n_dims = open_weights(weights)[1].n_dims  # a file that is no network is no fault of the sounds
    if n_dims != 3:
        raise ValueError(f"expected a network of three dimensions for a map, found {n_dims} in {weights}: name another file of weights")
    about = f"; previews take at most {len(new) * PREVIEW_BYTES / 1e6:,.1f} MB" if audio else ""
    say(f"{len(table):,} files, {len(new):,} of them to be heard{about}")
    paths, keys = new["path"].tolist(), new["checksum"].tolist()
    nothing = [np.zeros((0, 1)), np.zeros((0, 1)), {}, None]
    for block, heard in _tasks(paths, weights, digest, audio, executor, progress):
        names, reasons = [keys[i] for i in block], [found if isinstance(found, str) else "" for found in heard]
        x, z, facts, bodies = zip(*(nothing if isinstance(found, str) else found for found in heard))
        for key, body in zip(names, bodies):
            if body is not None:
                replace_file(previews / f"{key[:16]}.mp3", lambda path: path.write_bytes(body))
        magnitudes.write(names, x, reasons)
        places.write(names, z, reasons, pd.DataFrame(facts))
