"""Named sources of sound, how each is found, and the one table of sounds of a run."""

import importlib.util
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pooch

from .. import paths
from ..config import check_name
from . import soundfont

SYSTEM_FOLDERS = ("/usr/share/sounds/sf2", "/usr/share/soundfonts", "/usr/local/share/soundfonts", "/opt/homebrew/share/soundfonts")


class SourceMissing(FileNotFoundError):
    """A source is not on this machine; the message says how to get it."""


@dataclass(frozen=True)
class Source:
    """One source of sounds.

    Attributes
    ----------
    name : str
        Key in `SOURCES`; the `library` of its rows.
    family : str
        Sources that share recordings share a family; `held_out` splits never cut through one.
    file : str
        File name looked for in the usual folders and in `data/`.
    package : str
        Python package that contains the file, or "".
    debian : str
        Debian package that contains the file, or "".
    licence, citation : str
    """

    name: str
    family: str
    file: str
    licence: str
    citation: str
    package: str = ""
    debian: str = ""

    def how(self):
        """One sentence: what to do to get it."""
        if self.package:
            return f"Install the Python package {self.package}, which contains it."
        return (
            f"Run `python -m dml_lib fetch {self.name}`, or install the Debian package {self.debian}, "
            f"or put {self.file} into {paths.DATA}."
        )


SOURCES = {
    s.name: s
    for s in (
        Source(
            "timgm6mb", "timgm", "TimGM6mb.sf2", "GPL-2.0",
            "Tim Brechbill, TimGM6mb; shipped inside pretty_midi", package="pretty_midi",
        ),
        Source(
            "fluidr3", "fluid", "FluidR3_GM.sf2", "MIT",
            "Frank Wen, Fluid (R3) General MIDI SoundFont", debian="fluid-soundfont-gm",
        ),
    )
}


def find(name):
    """The file of a source, or None when it is not on this machine."""
    source = SOURCES[check_name("source", name, SOURCES)]
    folders = [paths.DATA, *map(Path, SYSTEM_FOLDERS)]
    if source.package and (spec := importlib.util.find_spec(source.package)):
        folders.insert(0, Path(spec.submodule_search_locations[0]))
    return next((folder / source.file for folder in folders if (folder / source.file).is_file()), None)


def locate(name):
    """The file of a source.

    Raises
    ------
    SourceMissing
        With one sentence that says how to get it.
    """
    found = find(name)
    if found is None:
        raise SourceMissing(f"source {name!r} ({SOURCES[name].file}) is not on this machine. {SOURCES[name].how()}")
    return found


def fetch(name):
    """Get a source without touching the system: found, else the Debian package unpacked into `data/`.

    Raises
    ------
    SourceMissing
        It could not be had; the message says what else to do.
    """
    if found := find(name):
        return found
    source = SOURCES[name]
    tools = [tool for tool in ("apt-get", "dpkg-deb") if not shutil.which(tool)]
    if not source.debian or tools:
        raise SourceMissing(f"cannot fetch {name!r} here (missing: {', '.join(tools) or 'a download'}). {source.how()}")
    paths.DATA.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=paths.DATA) as tmp:
        for command in (["apt-get", "download", source.debian], ["sh", "-c", "dpkg-deb -x *.deb ."]):
            done = subprocess.run(command, cwd=tmp, capture_output=True, text=True)
            if done.returncode:
                reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
                raise SourceMissing(f"cannot fetch {name!r}: {' '.join(command[:2])} said {reason!r}. {source.how()}")
        inside = next(Path(tmp).rglob(source.file), None)
        if inside is None:
            raise SourceMissing(f"{source.debian} holds no {source.file}. {source.how()}")
        inside.replace(paths.DATA / source.file)
    return paths.DATA / source.file


def status():
    """One row a source: found or not, where, size, licence, how to get it."""
    rows = []
    for source in SOURCES.values():
        where = find(source.name)
        rows.append({
            "source": source.name, "found": where is not None, "family": source.family, "licence": source.licence,
            "MB": round(where.stat().st_size / 1e6, 1) if where else None, "where": str(where or source.how()),
        })
    return pd.DataFrame(rows)


def table(cfg):
    """The table of sounds of a run, one row a sound.

    Returns
    -------
    pandas.DataFrame
        The recipe columns of `soundfont.recipes` and `source_family`, `checksum` (sha256 of the source file).

    Raises
    ------
    SourceMissing
        A source of `cfg.sources` is not on this machine.
    """
    tables = []
    share = -(-cfg.sounds_per_instrument // len(cfg.sources))
    for name in cfg.sources:
        checksum = pooch.file_hash(str(locate(name)))
        rows = soundfont.recipes(name, share, cfg.note_step, cfg.seed)
        tables.append(rows.assign(source_family=SOURCES[name].family, checksum=checksum))
    return pd.concat(tables, ignore_index=True)


def audio(row):
    """The sound of one row of the table.

    Returns
    -------
    y : np.ndarray, (n_samples,), float32
        Mono.
    sr : int
        Hz.
    """
    path = locate(row["library"])
    return soundfont.render(path, row["instrument"], int(row["note_number"]), int(row["velocity"]), row["seconds"]), soundfont.SR


def author_features(code):
    """One of the feature files that the paper's author published, when `DML_DATA` has them.

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
    folder = paths.user_data()
    files = sorted((folder / "vsl_cqts").glob(f"{code}_*.npz")) if folder else []
    if not files:
        return None
    with np.load(files[0]) as content:
        return int(files[0].name.split("_")[1]) + 12, content["cqt"][0]
