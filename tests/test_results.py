"""Results files say what made them, are whole or absent, and lend their numbers to prose."""

import hashlib
import json
import os

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from dml_lib import paths, results
from dml_lib.config import Config
from dml_lib.paths import Damaged
from dml_lib.results import ResultMissing, glue, load, published, save

VALUES = {"pitch.knn.pitch.random": 0.5, "pitch.k.pitch.random": 75, "pitch.knn.pitch.random.frame": np.float32(0.25)}


def test_round_trip(tmp_path):
    made_from = tmp_path / "weights.bin"
    made_from.write_bytes(b"abc")
    cfg = Config.preset("standard", seed=4)
    written = save(
        tmp_path / "new" / "evaluate.json", VALUES, cfg, {"k": "neighbors"}, [made_from], {"ours.loss": [[1, 0.5]]}, {"real": "no recordings"}
    )
    read = load(tmp_path / "new" / "evaluate.json")
    assert read == written
    assert read["values"] == {"pitch.knn.pitch.random": 0.5, "pitch.k.pitch.random": 75.0, "pitch.knn.pitch.random.frame": 0.25}
    assert read["units"] == {"k": "neighbors"} and read["series"] == {"ours.loss": [[1, 0.5]]}
    assert read["not_run"] == {"real": "no recordings"}
    assert read["seed"] == 4 and read["config"] == cfg.as_dict()
    assert read["inputs"] == {"weights.bin": hashlib.sha256(b"abc").hexdigest()}
    assert {"python", "numpy", "torch", "librosa"} <= set(read["versions"])
    assert read["versions"]["numpy"] == np.__version__


def test_what_is_not_said_is_empty(tmp_path):
    read = save(tmp_path / "a.json", {}, Config())
    assert read["values"] == read["units"] == read["series"] == read["not_run"] == read["inputs"] == {}
    assert list(load(tmp_path / "a.json")) == ["values", "units", "series", "not_run", "config", "seed", "inputs", "versions"]


def test_the_same_results_are_the_same_bytes(tmp_path):
    save(tmp_path / "a.json", VALUES, Config())
    save(tmp_path / "b.json", VALUES, Config())
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@pytest.mark.parametrize("stem", ["evaluate", "sonify", "train_instrument_pitch_2", "your_library"])
def test_a_missing_result_names_the_chapter(stem, tmp_path):
    with pytest.raises(ResultMissing, match=rf"no result at .*{stem}\.json: run chapter ") as caught:
        load(tmp_path / f"{stem}.json")
    chapter = str(caught.value).split("run chapter ")[1]
    assert stem.split("_")[0] in chapter
    if stem.startswith("train_"):
        assert "instrument_pitch_2" in chapter
    assert ("with scheme" in chapter) == stem.startswith("train_")
    assert isinstance(caught.value, FileNotFoundError)


@pytest.mark.parametrize("text", ['{"values": {"a": 1', "", "[]", "{}", '{"values": [1]}', "null", "3"])
def test_a_damaged_file_says_what_to_do(text, tmp_path):
    (tmp_path / "evaluate.json").write_text(text)
    with pytest.raises(Damaged, match=r"evaluate\.json is not a whole results file .*: delete it and run chapter .*evaluate again"):
        load(tmp_path / "evaluate.json")


def test_a_file_that_is_not_text_is_damaged(tmp_path):
    (tmp_path / "evaluate.json").write_bytes(b"\xff\xfe\x00{")
    with pytest.raises(Damaged, match="not a whole results file"):
        load(tmp_path / "evaluate.json")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), np.float32("nan")])
def test_a_value_that_is_no_number_is_refused_and_the_old_file_stays(bad, tmp_path):
    save(tmp_path / "a.json", VALUES, Config())
    before = (tmp_path / "a.json").read_bytes()
    with pytest.raises(ValueError, match="Out of range float"):
        save(tmp_path / "a.json", {"x": bad}, Config())
    with pytest.raises(ValueError, match="Out of range float"):
        save(tmp_path / "a.json", {}, Config(), series={"ours.loss": [[1, float(bad)]]})
    with pytest.raises(ValueError, match="could not convert"):
        save(tmp_path / "a.json", {"x": "high"}, Config())
    assert (tmp_path / "a.json").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_file_is_replaced_whole(tmp_path, monkeypatch):
    """The last step is a rename: stopped before it, the old file is untouched."""
    save(tmp_path / "a.json", {"x": 1}, Config())

    def stop(*args):
        raise KeyboardInterrupt

    for name in ("replace", "rename"):
        monkeypatch.setattr(os, name, stop)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path / "a.json", {"x": 2}, Config())
    assert load(tmp_path / "a.json")["values"] == {"x": 1}
    monkeypatch.undo()
    save(tmp_path / "a.json", {"x": 2}, Config())
    assert load(tmp_path / "a.json")["values"] == {"x": 2}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]  # the left-over was used up


def test_a_missing_input_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        save(tmp_path / "a.json", {}, Config(), inputs=[tmp_path / "absent"])
    assert not (tmp_path / "a.json").exists()


@pytest.fixture
def shell():
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


def glued(values):
    """What a notebook would keep of glued values: {name: plain text}."""
    with capture_output() as captured:
        glue(values)
    kept = "application/papermill.record/text/plain"
    return {out.metadata["scrapbook"]["name"]: out.data[kept] for out in captured.outputs}


def test_glue_gives_plain_numbers_and_words(shell):
    numbers = glued({"knn": np.float64(0.5), "n": 12, "small": np.float32(0.25), "x": 0.123456})
    assert numbers == {"knn": "0.5", "n": "12", "small": "0.25", "x": "0.123456"}  # no np.float64(...) in prose
    assert "not run" in glued({"why": "not run"})["why"]


def test_published_figures_are_there_and_cited():
    values = published()
    assert values["author.instrument.knn.instrument.test"] == 0.4481
    content = json.loads(results.paths.PUBLISHED.read_text())
    sources = content["sources"]
    assert all(any(name.startswith(prefix) for prefix in sources) for name in values)
    assert all(isinstance(value, (int, float)) for value in values.values())


def test_author_table_holds_his_published_figures():
    table = results.author_table()
    assert list(table.index) == ["instrument", "pitch", "instrument_pitch", "instrument_pitch_2"]
    assert table.to_numpy().tolist() == [[0.4481, 0.0760], [0.1812, 0.6242], [0.2876, 0.5851], [0.3876, 0.3469]]


def test_paper_neighborhoods_holds_its_published_counts():
    table = results.paper_neighborhoods()
    assert table.loc["instrument_pitch"].tolist() == [119.8, 61.8] and table.loc["instrument", "mean"] == 5000


def test_thesis_table_holds_its_published_figures():
    table = results.thesis_table()
    assert table.loc["nlse"].tolist() == [0.925, 0.883, 0.844, 0.707] and table.loc["pca_lda", 24] == 0.248


def test_author_answers_to_analogies_are_shares_of_his_trials():
    values = {name: value for name, value in published().items() if ".votes." in name}
    each = {name.split(".votes.")[0] for name in values}
    assert len(values) == 15 and len(each) == 3
    for analogy in each:
        shares = [value for name, value in values.items() if name.startswith(analogy)]
        assert shares == sorted(shares, reverse=True) and sum(shares) <= 1


def test_what_is_kept_is_made_once(tmp_path):
    calls = []

    def make():
        calls.append(1)
        return {"a": [0.5, len(calls)]}

    path = tmp_path / "trials" / "one.json"
    assert results.kept(path, make) == results.kept(path, make) == {"a": [0.5, 1]} and len(calls) == 1
    path.unlink()
    assert results.kept(path, make) == {"a": [0.5, 2]} and [p.name for p in path.parent.iterdir()] == ["one.json"]
    path.write_text('{"a": [0.5')
    with pytest.raises(results.paths.Damaged, match="one.json is not a whole trial .*delete it"):
        results.kept(path, make)


def test_inputs_of_one_name_are_told_apart(tmp_path):
    for folder in ("weights", "embeddings"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "pitch.safetensors").write_text(folder)
    files = [tmp_path / "weights" / "pitch.safetensors", tmp_path / "embeddings" / "pitch.safetensors"]
    found = save(tmp_path / "a.json", {}, Config(), inputs=files)["inputs"]
    assert found == {f"{name}/pitch.safetensors": hashlib.sha256(name.encode()).hexdigest() for name in ("weights", "embeddings")}


def test_values_of_seeds_are_their_mean_and_their_ends():
    assert results.over_seeds({"a": [0.25, 0.75, 0.5], "b": [0.5]}) == {"a": 0.5, "a.lo": 0.25, "a.hi": 0.75, "b": 0.5}


@pytest.mark.parametrize("path, way", [
    (paths.WEIGHTS / "no_such.json", "train no_such"), (paths.RECORDED / "paper" / "ours.no.json", "paper-run --recipe ours --scheme no"),
    (paths.RECORDED / "no.json", "report --full --only no"),
])
def test_what_the_repository_holds_is_made_by_commands(path, way):
    with pytest.raises(ResultMissing, match=f"get it from the repository, or run `python -m dml_lib {way}`"):
        load(path)
