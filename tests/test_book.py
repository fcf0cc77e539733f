"""The whole book in the fast profile: executed, built with warnings as errors, numbers that agree."""

import hashlib
import itertools
import json
import re

import nbformat
import pandas as pd
import pytest

from dml_lib import book, comparison, config, dataset, evaluate, finding, paths, results, splits
from dml_lib.sounds import sources

PAGES = [copy for _, copy, _ in book.jobs()] + ["notation", "glossary", "api", "bibliography"]


def test_a_page_per_chapter(built_book):
    html, _ = built_book
    assert (html / "index.html").is_file()
    assert [p for p in PAGES if not (html / "chapters" / f"{p}.html").is_file()] == []


def test_toc_names_every_page():
    toc = (paths.ROOT / "_toc.yml").read_text()
    assert re.findall(r"file: chapters/(\w+)", toc) == PAGES


def test_evaluate_has_the_names_others_rely_on(built_book):
    _, run = built_book
    content = json.loads(run.result("evaluate").read_text())
    for scheme in config.SCHEMES:
        for metric in ("knn", "p_at_5", "r_precision", "map_at_r"):
            for label in ("instrument", "pitch"):
                assert 0 <= content["values"][f"{scheme}.{metric}.{label}.random"] <= 1
                assert f"{scheme}.{metric}.{label}.held_out" not in content["values"]
        assert 0 <= content["values"][f"{scheme}.knn.pitch.random.frame"] <= 1
    for method in comparison.METHODS:
        for name in (method, f"{method}_native"):
            for label, split in itertools.product(evaluate.COLUMNS, splits.SPLITS):
                key = f"{name}.knn.{label}.{split}"
                assert content["values"][key] == results.recorded("baselines")[key]
    assert set(content["not_run"]) == {"held_out", "real"} | (set() if sources.folder("timbre_ratings") else {"ears"})
    assert set(content) >= {"values", "units", "config", "seed", "inputs", "versions"}


def test_paths_are_measured_by_the_names_others_rely_on(built_book):
    _, run = built_book
    content = json.loads(run.result("sonify").read_text())
    for scheme, measure in itertools.product(config.SCHEMES, ("reembedding_error", "join_discontinuity")):
        for method in ("author", "ours", "random", "original"):
            key = f"{scheme}.{measure}.{method}"
            assert content["values"][key] == results.recorded("sonify")[key]
    assert content["values"]["this_run.instrument_pitch.reembedding_error.ours"] > 0


def test_the_table_of_sounds_is_there(built_book):
    _, run = built_book
    table = pd.read_parquet(run.table)
    assert {"sound_id", "library", "source_family", "instrument", "note_number", "seconds", "random"} <= set(table) and table["sound_id"].is_unique


def test_inputs_are_the_files_of_this_run(built_book):
    _, run = built_book
    content = json.loads(run.result("evaluate").read_text())
    for name, checksum in content["inputs"].items():
        path = next(place / name for place in (comparison.RECORDED.parent, run.root / "embeddings", paths.WEIGHTS) if (place / name).is_file())
        assert hashlib.sha256(path.read_bytes()).hexdigest() == checksum
    assert len(content["inputs"]) == 3 * len(config.SCHEMES) + 1


def test_training_beats_chance_by_far(built_book):
    _, run = built_book
    values = json.loads(run.result("evaluate").read_text())["values"]
    for label, scheme in (("instrument", "instrument"), ("pitch", "pitch")):
        assert values[f"{scheme}.knn.{label}.random"] > 4 * values[f"{scheme}.chance.{label}.random"]


def test_every_scheme_was_trained_by_both_recipes(built_book):
    _, run = built_book
    for scheme in config.SCHEMES:
        series = json.loads(run.result(f"train_{scheme}").read_text())["series"]
        for recipe in config.RECIPES:
            assert run.weights(scheme, recipe).is_file()
            iterations = getattr(config.Config.preset("fast"), f"{recipe}_iterations")
            assert series[f"{recipe}.val_knn_by_iteration"][-1][0] == iterations
            assert len(series[f"{recipe}.val_knn_by_second"]) == len(series[f"{recipe}.val_knn_by_iteration"])


def test_page_and_result_file_agree_to_the_digit(built_book):
    html, run = built_book
    values = json.loads(run.result("evaluate").read_text())["values"]
    page = (html / "chapters" / "04_evaluate.html").read_text()
    takeaway = re.sub(r"<[^>]+>", "", page[page.index("Takeaway"):])
    for name in ("instrument.knn.instrument", "pitch.knn.pitch", "instrument_pitch.knn.instrument", "instrument_pitch.knn.pitch"):
        assert f"{values[name + '.random']:.3f}" in takeaway, name


def test_the_folder_of_chapter_7_is_mapped_and_searched_both_ways(built_book):
    html, run = built_book
    content = json.loads(run.result("your_library").read_text())
    values = content["values"]
    assert set(content["not_run"]) == {"unheard_bank", "recordings"}
    for method, right in itertools.product(finding.METHODS, finding.RIGHT):
        name = f"same_bank.{method}.{right}"
        assert 1 <= values[f"{name}.median_rank.lo"] <= values[f"{name}.median_rank"] <= values[f"{name}.median_rank.hi"]
        assert 0 <= values[f"{name}.within_10"] <= 1
    assert values["same_bank.example.sound.within_10"] > 3 * values["same_bank.chance.sound.within_10"]
    assert values["same_bank.names_clean.sound.within_10"] > values["same_bank.names_messy.sound.within_10"]
    for name in ("index.html", "report.html", "map.parquet", "skipped.csv", "duplicates.csv"):
        assert (html / "library" / name).is_file()
    page = (html / "chapters" / "07_your_library.html").read_text()
    takeaway = re.sub(r"<[^>]+>", "", page[page.index("Takeaway"):])
    assert f"{values['same_bank.names_messy.sound.within_10']:.2f}" in takeaway


def test_pages_ask_no_network_for_anything(built_book):
    html, _ = built_book
    for page in html.rglob("*.html"):
        loaded = re.findall(r"<(?:script|img|link|iframe|source|audio)\b[^>]*?(?:src|href)=\"(https?:[^\"]+)", page.read_text())
        assert loaded == [], page.name


def test_executed_copies_hold_no_progress_bars_and_no_machine_paths(built_book):
    _, run = built_book
    for name in (copy for _, copy, _ in book.jobs()):
        text = (run.book / "chapters" / f"{name}.ipynb").read_text()
        notebook = nbformat.reads(text, as_version=4)
        assert not any(o.get("name") == "stderr" for c in notebook.cells for o in c.get("outputs", []))
        assert str(paths.ROOT) not in text, name


def test_pages_show_the_parameters_of_their_run(built_book):
    _, run = built_book
    for _, name, extra in book.jobs():
        cells = nbformat.read(run.book / "chapters" / f"{name}.ipynb", as_version=4).cells
        tags = [cell.metadata.get("tags", []) for cell in cells]
        shown = cells[tags.index(["parameters"])].source.splitlines()
        assert ["injected-parameters"] not in tags and 'run_dir = "_run/test/run"' in shown and 'profile = "fast"' in shown
        assert all(f'{key} = "{value}"' in shown for key, value in extra.items())


def test_template_copies_differ_in_title(built_book):
    html, _ = built_book
    titles = {re.search(r"<title>(.*?)</title>", (html / "chapters" / f"03_train_{s}.html").read_text(), re.S)[1] for s in config.SCHEMES}
    assert len(titles) == len(config.SCHEMES)


def test_downloadable_notebooks(built_book):
    html, _ = built_book
    for name in (copy for _, copy, _ in book.jobs()):
        assert (html / "_sources" / "chapters" / f"{name}.ipynb").is_file()


def test_a_chapter_before_its_inputs_names_the_one_to_run_first(tmp_path, built_book):
    _, run = built_book
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "store").symlink_to(run.store)
    with pytest.raises(book.BookFailed, match="run chapter 03_train for this scheme"):
        book.execute("05_explore", "05_explore", tmp_path, {"profile": "fast", "run_dir": str(folder)})
    assert not (tmp_path / "05_explore.ipynb").exists()


def test_the_store_answers_a_second_time_without_work(built_book, monkeypatch):
    _, run = built_book
    monkeypatch.setattr(dataset, "ProcessPoolExecutor", lambda *a, **k: pytest.fail("analyzed again"))
    data, _ = dataset.build(config.Config.preset("fast"), run, progress=False)
    assert len(data) > 900
