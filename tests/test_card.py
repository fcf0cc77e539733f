"""The report card outside the book: the figures of evaluate.json, to the digit, in the terminal, in CSV and in LaTeX."""

import json
from itertools import product

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from test_cli import run as run_cli

from dml_lib import analogies, card, cli, evaluate, results
from dml_lib.config import SCHEMES, Config

SPACES = ("instrument", "pitch", "paper.instrument", "paper.pitch")
SPLITS = ("random", "held_out", "real")


@pytest.fixture
def made(make_dataset, tmp_path):
    """A run whose chapter 04 is done, with spaces by chance: (folder, values)."""
    dataset, rng = make_dataset(100), np.random.default_rng(0)
    dataset.table["held_out"] = rng.permutation(dataset.table["random"])
    spaces = {name: (rng.normal(size=(len(dataset.frames), 3)), rng.normal(size=(100, 3))) for name in SPACES}
    values = evaluate.report(spaces, dataset, 200) | analogies.report({"pitch": spaces["pitch"]}, dataset)
    values |= {"pitch.trustworthiness": 0.51234, "pitch.direction.attack": 0.25, "mfcc.ears_spearman": 0.4417}
    results.save(tmp_path / "results" / "evaluate.json", values, Config.preset("fast"), not_run={"real": "no recordings"})
    return tmp_path, json.loads((tmp_path / "results" / "evaluate.json").read_text())["values"]


def names(row):
    return [".".join(part for part in (*row[:5], end) if part) for end in ("", "lo", "hi")]


def report(folder):
    done = CliRunner().invoke(cli.commands, ["report", "--profile", "fast", "--run-dir", str(folder)], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_tidy_holds_every_value_and_no_other(made):
    _, values = made
    table = card.tidy(values)
    assert list(table.columns) == ["space", "metric", "label", "split", "level", "value", "lo", "hi"]
    found = {name: x for row in table.itertuples(index=False) for name, x in zip(names(row), row[5:]) if not np.isnan(x)}
    assert found == values
    row = table[(table["space"] == "paper.pitch") & (table["metric"] == "knn") & (table["level"] == "frame")].iloc[0]
    assert (row["label"], row["split"], row["value"]) == ("instrument", "random", values["paper.pitch.knn.instrument.random.frame"])


@pytest.mark.parametrize("name", ["knn", "a.b.c.d", "lo", "", "paper.instrument", "a.b.c.d.random.frame.lo"])
def test_a_name_that_says_too_little_or_too_much_is_refused(name):
    with pytest.raises(ValueError, match="expected a name <space>.<metric> with at most"):
        card.tidy({name: 1.0})


def test_csv_agrees_with_evaluate_json_to_the_last_digit(made):
    folder, values = made
    assert f"written: {folder / 'results' / 'report.csv'}" in report(folder)
    table = pd.read_csv(folder / "results" / "report.csv", dtype=str, keep_default_na=False)
    found = {name: float(x) for row in table.itertuples(index=False) for name, x in zip(names(row), row[5:]) if x}
    assert found == values


def figure(values, name):
    return f"{values[name]:.3f} ({values[name + '.lo']:.3f}, {values[name + '.hi']:.3f})" if name in values else "not run"


def printed(out, title):
    """Lines of one part of the card, without the label that pandas prints once."""
    return out.split(f"{title}\n")[1].split("\n\n")[0].splitlines()


def test_print_agrees_with_evaluate_json_to_the_digit(made):
    folder, values = made
    out = report(folder)
    parts = {"kNN accuracy, sounds": ("knn", ""), "kNN accuracy, all frames": ("knn", ".frame"), "kNN accuracy, audible frames": ("knn", ".audible")}
    parts |= {f"retrieval, {metric}": (metric, "") for metric in ("p_at_5", "r_precision", "map_at_r")}
    for title, (metric, suffix) in parts.items():
        head, *lines = printed(out, title)
        assert head.split() == list(SPLITS) and len(lines) == 2 * len(SPACES)
        for line, (label, space) in zip(lines, product(("instrument", "pitch"), SPACES)):
            cells = " ".join(figure(values, f"{space}.{metric}.{label}.{split}{suffix}") for split in SPLITS)
            assert " ".join(line.split()).endswith(f"{space} {cells}"), line


def test_a_file_that_names_no_split_as_not_run(made):
    content = {"values": made[1]}
    assert "not run: " not in card.text(content) and card.text(content | {"not_run": {"real": "none"}}).endswith("not run: real: none")


def test_other_parts_of_the_card(made):
    folder, values = made
    out = report(folder)
    assert printed(out, "what a space keeps")[1].split() == ["pitch", "0.512"]
    assert printed(out, "correlation of the best direction")[1].split() == ["pitch", "0.250"]
    assert printed(out, "human ears")[1].split() == ["mfcc", "0.442"]
    assert "not run: real: no recordings" in out and "analogies of the author" not in out
    assert figure(values, "pitch.analogy_mrr_random.interval.held_out") in printed(out, "analogies, mrr_random")[2]


def test_latex_agrees_with_evaluate_json_to_the_digit(made):
    folder, values = made
    report(folder)
    text = (folder / "results" / "report.tex").read_text()
    assert all(text.count(rule) == 1 for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\begin{tabular}{lllccc}")) and "_" not in text
    rows = [line.removesuffix(r" \\").split(" & ") for line in text.split("\\midrule\n")[1].splitlines() if "&" in line]
    named = [(s, label, suffix) for suffix in ("", ".frame", ".audible") for label in ("instrument", "pitch") for s in SCHEMES]
    assert len(rows) == 24
    for row, (scheme, label, suffix) in zip(rows, named):
        assert row[2:] == [scheme.replace("_", " "), *(figure(values, f"{scheme}.knn.{label}.{split}{suffix}") for split in SPLITS)]


def test_a_run_without_chapter_04_ends_with_2_and_names_it(tmp_path):
    done = run_cli("report", "--profile", "fast", "--run-dir", str(tmp_path))
    assert done.returncode == 2 and "run chapter 04_evaluate first" in done.stderr and "Traceback" not in done.stderr


def test_what_listeners_say_of_networks_that_ship_is_of_these_networks():
    rows = card.tidy({"ships.instrument.ears_spearman": 0.4, "paper.pitch.ears_spearman": 0.3})
    assert rows[["space", "metric", "label"]].to_numpy().tolist() == [["ships.instrument", "ears_spearman", ""], ["paper.pitch", "ears_spearman", ""]]
