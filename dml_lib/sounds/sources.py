"""Named sources of sound: what each is, how it is found, how it is got.

Conventions: a source is a soundfont (one file, rendered), recordings (a folder of files) or features (a folder of
arrays). It is looked for in `data/`, in the reader's folder `DML_DATA`, and a soundfont also in the system's folders;
nothing outside `data/` is ever written. Sources of one `family` share recordings, so no split may cut through it.

Source
------
Families: our measurement of log-CQT correlations. The rest: the publishers. Used by the chapter `01_sounds`.
"""

import importlib.util
import shutil
import subprocess
import tempfile
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pooch

from .. import paths
from ..config import check_name

SYSTEM_FOLDERS = (
    "/usr/share/sounds/sf2", "/usr/share/soundfonts", "/usr/local/share/soundfonts", "/opt/homebrew/share/soundfonts",
)
NAMED_NOTES = "**/*_*_*.*"  # instrument_note_..., which a README is not


class SourceMissing(FileNotFoundError):
    """A source is not on this machine; the message says how to get it."""


@dataclass(frozen=True)
class Source:
    """One source of sounds.

    Attributes
    ----------
    name : str
        Key in `SOURCES`, the `library` of its rows, and the name of its folder.
    kind : str
        "soundfont", "recordings", "features" or "listening tests".
    family : str
        Sources that share recordings share a family; `held_out` splits never cut through one.
    instruments, licence, citation : str
    file : str
        A soundfont's file name, or a pattern of it; "" for the other kinds.
    holds : str
        What the folder `name` holds when it is this source, a pattern; "" where there is no such folder.
    package, debian : str
        The Python or Debian package that contains `file`, or "".
    url : str
        A .zip with a folder `audio` in it, or a soundfont; "" where nothing is fetched.
    home : str
        Where people get it.
    sha256 : str
        Of the file that was seen and used here, or "".
    """

    name: str
    kind: str
    family: str
    instruments: str
    licence: str
    citation: str
    file: str = ""
    holds: str = ""
    package: str = ""
    debian: str = ""
    url: str = ""
    home: str = ""
    sha256: str = ""

    def how(self):
        """One sentence: what to do to get it."""
        if self.package:
            return f"Install the Python package {self.package}, which contains it."
        ways = []
        if self.debian or self.url:
            ways.append(f"run `python -m dml_lib fetch {self.name}`")
        if self.debian:
            ways.append(f"install the Debian package {self.debian}")
        if self.file:
            ways.append(f"put {self.file} into {paths.DATA}")
        else:
            ways.append(f"unpack what {self.home} offers into {paths.DATA / self.name} or $DML_DATA/{self.name}")
        sentence = ", or ".join(ways)
        return f"{sentence[0].upper()}{sentence[1:]}."


SOURCES = {
    s.name: s
    for s in (
        Source(
            "timgm6mb", "soundfont", "timgm", "General MIDI", "GPL-2.0",
            "Tim Brechbill, TimGM6mb; shipped inside pretty_midi", "TimGM6mb.sf2", package="pretty_midi",
            sha256="82475b91a76de15cb28a104707d3247ba932e228bada3f47bba63c6b31aaf7a1",
        ),
        Source(
            "fluidr3", "soundfont", "fluid", "General MIDI", "MIT",
            "Frank Wen, Fluid (R3) General MIDI SoundFont", "FluidR3_GM.sf2", debian="fluid-soundfont-gm",
            sha256="74594e8f4250680adf590507a306655a299935343583256f3b722c48a1bc1cb0",
        ),
        Source(
            "musescore_general", "soundfont", "fluid", "General MIDI", "MIT, parts CC0 or public domain",
            "S. Christian Collins, Michael Cowgill and Frank Wen, MuseScore_General_HQ", "MuseScore_General_Full.sf2",
            debian="musescore-general-soundfont-lossless",
            sha256="59287cbb0f424ec76d1bc269eee40dfe0b02252588d72eb016b5d2382e710a8f",
        ),
        Source(
            "csound_gm", "soundfont", "timgm", "General MIDI", "public domain",
            "GM GS Bank, sf_GMbank.sf2; shipped with Csound", "sf_GMbank.sf2", debian="csound-soundfont",
            sha256="9f39fc53bd3a1a69f13cb486838944eded358b3b6e8afbd6c1c2c33675b2034b",
        ),
        Source(
            "generaluser_gs", "soundfont", "generaluser", "General MIDI", "GeneralUser GS License 2.0, free for music",
            "S. Christian Collins, GeneralUser GS", "GeneralUser*GS*.sf2", holds=NAMED_NOTES,
            url="https://raw.githubusercontent.com/mrbumpy409/GeneralUser-GS/main/GeneralUser-GS.sf2",
        ),
        Source(
            "generaluser_147", "soundfont", "generaluser", "General MIDI", "GeneralUser GS License 2.0, free for music",
            "S. Christian Collins, GeneralUser GS 1.47; shipped with KDE Minuet", "GeneralUser-v1.47.sf2", debian="minuet-data",
            sha256="226bdc28613368ce9b740ecf0748618c575657f19b9c88eada1a50b060ef7eba",
        ),
        Source(
            "sonivox", "soundfont", "sonivox", "General MIDI", "Apache-2.0",
            "Sonic Network Inc., Sonivox EAS wavetable; shipped with alphaTab", "sonivox.sf2",
            url="https://cdn.jsdelivr.net/npm/@coderline/alphatab@1.8.4/dist/soundfont/sonivox.sf2",
            sha256="4978cf37e7164206f2d22dc4fdf4020ffe040787210bf781e31bdc79961f59ef",
        ),
        Source(
            "philharmonia", "recordings", "philharmonia", "19 of the orchestra, and percussion",
            "CC BY-SA 3.0, not to be sold or offered as samples", "Philharmonia Orchestra, sound samples",
            holds=NAMED_NOTES,
            url="https://github.com/skratchdot/philharmonia-samples/archive/refs/heads/gh-pages.zip",
            home="github.com/skratchdot/philharmonia-samples",
        ),
        Source(
            "tinysol", "recordings", "tinysol", "14 of the orchestra", "CC BY 4.0",
            "Cella et al., OrchideaSOL: a dataset of extended instrumental techniques, 2020; zenodo.3685367",
            holds="**/TinySOL_metadata.csv", home="doi.org/10.5281/zenodo.3685367",
        ),
        Source(
            "nsynth", "recordings", "nsynth", "1,006 in 11 families", "CC BY 4.0",
            "Engel et al., Neural audio synthesis of musical notes with WaveNet autoencoders, 2017; arXiv:1704.01279",
            holds="**/examples.json", home="magenta.tensorflow.org/datasets/nsynth",
        ),
        Source(
            "vsl_cqts", "features", "vsl", "8 of the paper's 24", "MIT for the features; the sounds are commercial",
            "Eric J. Humphrey, icml16-dml, 2016", holds="*.npz", home="github.com/ejhumphrey/icml16-dml",
        ),
        Source(
            "timbre_ratings", "listening tests", "timbre_ratings", "those of published timbre studies", "none stated: for evaluation only",
            "tiianhk, timbremetrics, and the studies that its folders name", holds="*/dissimilarity.txt", home="github.com/tiianhk/timbremetrics",
        ),
    )
}


def _roots():
    return [root for root in (paths.DATA, paths.user_data()) if root]


def folder(name):
    """The folder of a source's recordings or features, or None when it is not on this machine."""
    source = SOURCES[check_name("source", name, SOURCES)]
    places = [root / name for root in _roots() if source.holds]
    return next((place for place in places if next(place.glob(source.holds), None)), None)


def find(name):
    """The file or folder of a source, or None when it is not on this machine; a soundfont goes before its notes."""
    source = SOURCES[check_name("source", name, SOURCES)]
    if not source.file:
        return folder(name)
    places = [*_roots(), *map(Path, SYSTEM_FOLDERS)]
    if source.package and (spec := importlib.util.find_spec(source.package)):
        places.insert(0, Path(spec.submodule_search_locations[0]))
    matches = (path for place in places for path in sorted(place.glob(source.file)) if path.is_file())
    return next(matches, None) or folder(name)


def kind(name):
    """What a source is on this machine: "recordings" too for a soundfont of which only a folder of notes is here."""
    found = find(name)
    return "recordings" if SOURCES[name].file and found and found.is_dir() else SOURCES[name].kind


def soundfont_file(name):
    """The file of a source to render.

    Raises
    ------
    SourceMissing
        It is not here, or no soundfont; one sentence says how to get it.
    """
    found, source = find(name), SOURCES[name]
    if found is None:
        raise SourceMissing(f"source {name!r} ({source.file or source.kind}) is not on this machine. {source.how()}")
    if not found.is_file():
        raise SourceMissing(f"source {name!r}: expected a soundfont, found the folder {found}. {source.how()}")
    return found


def _unpack(source, into):
    """The soundfont in a Debian package, and its name in `data/`."""
    if tools := [tool for tool in ("apt-get", "dpkg-deb") if not shutil.which(tool)]:
        raise SourceMissing(f"cannot fetch {source.name!r} here (missing: {', '.join(tools)}). {source.how()}")
    for command in (["apt-get", "download", source.debian], ["sh", "-c", "dpkg-deb -x *.deb ."]):
        done = subprocess.run(command, cwd=into, capture_output=True, text=True)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
            said = f"{' '.join(command[:2])} said {reason!r}"
            raise SourceMissing(f"cannot fetch {source.name!r}: {said}. {source.how()}")
    if inside := next(into.rglob(source.file), None):
        return inside, source.file
    raise SourceMissing(f"{source.debian} holds no {source.file}. {source.how()}")


def _download(source, into):
    """The file at the address of a source, or the folder `audio` of an archive there, and its name in `data/`."""
    name = source.url.rpartition("/")[2]
    pooch.get_logger().setLevel("WARNING")  # else it asks for a checksum that nobody has seen the right file for
    unzip = pooch.Unzip(extract_dir="all") if name.endswith(".zip") else None
    got = pooch.retrieve(source.url, None, fname=name, path=into, processor=unzip, progressbar=True)
    if not unzip:
        return Path(got), name
    inside = next(into.glob("all/*/audio"), None)
    if inside and next(inside.glob(source.holds), None):
        return inside, source.name
    raise SourceMissing(f"{source.url} holds no folder audio with sounds in it. {source.how()}")


def fetch(name):
    """Get a source without touching the system: found, else a Debian package or a download unpacked into `data/`.

    Warns
    -----
    UserWarning
        The file is not the one that was seen when its checksum was recorded.

    Raises
    ------
    SourceMissing
        It could not be had; the message says what else to do.
    """
    found, source = find(name), SOURCES[name]
    if found is None and not source.debian and not source.url:
        raise SourceMissing(f"cannot fetch {name!r} here (missing: a download). {source.how()}")
    if found is None:
        try:
            paths.DATA.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=paths.DATA) as tmp:
                inside, called = (_unpack if source.debian else _download)(source, Path(tmp))
                found = inside.replace(paths.DATA / called)
        except SourceMissing:
            raise
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            reason = f"{type(error).__name__}: {error}"[:200]
            raise SourceMissing(f"cannot fetch {name!r} ({reason}). {source.how()}") from None
    if source.sha256 and pooch.file_hash(str(found)) != source.sha256:
        warnings.warn(f"{found} is not the {source.file} that this project has seen: figures may differ", stacklevel=2)
    return found


def status():
    """One row a source: kind, found or not, family, instruments, licence, size, and where it is or how to get it."""
    rows = []
    for source in SOURCES.values():
        where = find(source.name)
        inside = [path for path in (where, *where.rglob("*")) if path.is_file()] if where else []
        rows.append({
            "source": source.name, "kind": kind(source.name), "found": where is not None, "family": source.family,
            "instruments": source.instruments, "licence": source.licence,
            "MB": round(sum(path.stat().st_size for path in inside) / 1e6, 1) if inside else None,
            "where": str(where or source.how()),
        })
    return pd.DataFrame(rows)
