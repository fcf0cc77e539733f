"""The book: chapters executed in order by papermill, then built to HTML that works offline."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import papermill
import plotly

from . import paths
from .config import SCHEMES, Config
from .sounds import sources

CHAPTERS = ("01_sounds", "02_method", "03_train", "04_evaluate", "05_explore", "06_sonify", "07_your_library")
TEMPLATE = "03_train"  # run once a scheme
BUSY_S = 120  # that a kernel on a busy machine may take to say what it did
STATIC = ("README.md", "_config.yml", "_toc.yml", "references.bib", "_static", "assets")


class BookFailed(RuntimeError):
    """A chapter or the HTML build failed."""


def jobs():
    """What is executed, in order: (chapter, copy, extra parameters)."""
    for chapter in CHAPTERS:
        if chapter == TEMPLATE:
            yield from ((chapter, f"{chapter}_{scheme}", {"scheme": scheme}) for scheme in SCHEMES)
        else:
            yield chapter, chapter, {}


def tidy(notebook, title=None):
    """Make an executed notebook fit for readers.

    Removes progress bars, and the paths and times that papermill leaves; moves the values that it injects into the
    parameters cell, so that the page shows those of its run; adds `title` to the first heading, so that copies of a
    template can be told apart.
    """
    notebook.metadata.pop("papermill", None)
    tagged = {tag: cell for cell in notebook.cells for tag in cell.metadata.get("tags", [])}
    if injected := tagged.get("injected-parameters"):
        for line in injected.source.splitlines():
            name = re.escape(line.partition(" = ")[0])
            tagged["parameters"].source = re.sub(rf"(?m)^{name} = .*$", lambda _: line, tagged["parameters"].source)
        notebook.cells.remove(injected)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
        elif title and cell.source.startswith("# "):
            heading, _, rest = cell.source.partition("\n")
            cell.source, title = f"{heading}: {title}\n{rest}", None
    return notebook


def execute(chapter, copy, target, parameters):
    """Run one chapter; the copy appears in `target` only when all its cells ran.

    Raises
    ------
    BookFailed
        A cell raised, or its kernel no longer answers; the message ends with the error.
    """
    source, temporary = paths.CHAPTERS / f"{chapter}.ipynb", target / f".{copy}.ipynb"
    try:
        papermill.execute_notebook(
            source, temporary, parameters, kernel_name="python3", cwd=paths.CHAPTERS, progress_bar=False,
            request_save_on_cell_execute=False, extra_arguments=["--log-level=ERROR"], iopub_timeout=BUSY_S,
        )
    except papermill.PapermillExecutionError as error:
        raise BookFailed(f"chapter {copy}: {error.ename}: {error.evalue} (the cells up to there are in {temporary})") from None
    except TimeoutError as error:
        raise BookFailed(f"chapter {copy}: {error} (the cells up to there are in {temporary})") from None
    title = parameters["scheme"].replace("_", " ") if "scheme" in parameters else None
    notebook = tidy(nbformat.read(temporary, as_version=4), title)
    nbformat.write(notebook, temporary)
    temporary.replace(target / f"{copy}.ipynb")


def vendor(folder):
    """Copy the scripts that pages load, from the installed packages: no page needs a network."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(plotly.__file__).parent / "package_data" / "plotly.min.js", folder)
    mathjax = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent
    shutil.copy(mathjax / "static" / "mathjax" / "tex-svg-full.js", folder)


def html(book, output):
    """Build the HTML of an executed book; a warning is an error.

    Raises
    ------
    BookFailed
        With the warnings.
    """
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", book]
    command += ["-W", "-n", "--keep-going", "--path-output", output, "--quiet"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    index = output / "_build" / "html" / "index.html"
    if done.returncode or not index.is_file():
        raise BookFailed("the HTML build failed:\n" + (done.stdout + done.stderr)[-4000:])
    return index


def build(profile, seed=0, run_dir="", output=paths.ROOT, say=print):
    """Run every chapter and build the book.

    Parameters
    ----------
    profile : str
    seed : int
    run_dir : str
        Working folder; `_run/<profile>` if empty.
    output : path
        `_build/html` is made in it.
    say : callable
        Told what happens.

    Returns
    -------
    pathlib.Path
        index.html

    Raises
    ------
    ValueError
        Unknown profile, or files of others in the place of the book.
    sources.SourceMissing
        A soundfont is missing and cannot be fetched.
    BookFailed
    """
    cfg, run = Config.preset(profile, seed=seed), paths.Run(profile, run_dir)
    for source in cfg.sources:
        try:
            say(f"sounds: {source} at {sources.fetch(source)}")
        except sources.SourceMissing as error:
            raise sources.SourceMissing(f"{error} Or take the profile fast, whose sounds come with the installation.") from None
    chapters = paths.emptied(run.book) / "chapters"
    chapters.mkdir()
    os.environ["DML_BOOK"] = "1"  # chapters then draw for a page without a kernel
    began = time.monotonic()
    for chapter, copy, extra in jobs():
        since = time.monotonic()
        execute(chapter, copy, chapters, {"profile": profile, "seed": seed, "run_dir": run_dir} | extra)
        say(f"chapter {copy}: {time.monotonic() - since:.0f} s")
    for name in STATIC:
        if (paths.ROOT / name).is_dir():
            shutil.copytree(paths.ROOT / name, run.book / name, dirs_exist_ok=True)  # chapters have left files in assets
        else:
            shutil.copy(paths.ROOT / name, run.book / name)
    for page in paths.CHAPTERS.glob("*.md"):
        shutil.copy(page, chapters)
    vendor(run.book / "assets")
    index = html(run.book, Path(output).resolve())
    say(f"book: {index} ({time.monotonic() - began:.0f} s after install)")
    return index
