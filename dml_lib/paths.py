"""Every path of the project, once."""

import errno
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from .config import SCHEMES, check_name

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = ROOT / "chapters"
RECORDED = ROOT / "results"  # results of long runs, each written by a command
WEIGHTS = ROOT / "weights"  # trained networks that ship
PUBLISHED = RECORDED / "published.json"
MADE = ".made_by_dml_lib"  # in a folder that each run makes anew
DATA = ROOT / "data"  # what the project fetched for itself; never the user's own files


class ResultMissing(FileNotFoundError):
    """A chapter was run before its inputs exist."""


class Damaged(ValueError):
    """A file that this project wrote is not whole."""


def whole(read, file, what, advice):
    """What `read` makes of a file that this project wrote.

    Raises
    ------
    Damaged
        It is not whole, or not there: the message says that it is not `what`, and gives the advice. A lack of memory, or what the
        system refuses, says nothing of the file and is raised as it is.
    """
    try:
        return read(file)
    except MemoryError:
        raise
    except Exception as error:  # NumPy, pyarrow and safetensors raise types of their own for each kind of damage
        if isinstance(error, OSError) and error.errno not in (None, errno.ENOENT):
            raise
        raise Damaged(f"{file} is not {what} ({str(error) or repr(error)}): {advice}") from error


def replace_file(path, write):
    """Let `write` make a file beside its place, and rename it into that: it is there whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def emptied(folder):
    """An empty folder, in place of one that an earlier run made.

    Raises
    ------
    ValueError
        Something is there that no run made.
    """
    mark = folder / MADE
    if folder.exists() and not mark.is_file():
        raise ValueError(f"expected nothing at {folder}, or what an earlier run made there, found other files: move them, or choose another folder")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    mark.touch()
    return folder


def user_data():
    """The reader's own collections: the folder in the environment variable DML_DATA, or None."""
    value = os.environ.get("DML_DATA")
    return Path(value) if value and Path(value).is_dir() else None


@dataclass(frozen=True)
class Run:
    """The files of one run of the book.

    Parameters
    ----------
    profile : str
        Names the folder `_run/<profile>` when `folder` is empty.
    folder : str
        Any other folder to work in; a relative one starts at the repository.
    """

    profile: str
    folder: str = ""

    @property
    def root(self):
        return ROOT / (self.folder or f"_run/{self.profile}")

    @property
    def store(self):
        return self.root / "store"

    @property
    def table(self):
        """The table of sounds of a run, as chapter 01 leaves it."""
        return self.root / "sounds.parquet"

    @property
    def skipped(self):
        return self.root / "skipped.csv"

    @property
    def samples(self):
        """Folders of sounds that chapter 07 makes, such as a reader may have; made anew by each run."""
        return self.root / "samples"

    @property
    def book(self):
        return self.root / "book"

    def page_file(self, name):
        """A file or folder that pages of the book link as `../<name>`."""
        return self.book / "assets" / name

    def result(self, name):
        return self.root / "results" / f"{name}.json"

    def weights(self, scheme, recipe):
        return self.root / "weights" / f"{scheme}.{recipe}.safetensors"

    def embedding(self, scheme, recipe):
        return self.root / "embeddings" / f"{scheme}.{recipe}.safetensors"

    def checkpoint(self, scheme, recipe):
        return self.root / "checkpoints" / f"{scheme}.{recipe}.safetensors"


def find_weights(scheme, run=None):
    """The file of a scheme's network: that of a run, else the one that ships, else that of the last run of the book.

    Parameters
    ----------
    scheme : str
        Of `SCHEMES`, or a file of weights.
    run : Run, optional
        Only its own will do.

    Raises
    ------
    ValueError
        Neither a scheme nor a file that ends with .safetensors, or no network of that scheme is here.
    """
    if scheme not in SCHEMES and Path(str(scheme)).is_file():
        if Path(scheme).suffix != ".safetensors":
            raise ValueError(f"expected a file of weights, which ends with .safetensors, found {scheme}: name another file or a scheme")
        return Path(scheme)
    if str(scheme).endswith(".safetensors"):
        raise ValueError(f"expected a file of weights, found none at {scheme}: name another file or a scheme")
    check_name("scheme or file of weights", scheme, SCHEMES)
    runs = [run] if run else [Run("standard"), Run("fast")]
    places = ([] if run else [WEIGHTS / f"{scheme}.safetensors"]) + [each.weights(scheme, "ours") for each in runs]
    found = next((file for file in places if file.is_file()), None)
    if found is None:
        raise ValueError(f"expected a trained network, found none at {places[0]}: run `make book` first, or name a file of weights")
    return found
