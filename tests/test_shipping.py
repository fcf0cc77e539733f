"""Networks that ship: their cards say what their trials found, the same command gives the same bytes, half precision is enough."""

import json
import shutil

import numpy as np
import pytest
import soundfile
import torch

import dml_lib
from dml_lib import embed, experiments, paper_scale, paths, results, shipping, soundcheck, splits, tensors
from dml_lib.config import SCHEMES, Config
from dml_lib.dataset import Dataset
from dml_lib.sounds import decode
from dml_lib.weights import WeightsMismatch, open_weights

SMALL = Config(
    threads=1, n_bins=40, size="small", ours_pool=1, ours_windows=16, ours_iterations=4, validations=1, judge_sounds=30, eval_frames=200,
    recordings=("philharmonia",),
)
README = f"before\n{shipping.MARKS[0]}old\n{shipping.MARKS[1]}after\n"
SHIPPED = [scheme for scheme in SCHEMES if (paths.WEIGHTS / f"{scheme}.json").is_file()]
needs_weights = pytest.mark.skipif(not SHIPPED, reason="no weights yet: run `python -m dml_lib train SCHEME`")


@pytest.fixture
def small(tmp_path, monkeypatch, make_dataset):
    """A folder to work in, and sounds of a bank, an unheard bank and recordings in place of those of the experiment."""
    def build(cfg, run):
        build.times += 1
        dataset = make_dataset(120, easy=True)
        library = np.array(["timgm6mb", "timgm6mb", "timgm6mb", "timgm6mb", "generaluser_gs", "philharmonia"])[np.arange(120) // 20]
        family = np.array([{"timgm6mb": "timgm", "generaluser_gs": "generaluser"}.get(name, name) for name in library])
        table = dataset.table.assign(source_family=family, library=library, recorded=family != "timgm", kind="note", checksum="0")
        for name, split in splits.protocols(table, cfg.seed).items():
            table[name] = split
        return Dataset(table, dataset.frames, dataset.n_frames), None

    build.times = 0
    monkeypatch.setattr(experiments, "build", build)
    monkeypatch.setitem(paper_scale.CHANGES, "ours", {"ours_iterations": 3})
    monkeypatch.setattr(paths, "RECORDED", tmp_path / "results")
    monkeypatch.setattr(paths, "WEIGHTS", tmp_path / "weights")
    return paths.Run("test", str(tmp_path)), build


def ship(work, folder, scheme="instrument"):
    return shipping.ship(scheme, SMALL, work, folder, lambda text: None)


def test_the_same_command_gives_the_same_bytes(small, tmp_path):
    work, build = small
    first = ship(work, tmp_path / "a")
    other = ship(paths.Run("other", str(tmp_path / "elsewhere")), tmp_path / "b")  # trained again
    again = ship(work, tmp_path / "c")  # found
    assert [path.name for path in first] == ["instrument.safetensors", "instrument.json", "instrument.md"] and build.times == 2
    for one, two, three in zip(first, other, again):
        assert one.read_bytes() == two.read_bytes() == three.read_bytes()
    assert str(tmp_path) not in first[1].read_text() + first[2].read_text()


def test_the_card_says_what_the_trial_found(small, tmp_path):
    work, _ = small
    weights, written, text = ship(work, tmp_path / "weights")
    content, (trial,) = results.load(written), [path for path in (tmp_path / "trials").glob("*.json") if "about" not in path.name]
    values = {name: value for name, value in json.loads(trial.read_text()).items() if name not in (*shipping.TIMES, "trained_on")}
    assert values == {name: value for name, value in content["values"].items() if not name.startswith(shipping.ABOUT) and not name.endswith(shipping.ENDS)}
    labels, levels = ("instrument", "pitch"), ("", ".audible")
    assert {f"knn.{label}.{split}{level}" for label in labels for split in splits.SPLITS for level in levels} <= set(values)
    for name in ("knn.instrument.real", "knn.pitch.random.audible"):
        value, low, high = (content["values"][name + end] for end in ("", ".lo", ".hi"))
        assert low <= value + 1e-3 and value - 1e-3 <= high and f"{value:.3f} ({low:.3f}, {high:.3f})" in text.read_text()
    assert content["config"] == SMALL.with_(ours_iterations=3).as_dict() and content["scheme"] == "instrument" and content["not_run"] == {}
    assert content["inputs"].keys() == {"TimGM6mb.sf2"} and content["inputs"]["TimGM6mb.sf2"] in text.read_text()
    assert content["sounds"]["real"]["test"] == {"philharmonia": 20} and content["sounds"]["random"]["train"] == {"timgm6mb": 48}
    assert not {"seconds", "cpu_seconds", "waiting"} & set(content["values"])
    assert "2 dimensions" not in text.read_text() and f"{weights.stat().st_size:,} bytes" in text.read_text()


def test_names_that_are_wrong_are_told(small, tmp_path, monkeypatch):
    work, build = small
    data = build(SMALL, None)[0]
    note = dict(zip(data.table["sound_id"], data.table["note_number"].astype(float)))

    def heard(dataset, cfg):  # an octave below the name of every second recording
        ids = dataset.table["sound_id"].tolist()
        return np.array([note[i] - 12 * (recorded and k % 2) for k, (i, recorded) in enumerate(zip(ids, dataset.table["recorded"]))])

    monkeypatch.setattr(shipping.disputes, "heard_notes", heard)
    _, written, text = ship(work, tmp_path / "weights", "pitch")
    values = results.load(written)["values"]
    assert values["contradicted.random"] == 0 and values["agreed.knn.pitch.random"] == values["knn.pitch.random"]
    assert values["contradicted.real"] == 0.5 and values["agreed.knn.pitch.real.lo"] <= values["agreed.knn.pitch.real"] <= values["agreed.knn.pitch.real.hi"]
    assert f"| real | 0.500 | {values['confirmed.real']:.3f} | {values['knn.pitch.real']:.3f} | {values['agreed.knn.pitch.real']:.3f} |" in text.read_text()
    assert "confirmed.random" not in values and 0 <= values["confirmed.real"] <= 1
    told = shipping.summary(tmp_path / "weights", tmp_path)
    assert "Of the sounds of *real*, 50.0% have a name" in told and "Of the sounds of *random*" not in told


def record(work, tmp_path, scheme, say=lambda text: None):
    paper_scale.run(2, ["ours"], [scheme], SMALL, work, tmp_path / "results" / "paper", say)


def test_the_trial_is_that_of_the_recorded_result(small, tmp_path):
    work, _ = small
    said = []
    record(work, tmp_path, "pitch", said.append)
    assert len([text for text in said if "training" in text]) == 2
    said.clear()
    shipping.ship("pitch", SMALL, work, tmp_path / "weights", said.append)
    assert not [text for text in said if "training" in text]
    content = results.load(tmp_path / "weights" / "pitch.json")
    recorded = results.load(tmp_path / "results" / "paper" / "ours.pitch.json")
    assert content["values"]["knn.pitch.real"] == recorded["series"]["ours.pitch.knn.pitch.real"][0]
    low, high = (recorded["values"][f"ours.pitch.knn.pitch.random.{end}"] for end in ("lo", "hi"))
    text = (tmp_path / "weights" / "pitch.md").read_text()
    assert f"({low:.3f}, {high:.3f})" in text and "all seeds" in text and "was not recorded" not in text


def test_intervals_of_another_training_are_not_on_the_card(small, tmp_path):
    work, _ = small
    record(work, tmp_path, "instrument")
    content = results.load(ship(work, tmp_path / "weights")[1])
    assert shipping.over_seeds(content)
    content["values"]["knn.pitch.real"] += 1e-9
    assert shipping.over_seeds(content) == {} and "was not recorded" in shipping.card(content) and "all seeds" not in shipping.card(content)


def test_half_precision_is_close(small, tmp_path):
    work, build = small
    weights, written, _ = ship(work, tmp_path / "weights")
    assert {tensor.dtype for tensor in tensors.read(weights, "weights", "")[0].values()} == {torch.float16}
    (trained,), data = (tmp_path / "trials").glob("*.safetensors"), build(SMALL, None)[0]
    (single, cfg), (half, _) = open_weights(trained), open_weights(weights)
    one, two = (embed.embed_frames(model, data, cfg) for model in (single, half))
    assert 0 < np.abs(one - two).max() < 2e-3 * np.abs(one).max()
    values = results.load(written)["values"]
    assert 0 < values["float16.shift"] < 0.01
    tested = build(SMALL, None)[0]
    assert values["float16.knn.instrument.random"] == experiments.figures(half, tested, cfg, 2_400)["knn.instrument.random"]


def test_a_shipped_network_hears_a_file(small, tmp_path):
    weights = ship(small[0], tmp_path / "weights")[0]
    y = np.sin(2 * np.pi * 55 * np.arange(16_000) / 16_000) * np.linspace(1, 0, 16_000)
    soundfile.write(tmp_path / "a.wav", y, 16_000, subtype="FLOAT")
    model, cfg = open_weights(weights)
    x = soundcheck.analyze(decode.decode(tmp_path / "a.wav", cfg.sr)[0], cfg.sr, cfg.with_(level=0.0)).astype(np.float16)
    alone = Dataset.single(x).leveled(cfg.level)
    np.testing.assert_array_equal(dml_lib.load("instrument").embed(tmp_path / "a.wav"), embed.embed_frames(model, alone, cfg))
    shutil.copy(weights, weights.with_name("pitch.safetensors"))
    with pytest.raises(WeightsMismatch, match="no network of the scheme pitch, found instrument"):
        dml_lib.load("pitch")
    weights.write_bytes(weights.read_bytes()[:-2])
    with pytest.raises(paths.Damaged, match="not a whole file of weights"):
        dml_lib.load("instrument")


def test_what_cannot_ship_is_refused(small, tmp_path):
    work, _ = small
    with pytest.raises(ValueError, match="Did you mean 'pitch'"):
        ship(work, tmp_path / "weights", "pich")
    ship(work, tmp_path / "weights")
    next((tmp_path / "trials").glob("*.safetensors")).unlink()
    with pytest.raises(ValueError, match="expected the weights of a trial beside .*, found none: delete that file, and run this again"):
        ship(work, tmp_path / "weights")
    (kept,) = [path for path in (tmp_path / "trials").glob("*.json") if "about" not in path.name]
    kept.write_text(json.dumps(json.loads(kept.read_text()) | {"trained_on": {"2 cores": 1, "2 cores, fast device": 2}}))
    with pytest.raises(ValueError, match="expected a network trained on processors, as its card promises, found 2 cores, fast device: delete"):
        ship(work, tmp_path / "weights")


def test_the_readme_holds_what_the_files_say(small, tmp_path):
    readme, places = tmp_path / "README.md", {"folder": tmp_path / "weights", "recorded": tmp_path / "paper"}
    readme.write_text(README)
    shipping.write_summary(readme, **places)
    assert "No network is in `weights/` yet" in readme.read_text()
    values = results.load(ship(small[0], tmp_path / "weights", "instrument_pitch_2")[1])["values"]
    results.save(tmp_path / "paper" / "paper.pitch.json", {"paper.pitch.knn.pitch.random": 0.25}, SMALL)
    shipping.write_summary(readme, **places)
    shipping.write_summary(readme, **places)
    text = readme.read_text()
    assert text.startswith(f"before\n{shipping.MARKS[0]}Share") and text.endswith(f"{shipping.MARKS[1]}after\n") and "old" not in text
    figures = [f"{values[f'knn.{label}.{split}']:.3f}" for label in ("instrument", "pitch") for split in splits.SPLITS]
    assert f"| instrument_pitch_2 | {' | '.join(figures)} | 0.388 | 0.347 |\n" in text
    assert "| pitch, the paper's recipe | not run | not run | not run | 0.250 | not run | not run | 0.181 | 0.624 |\n" in text
    readme.write_text("no marks")
    with pytest.raises(ValueError, match="expected the marks <!-- summary -->"):
        shipping.write_summary(readme, **places)


def test_the_readme_is_up_to_date():
    text = (paths.ROOT / "README.md").read_text()
    assert shipping.MARKS[0] + shipping.summary() + shipping.MARKS[1] in text, "run `python -m dml_lib train SCHEME` again"


@needs_weights
@pytest.mark.parametrize("scheme", SHIPPED)
def test_what_ships_is_what_its_card_says(scheme):
    content = results.load(paths.WEIGHTS / f"{scheme}.json")
    file = paths.WEIGHTS / f"{scheme}.safetensors"
    assert content["weights"] == {"sha256": shipping.pooch.file_hash(str(file)), "bytes": file.stat().st_size}
    assert (paths.WEIGHTS / f"{scheme}.md").read_text() == shipping.card(content), f"run `python -m dml_lib train {scheme}` again"
    assert open_weights(file, scheme)[1].as_dict() == content["config"]
    assert not set(content["sounds"]["random"]["train"]) - set(content["config"]["sources"])  # nothing else was trained on
    for name in ("held_out", "real"):
        assert set(content["sounds"][name]["test"]).isdisjoint(content["config"]["sources"])
    for name in [name for name in content["values"] if name.startswith("float16.knn")]:
        assert content["values"][name] == pytest.approx(content["values"][name.removeprefix("float16.")], abs=0.01)


def test_what_the_cards_say_is_read_as_one(small, tmp_path, monkeypatch):
    work, _ = small
    monkeypatch.setattr(shipping, "SCHEMES", ("instrument",))
    ship(work, paths.WEIGHTS)
    found = shipping.reached()
    assert found["instrument.knn.instrument.random"] == results.load(paths.WEIGHTS / "instrument.json")["values"]["knn.instrument.random"]
    (paths.WEIGHTS / "instrument.json").unlink()
    with pytest.raises(results.ResultMissing):
        shipping.reached()


@needs_weights
def test_the_networks_are_small():
    assert sum(path.stat().st_size for path in paths.WEIGHTS.iterdir()) <= 30e6


def test_weights_are_kept_in_git():
    ignored = (paths.ROOT / ".gitignore").read_text().split()
    assert not {"weights", "weights/", "*.safetensors"} & set(ignored)
