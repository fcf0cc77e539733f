"""The command line as a user meets it: exit codes and one clear sentence."""

import ast
import os
import re
import shlex
import subprocess
import sys
from importlib.metadata import packages_distributions, requires

import pytest

from dml_lib import paths


def run(*arguments, **env):
    return subprocess.run(
        [sys.executable, "-m", "dml_lib", *arguments], capture_output=True, text=True, cwd=paths.ROOT, env={**os.environ, **env},
    )


def test_what_modules_import_is_installed_without_extras():
    listed = {re.match(r"[\w-]+", each)[0] for each in requires("dml_lib") if "extra ==" not in each} | {"tinysoundfont"}  # see pyproject.toml
    found = packages_distributions()
    for path in set((paths.ROOT / "dml_lib").rglob("*.py")) - {paths.ROOT / "dml_lib" / f"{name}.py" for name in ("book", "explorer")}:
        for node in ast.parse(path.read_text("utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            for package in {name.partition(".")[0] for name in names} - sys.stdlib_module_names:
                assert listed & set(found[package]), f"{path} needs {package}: add it to the dependencies"


def test_no_arguments_gives_help_with_examples():
    done = run()
    assert done.returncode == 0 and "Examples:" in done.stdout and "python -m dml_lib book --profile fast" in done.stdout


def test_sources_lists_where_and_licence():
    done = run("sources")
    assert done.returncode == 0 and "timgm6mb" in done.stdout and "GPL" in done.stdout


def test_fetch_of_what_is_here_names_the_file():
    done = run("fetch", "timgm6mb")
    assert done.returncode == 0 and done.stdout.strip().endswith("TimGM6mb.sf2")


@pytest.mark.parametrize("arguments, words", [
    (("book", "--profile", "fsat"), "unknown profile 'fsat'"),
    (("fetch", "nosuch"), "unknown source 'nosuch'"),
    (("bok",), "No such command 'bok'"),
    (("report", "--profile", "fsat"), "unknown profile 'fsat'"),
    (("report", "--full", "--only", "levle"), "unknown experiment 'levle'"),
    (("report", "--only", "level"), "add --full"),
    (("report", "--full", "--only", "leaks", "--seeds", "2"), "compares sounds: leave it out"),
    (("train", "pich"), "unknown scheme or folder 'pich'"),
    (("paper-run", "--seeds", "0"), "0 is not in the range"),
    (("query", ".", "a.wav", "--at", "nan"), "expected a moment such as 0.3s or 0:05"),
    (("map", ".", "-o", "README.md/map"), "README.md/map: Not a directory; choose another"),
    (("book", "--sede", "1"), "No such option"),
    (("book", "--seed", "-1"), "-1 is not in the range"),
    (("map", ".", "-o", "map", "--weights", "README.md"), "expected a file of weights, which ends with .safetensors"),
    (("map", ".", "-o", "x" * 300), "File name too long; choose another"),
    (("book", "--seed", "one"), "'one' is not a valid integer"),
])
def test_mistakes_end_with_2_and_a_sentence(arguments, words):
    done = run(*arguments)
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr


def test_letters_that_a_terminal_lacks_do_not_end_a_command():
    program = r"import click; from dml_lib import cli; cli.commands.command('say')(lambda: click.echo('\u65e5 caf\udce9')); cli.main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "say"], capture_output=True, text=True, cwd=paths.ROOT, env={**os.environ, "PYTHONIOENCODING": "cp1252"},
    )
    assert done.returncode == 0 and done.stdout == "\\u65e5 caf\\udce9\n"
    assert not subprocess.run(f"{sys.executable} -c {shlex.quote(program)} --help >&-", shell=True, cwd=paths.ROOT, capture_output=True).stderr


def test_a_missing_soundfont_ends_with_2_and_says_how_to_go_on(tmp_path):
    (tmp_path / "apt-get").write_text("#!/bin/sh\necho 'E: no network' >&2\nexit 100\n")
    (tmp_path / "apt-get").chmod(0o755)
    program = (
        "import pathlib, sys; from dml_lib import cli, paths; from dml_lib.sounds import sources;"
        f"paths.DATA = pathlib.Path({str(tmp_path)!r}) / 'data'; sources.SYSTEM_FOLDERS = ();"
        "sys.argv = ['dml_lib', 'book']; cli.main()"
    )
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ, "PATH": path, "DML_DATA": ""})
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "fluidr3" in done.stderr and "fluid-soundfont-gm" in done.stderr and "profile fast" in done.stderr
