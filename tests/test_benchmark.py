"""The benchmark on tiny settings: its names, its accuracy figures, its output. Nothing here looks at the clock."""

import json
import math
from functools import partial

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from test_cli import run as run_cli

from dml_lib import benchmark, cli, train

TINY = {
    "cqt": dict(n_sounds=3, repeats=1),
    "decode": dict(n_files=3),
    "train": dict(steps=1, repeats=1),
    "embed": dict(n_sounds=3, repeats=1),
    "knn": dict(n_points=2000, n_queries=50, repeats=1),
    "map": dict(n_files=3),
    "sonify": dict(n_units=3_000, n_paths=2, sounds_per_instrument=2),
}
NAMES = {
    "cqt": {"cqt_ms_per_2s_sound", "cqt_speedup_vs_librosa", "cqt_log_correlation", "cqt_max_rel_error",
            "cqt_log_correlation_worst", "cqt_sounds"},
    "decode": {"decode_files_per_s", "decode_files"},
    "train": {"train_windows_per_s", "train_speedup", "train_windows_per_s_paper", "train_speedup_paper"},
    "embed": {"embed_sounds_per_s", "embed_speedup", "embed_sounds_per_s_paper", "embed_speedup_paper"},
    "knn": {"knn_queries_per_s_1m", "map_at_r_s_20k", "knn_peak_gb"},
    "map": {"map_files_per_s", "map_again_speedup", "map_peak_gb", "map_files"},
    "sonify": {"sonify_times_real_time", "sonify_times_real_time_first", "sonify_peak_gb", "sonify_units"},
}


@pytest.fixture
def tiny(monkeypatch):
    """All groups at sizes that take seconds, without the reader's own sounds."""
    monkeypatch.delenv("DML_DATA", raising=False)
    for name, sizes in TINY.items():
        monkeypatch.setitem(benchmark.GROUPS, name, partial(benchmark.GROUPS[name], **sizes))


def test_all_groups_give_their_names_finite_and_positive(tiny):
    said, threads = [], torch.get_num_threads()
    values = benchmark.run(threads=1, say=said.append)
    assert set(values) == {"threads"}.union(*NAMES.values()) and len(said) == len(NAMES) == len(benchmark.GROUPS)
    assert values["cqt_sounds"] == "3 rendered (timgm6mb)" and values["decode_files"] == "3 rendered (timgm6mb)"
    numbers = [value for name, value in values.items() if not isinstance(value, str)]
    assert all(type(value) in (int, float) and math.isfinite(value) and value > 0 for value in numbers)
    assert values["cqt_log_correlation"] > 0.999 and values["cqt_max_rel_error"] < 0.01
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("name", NAMES)
def test_one_group(tiny, name):
    assert set(benchmark.run(name, say=lambda text: None)) == {"threads"} | NAMES[name]


def test_a_wrong_constant_q_shows(tiny, monkeypatch):
    forward = benchmark.features.ConstantQ.forward
    monkeypatch.setattr(benchmark.features.ConstantQ, "forward", lambda self, y: forward(self, y.roll(800, dims=1)))
    values = benchmark.run("cqt", say=lambda text: None)
    assert values["cqt_max_rel_error"] > 0.01 and values["cqt_log_correlation"] < 0.999


def test_a_wrong_embedding_is_refused(tiny, monkeypatch):
    sequence = train.Embedder.sequence
    monkeypatch.setattr(train.Embedder, "sequence", lambda self, x: sequence(self, x) * 1.001)
    with pytest.raises(RuntimeError, match="differ by 1.0e-03, expected at most 1e-5"):
        benchmark.run("embed", say=lambda text: None)


@pytest.mark.parametrize("recipe, parameters", [("paper", 3_374_907), ("ours", 778_299)])
def test_plain_network_is_the_network(recipe, parameters):
    model = train.untrained(benchmark.CFG, recipe)
    x = torch.rand(5, model.n_in, model.n_bins, generator=torch.Generator().manual_seed(0))
    plain = benchmark._plain(model)
    torch.testing.assert_close(plain(x), model(x))
    assert sum(p.numel() for p in plain.parameters()) == sum(p.numel() for p in model.parameters()) == parameters


def test_json_is_one_object_and_nothing_else(tiny):
    done = CliRunner().invoke(cli.commands, ["benchmark", "--json", "--only", "knn", "--threads", "1"])
    assert done.exit_code == 0 and "measuring knn" in done.stderr
    values = json.loads(done.stdout)
    assert set(values) == {"threads"} | NAMES["knn"] and done.stdout.count("\n") == 1


def test_table_without_json(tiny):
    done = CliRunner().invoke(cli.commands, ["benchmark", "--only", "decode"])
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["threads", "decode_files_per_s", "decode_files"]


@pytest.mark.parametrize("arguments, words", [
    (("--only", "cqtt"), "unknown benchmark 'cqtt': expected one of cqt, decode, train, embed, knn, map, sonify. Did you mean"),
    (("--threads", "0"), "Invalid value for '--threads'"),
])
def test_mistakes_end_with_2_and_a_sentence(arguments, words):
    done = run_cli("benchmark", *arguments)
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr and not done.stdout
