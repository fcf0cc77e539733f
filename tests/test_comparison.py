"""The recorded comparison: every row, means of the seeds, finished trials found again, tables that read what was written."""

import json
from itertools import product

import numpy as np
import pytest

from dml_lib import comparison, evaluate, paths, results, splits, timbre
from dml_lib.baselines import METHODS
from dml_lib.config import Config
from dml_lib.dataset import Dataset

SMALL = Config(
    threads=1, n_bins=40, size="small", ours_pool=1, ours_windows=16, ours_iterations=2, validations=1, judge_sounds=30, eval_frames=200,
)
SIZES = (45, 60)
SOME = ("log_cqt", "mfcc", "pca", "pca_lda", "lle", "mds", "untrained", "supcon", "ours")  # of each kind
pytestmark = [  # Isomap of easy data
    pytest.mark.filterwarnings("ignore:The number of connected components of the neighbors graph:UserWarning"),
    pytest.mark.filterwarnings("ignore:Changing the sparsity structure:scipy.sparse.SparseEfficiencyWarning"),
]




@pytest.fixture
def made(make_dataset, monkeypatch, tmp_path, tone):
    """Sounds of three families and of recordings in place of those of the profile, and one listening test of six tones."""
    def build(cfg, run):
        dataset = make_dataset(160, easy=True)
        library = np.array(["timgm", "fluid", "timgm", "fluid", "timgm", "fluid", "generaluser", "philharmonia"])[np.arange(160) // 20]
        table = dataset.table.assign(
            source_family=library, library=library, recorded=np.isin(library, ["generaluser", "philharmonia"]), kind="note", checksum="")
        for name, split in splits.protocols(table, cfg.seed).items():
            table[name] = split
        return Dataset(table, dataset.frames, dataset.n_frames), None

    test = tmp_path / "data" / "timbre_ratings" / "A1999"
    for i in range(6):
        tone(test / f"{i}.wav", 200 * 2 ** (i / 2))
    np.savetxt(test / "dissimilarity.txt", np.triu(np.abs(np.subtract.outer(np.arange(6), np.arange(6))), 1))
    monkeypatch.setenv("DML_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(comparison, "build", build)
    monkeypatch.setattr(comparison, "METHODS", {name: METHODS[name] for name in SOME})
    monkeypatch.setattr(comparison, "COSTLY", ("lle", "mds"))
    monkeypatch.setattr(comparison, "SIZES", SIZES)
    monkeypatch.setattr(paths, "RECORDED", tmp_path / "results")
    monkeypatch.setattr(comparison, "RECORDED", tmp_path / "results" / "baselines.json")
    place = {"cello": 0, "flute": 1, "oboe": 2, "tuba": 3}
    plain = timbre.mean_mfcc
    monkeypatch.setattr(timbre, "mean_mfcc", lambda row: plain(row) if "path" in row else 9 * np.eye(4, 40)[place[row["instrument"]]])
    return paths.Run("test", str(tmp_path / "run"))


def test_the_comparison_is_recorded_resumed_and_read(made, tmp_path):
    values = comparison.record(2, SMALL, made, tmp_path / "results", SIZES)
    content = json.loads((tmp_path / "results" / "baselines.json").read_text())
    assert content["values"] == values and content["not_run"] == {} and content["units"]["peak_mb"] == "MB"
    for name in SOME:
        for split, label in [(split, label) for split in splits.SPLITS for label in ("instrument", "pitch")]:
            key = f"{name}.knn.{label}.{split}"
            each = content["series"][key]
            assert len(each) == 2 and values[key] == pytest.approx(np.mean(each))
            assert (values[f"{key}.lo"], values[f"{key}.hi"]) == (min(each), max(each))
            assert f"{name}_native.knn.{label}.{split}" in values and f"{name}_native.knn.{label}.{split}.lo" not in values
            assert (f"{key}.audible" in values) == (METHODS[name].sees == "windows")
        assert -1 <= values[f"{name}.ears_spearman"] <= 1 and 0 <= values[f"{name}_native.ears_triplets"] <= 1
    assert values["ours.place_s"] > 0 and values["mds.60.peak_mb"] > 60 ** 2 * 8 / 1e6
    assert values["log_cqt.knn.instrument.random"] == values["pca.knn.instrument.random"]  # the same in three dimensions

    kept = sorted((made.root / "trials").iterdir())
    assert len(kept) == len(list(comparison.trials(2))) + 1
    kept[0].unlink()
    times = {path: path.stat().st_mtime_ns for path in kept[1:]}
    again = comparison.record(2, SMALL, made, tmp_path / "results", SIZES)
    assert {path: path.stat().st_mtime_ns for path in kept[1:]} == times and kept[0].is_file()
    timed = ("_s", "_mb")  # the one that was done again may be the cost
    assert {k: v for k, v in again.items() if not k.endswith(timed)} == {k: v for k, v in values.items() if not k.endswith(timed)}

    titles = [METHODS[name].title for name in SOME]
    table = comparison.recorded()
    assert list(table.index) == titles and list(comparison.methods().index) == titles
    low, mean, high = (values[f"lle.knn.pitch.real{end}"] for end in (".lo", "", ".hi"))
    assert table.loc["LLE", ("pitch", "real")] == f"{mean:.3f} ({low:.3f}, {high:.3f})"
    assert comparison.recorded(native=True).loc["LLE", ("pitch", "real")] == f"{values['lle_native.knn.pitch.real']:.3f}"
    assert comparison.recorded_ears().loc["LLE", ("native size", "triplets")] == values["lle_native.ears_triplets"]
    costs = comparison.recorded_costs()
    assert costs.loc[("metric MDS", 45), "memory, MB"] == values["mds.45.peak_mb"] and len(costs) == 2 * 2
    rows = comparison.rows()  # all but the cost
    assert rows == {name: value for name, value in values.items() if not name.endswith(("_s", "_mb"))} != values
    facts = comparison.facts()
    assert (facts["compared.seeds"], facts["compared.iterations"], facts["compared.windows"]) == (2, 2, 16)
    assert facts["compared.mds_total_gb"] == pytest.approx(values["mds.60.peak_mb"] * 2_000 ** 2 / 1_000)


def test_the_recorded_comparison_has_a_row_for_every_method():
    values = results.recorded("baselines")
    for name, end, label, split in product(METHODS, ("", "_native"), evaluate.COLUMNS, splits.SPLITS):
        assert 0 < values[f"{name}{end}.knn.{label}.{split}"] <= 1
    assert "not run" not in comparison.recorded().to_numpy() and "not run" not in comparison.recorded(native=True).to_numpy()
    assert comparison.recorded_ears().notna().all(axis=None) and comparison.recorded_costs().notna().all(axis=None)
    assert {name.split(".")[0] for name in values if ".knn." in name} == {name + end for name in METHODS for end in ("", "_native")}


def test_trials():
    every = list(comparison.trials(3))
    supervised = sum(method.labels for method in METHODS.values())
    assert len(every) == len(set(every)) == (len(METHODS) + supervised) * (3 + 1)
    assert {seed for seed, _, native, _ in every if native} == {0}
    assert {label for _, name, _, label in every if name == "pca"} == {"instrument"}


def test_without_listening_tests(made, tmp_path, monkeypatch):
    monkeypatch.setenv("DML_DATA", str(tmp_path))
    monkeypatch.setattr(comparison, "METHODS", {"pca": METHODS["pca"]})
    values = comparison.record(1, SMALL, made, tmp_path / "results", SIZES)
    assert not any("ears" in name for name in values)
    assert "no listening tests" in json.loads((tmp_path / "results" / "baselines.json").read_text())["not_run"]["ears"]
