"""Every path of the project, once."""

import os
from dataclasses import dataclass
from pathlib import Path

from .config import SCHEMES, check_name

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = ROOT / "chapters"
RECORDED = ROOT / "results"  # results of long runs, each written by a command
WEIGHTS = ROOT / "weights"  # trained networks that ship
PUBLISHED = RECORDED / "published.json"
DATA = ROOT / "data"  # what the project fetched for itself; never the user's own files


class Damaged(ValueError):
    """A file that this project wrote is not whole."""


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
        Neither a scheme nor a file, or no network of that scheme is here.
    """
    if scheme not in SCHEMES and Path(str(scheme)).is_file():
        return Path(scheme)
    check_name("scheme or file of weights", scheme, SCHEMES)
    runs = [run] if run else [Run("standard"), Run("fast")]
    places = ([] if run else [WEIGHTS / f"{scheme}.safetensors"]) + [each.weights(scheme, "ours") for each in runs]
    found = next((file for file in places if file.is_file()), None)
    if found is None:
        raise ValueError(f"expected a trained network, found none at {places[0]}: run `make book` first, or name a file of weights")
    return found
