"""The shape that every chapter has, and one notebook run against its stored outputs."""

import ast
import re

import nbformat
import numpy as np
import pytest
import soundfile

from dml_lib import comparison, experiments, paper_scale, paths, results
from dml_lib.book import CHAPTERS

NOTEBOOKS = {name: nbformat.read(paths.CHAPTERS / f"{name}.ipynb", as_version=4) for name in CHAPTERS}
PAGES = sorted(paths.CHAPTERS.glob("*.md"))
TYPED_DECIMAL = re.compile(r"(?<![\w.])\d+\.\d+")


def prose(text):
    """Text without code, maths, roles and directives."""
    text = re.sub(r"```.*?```", "", text, flags=re.S)
    text = re.sub(r"`[^`]*`", "", text)
    text = re.sub(r"\$\$.*?\$\$", "", text, flags=re.S)
    return re.sub(r"\$[^$]*\$", "", text)


def code(name):
    return [cell for cell in NOTEBOOKS[name].cells if cell.cell_type == "code"]


def test_every_notebook_is_a_chapter():
    assert {p.stem for p in paths.CHAPTERS.glob("*.ipynb")} == set(CHAPTERS)


@pytest.mark.parametrize("name", CHAPTERS)
def test_first_code_cell_holds_literal_parameters(name):
    first = code(name)[0]
    assert first.metadata.get("tags") == ["parameters"]
    names = set()
    for statement in ast.parse(first.source).body:
        assert isinstance(statement, ast.Assign)
        ast.literal_eval(statement.value)
        names.add(statement.targets[0].id)
    assert {"profile", "seed", "run_dir"} <= names


@pytest.mark.parametrize("name", CHAPTERS)
def test_second_code_cell_builds_the_config(name):
    assert "config.Config.preset(profile, seed=seed)" in code(name)[1].source


@pytest.mark.parametrize("name", CHAPTERS)
def test_committed_without_outputs(name):
    for cell in code(name):
        assert cell.outputs == [] and cell.execution_count is None


@pytest.mark.parametrize("name", CHAPTERS)
def test_cells_are_short_and_few(name):
    assert len(code(name)) <= 25
    for cell in code(name):
        lines = cell.source.splitlines()
        assert len(lines) <= 15, cell.source
        assert max(map(len, lines)) <= 79, max(lines, key=len)


@pytest.mark.parametrize("name", CHAPTERS)
def test_cells_define_nothing_loop_over_nothing_and_name_no_path(name):
    banned = (ast.FunctionDef, ast.ClassDef, ast.Lambda, ast.For, ast.While)
    for cell in code(name):
        for node in ast.walk(ast.parse(cell.source)):
            assert not isinstance(node, banned), cell.source
            assert not (isinstance(node, ast.Constant) and isinstance(node.value, str) and re.search(r"[/\\]\w", node.value)), cell.source


@pytest.mark.parametrize("name", CHAPTERS)
def test_text_before_each_code_cell(name):
    kinds = [cell.cell_type for cell in NOTEBOOKS[name].cells]
    pairs = list(zip(kinds, kinds[1:]))
    assert pairs.count(("code", "code")) <= 1  # parameters and config may stand together


@pytest.mark.parametrize("name", CHAPTERS)
def test_shape_of_a_chapter(name):
    text = "\n".join(cell.source for cell in NOTEBOOKS[name].cells if cell.cell_type == "markdown")
    for part in ("**Question.**", "**Claim.**", "**Method.**", "*How to read it.*", "**Takeaway.**", "**Next.**"):
        assert part in text, part
    template = name == "03_train"  # a template that is run several times may carry no label
    assert bool(re.search(r"^\(chapter-", text, re.M)) != template


@pytest.mark.parametrize("name", CHAPTERS)
def test_no_typed_decimals_in_chapters(name):
    for cell in NOTEBOOKS[name].cells:
        if cell.cell_type == "markdown":
            assert not TYPED_DECIMAL.findall(prose(cell.source)), cell.source


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_no_typed_decimals_in_pages(page):
    assert not TYPED_DECIMAL.findall(prose(page.read_text()))


def test_the_decimal_check_finds_one():
    assert TYPED_DECIMAL.findall(prose("an accuracy of 0.87 on `0.5` and $0.3$")) == ["0.87"]


def test_the_example_of_the_api_page_runs(tmp_path, monkeypatch, capsys):
    code = re.search(r"```python\n(.*?)```", (paths.CHAPTERS / "api.md").read_text(), flags=re.S)[1]
    t, names, run = np.arange(8_000), ["oud", "kora"] * 6, paths.Run
    for i, name in enumerate(names):
        soundfile.write(tmp_path / f"{i}.wav", np.sin(t * (0.2 + 0.3 * (name == "oud"))) * np.exp(-t / (1_000 + 200 * i)), 16_000)
    (tmp_path / "list.csv").write_text("path,instrument\n" + "".join(f"{i}.wav,{name}\n" for i, name in enumerate(names)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paths, "Run", lambda name: run(name, str(tmp_path / "run")))
    exec(code, {"__name__": "__main__"})
    assert ast.literal_eval(capsys.readouterr().out)["knn"] == 1  # one tone each


def test_small_notebook_gives_its_stored_outputs(nb_regression):
    nb_regression.diff_ignore = ("/metadata", "/cells/*/metadata", "/cells/*/execution_count", "/cells/*/outputs/*/execution_count")
    nb_regression.check(str(paths.ROOT / "tests" / "notebooks" / "small.ipynb"))


@pytest.mark.parametrize("name", CHAPTERS)
def test_recorded_results_that_a_chapter_shows_can_be_read(name):
    source = "\n".join(cell.source for cell in code(name))
    modules = {"experiments": experiments, "comparison": comparison, "paper_scale": paper_scale, "results": results}
    for call in re.findall(r"\w+\.recorded\w*\([^()]*\)", source):
        assert len(eval(call, modules | {"s": "pitch"})), call
