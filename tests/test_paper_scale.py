"""The run at the paper's size: each recipe and scheme a result of its own, written at once, resumed where it stopped."""

import numpy as np
import pytest
import torch

from dml_lib import experiments, paper_scale, paths, results, splits
from dml_lib.config import SCHEMES, Config

SMALL = Config(
    threads=1, n_bins=40, size="small", ours_pool=1, ours_windows=16, ours_iterations=2, paper_iterations=2, validations=1, judge_sounds=30,
    eval_frames=200,
)
CHANGES = {"paper": {}, "ours": {"ours_iterations": 3}}


@pytest.fixture
def work(tmp_path, monkeypatch, make_dataset):
    """A folder to work in, and a few sounds in place of the paper's 120,000."""
    data = make_dataset(60, easy=True)
    data.table = data.table.assign(source_family="timgm", library="timgm6mb", recorded=False, kind="note")
    data.table["random"] = splits.random_split(60, 0)
    monkeypatch.setattr(experiments, "build", lambda cfg, run: (data, None))
    return paths.Run("test", str(tmp_path))


def run(work, seeds=1, say=lambda text: None, **only):
    paper_scale.run(seeds, full=SMALL, work=work, folder=work.root / "paper", say=say, changes=CHANGES, **only)
    return {path.stem: results.load(path) for path in (work.root / "paper").glob("*.json")}


def test_each_recipe_and_scheme_is_a_result(work):
    found = run(work, 2)
    assert set(found) == {f"{recipe}.{scheme}" for recipe in ("paper", "ours") for scheme in SCHEMES}
    for name, content in found.items():
        key = f"{name}.knn.instrument.random"
        assert content["values"][key] == np.mean(content["series"][key]) and len(content["series"][key]) == 2
        assert content["config"]["ours_iterations"] == (3 if name.startswith("ours") else 2)
        assert set(content["not_run"]) == {"held_out", "real"} and not [key for key in content["values"] if "real" in key]
        assert list(content["inputs"]) == ["TimGM6mb.sf2"] and content["config"]["threads"] == 1 and content["machine"]["cores"] > 0
        assert [sum(each.values()) for each in content["trained_on"]] == [3 if name.startswith("ours") else 2] * 2


def test_a_killed_run_keeps_what_was_done_and_goes_on(work, monkeypatch):
    train, trained = experiments.train.train, []

    def killed(cfg, scheme, recipe, *rest, **others):
        if len(trained) == 5:
            raise KeyboardInterrupt
        trained.append((recipe, scheme))
        return train(cfg, scheme, recipe, *rest, **others)

    monkeypatch.setattr(experiments.train, "train", killed)
    with pytest.raises(KeyboardInterrupt):
        run(work)
    kept = {path.stem: path.read_bytes() for path in (work.root / "paper").glob("*.json")}
    assert set(kept) == {f"ours.{scheme}" for scheme in SCHEMES} | {"paper.instrument"}
    monkeypatch.setattr(experiments.train, "train", train)
    said = []
    found = run(work, say=said.append)
    assert len(found) == 8 and [text.split(",")[0] for text in said if "training" in text] == [f"training {scheme}" for scheme in SCHEMES[1:]]
    for name, content in kept.items():
        assert (work.root / "paper" / f"{name}.json").read_bytes() == content


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_here_is_refused_before_sounds_are_made(work, monkeypatch):
    monkeypatch.delattr(experiments, "build")
    with pytest.raises(ValueError, match="expected a device of this machine, such as 'cpu', found 'cuda'"):
        run(work, device="cuda")


def test_a_network_is_not_trained_again_when_its_judgement_is_killed(work, monkeypatch):
    only = {"recipes": ["ours"], "schemes": ["pitch"]}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(experiments, "figures", killed := lambda *rest: (_ for _ in ()).throw(KeyboardInterrupt))
        run(work, **only)
    said = []
    with monkeypatch.context() as patch:
        patch.setattr(experiments.train, "train", killed)
        resumed = run(work, say=said.append, **only)
    assert set(resumed) == {"ours.pitch"} and not [text for text in said if "training" in text]
    (work.root / "paper" / "ours.pitch.json").unlink()
    for path in (work.root / "trials").iterdir():
        path.unlink()
    once = run(work, **only)
    times = ("seconds", "cpu_seconds", "waiting")
    assert {k: v for k, v in resumed["ours.pitch"]["values"].items() if not k.endswith(times)} \
        == {k: v for k, v in once["ours.pitch"]["values"].items() if not k.endswith(times)}


def test_the_papers_table_has_what_was_run_and_the_author_apart(work):
    ran = run(work, schemes=["pitch"], recipes=["ours"])["ours.pitch"]["values"]
    table = paper_scale.recorded(work.root / "paper")
    assert len(table) == 3 * 2 * 4 and set(table.columns.get_level_values(1)) == {*splits.SPLITS, "author"}
    for level, suffix in (("a sound", ""), ("a frame", ".frame"), ("an audible frame", ".audible")):
        assert table.loc[(level, "ours", "pitch"), ("pitch", "random")] == f"{ran[f'ours.pitch.knn.pitch.random{suffix}']:.3f}"
    assert table.loc[("a sound", "paper", "pitch"), ("pitch", "random")] == table.loc[("a sound", "ours", "pitch"), ("pitch", "real")] == "not run"
    his = results.author_table()
    assert table.loc[("a frame", "ours", "pitch"), ("instrument", "author")] == f"{his.loc['pitch', 'instrument']:.3f}"
    assert set(table.loc["a sound"]["pitch", "author"]) == {""}


def test_the_paper_profile_is_the_papers_size():
    assert paper_scale.PAPER.sounds_per_instrument * 24 == 120_000 and paper_scale.PAPER.paper_iterations == 50_000
    assert paper_scale.CHANGES["ours"] == {"ours_iterations": 14_000, "ours_learning_rate": 5e-4}
