"""The explorer without a kernel: menus that redraw, sounds that are played, and pictures where nothing can run."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import ipywidgets
import numpy as np
import pytest

from dml_lib import config, explorer, library


@pytest.fixture
def parts(make_dataset, monkeypatch, tone, tmp_path):
    """Two spaces of forty sounds in files."""
    monkeypatch.delenv("DML_BOOK", raising=False)
    data = make_dataset(n_bins=192)
    data.table["path"] = [str(tone(tmp_path / f"{i}.wav", 200 + 10 * i)) for i in range(len(data))]
    rng = np.random.default_rng(0)
    spaces = {s: (rng.normal(size=(len(data.frames), 3)), rng.normal(size=(len(data), 3))) for s in ("instrument", "pitch")}
    return spaces, data, config.Config()


def figure(output):
    return output.outputs[-1]["data"]["application/vnd.plotly.v1+json"]


def trace(output, mode="markers"):
    return next(t for t in figure(output)["data"] if t["mode"] == mode)


def test_menus_choose_what_is_drawn(parts):
    spaces, data, cfg = parts
    e = explorer.Explorer(spaces, data, cfg)
    assert len(trace(e.cloud)["text"]) == len(data) and not figure(e.cloud)["layout"].get("updatemenus")
    before = json.dumps(trace(e.cloud)["x"])
    e.scheme.value = "pitch"
    assert json.dumps(trace(e.cloud)["x"]) != before
    e.instrument.value = "flute"
    e.pitch.value = (61, 62)
    table = data.table
    assert np.array_equal(e.chosen(), (table["instrument"] == "flute") & table["note_number"].between(61, 62))
    assert sorted(trace(e.cloud)["text"]) == ["flute C#4", "flute C#4", "flute D4", "flute D4"]
    assert e.color.options == ("pitch", "instrument", "family", "split")  # this table has no others
    titles = []
    for e.color.value in e.color.options:
        titles.append(trace(e.cloud)["marker"]["colorbar"]["title"]["text"])
    assert titles == ["pitch", "instrument", "family", "split"]


def test_a_sound_is_told_played_and_drawn(parts):
    e = explorer.Explorer(*parts)
    before = json.dumps(trace(e.cloud, "lines")["x"]), e.details.outputs[0]["data"]["text/html"]
    e.sound.value = 7
    html = e.details.outputs[0]["data"]["text/html"]
    assert "<audio" in html and "tuba C#4" in html and html != before[1]
    assert json.dumps(trace(e.cloud, "lines")["x"]) != before[0] and figure(e.details)["data"][0]["type"] == "heatmap"


def test_a_path_is_played_through_the_chosen_sounds(parts):
    e = explorer.Explorer(*parts)
    e.goal.value = 9
    e.play.click()
    html = e.heard.outputs[0]["data"]["text/html"]
    assert re.search(r"cello C4 \[0\] to flute D4 \[9\]", html) and "<audio" in html


def test_nothing_left_by_the_menus_is_no_error(parts):
    e = explorer.Explorer(*parts)
    e.pitch.min = 0
    e.pitch.value = (0, 10)
    assert not e.chosen().any() and "no sound" in e.cloud.outputs[0]["data"]["text/html"]
    e.play.click()
    assert e.heard.outputs


@pytest.mark.parametrize("known", [0, 30])
def test_sounds_without_a_note_are_there_until_one_is_asked_for(parts, known):
    spaces, data, cfg = parts
    data.table["note_number"] = data.table["note_number"].where(np.arange(len(data)) < known).astype("Int64")
    e = explorer.Explorer(spaces, data, cfg)
    assert e.chosen().all() and ("pitch" in e.color.options) == bool(known)
    e.pitch.value = (e.pitch.min, e.pitch.max - 1)
    assert np.array_equal(e.chosen(), data.table["note_number"].between(*e.pitch.value).fillna(False))


def test_a_page_without_a_kernel_gets_pictures(parts, monkeypatch):
    assert isinstance(explorer.explore(*parts), ipywidgets.VBox)
    monkeypatch.setenv("DML_BOOK", "1")
    fig = explorer.explore(*parts)
    test = (parts[1].table["random"] == "test").sum()
    assert len(fig.data) == 2 and len(fig.data[0].x) == test > 5 and fig.layout.meta["linked"]
    monkeypatch.setattr(explorer, "MOST", 5)
    few = explorer.explore(*parts)
    assert len(few.data[1].x) == 5 and set(few.data[1].x) < set(fig.data[1].x)


def test_a_map_is_explored_and_asked_by_a_file(folder, small_weights, tmp_path, monkeypatch):
    monkeypatch.delenv("DML_BOOK", raising=False)
    with ThreadPoolExecutor(2) as pool:
        library.update([folder], tmp_path / "map", small_weights, executor=pool, progress=False, say=str)
    e = explorer.MapExplorer(tmp_path / "map", k=3)
    assert len(trace(e.cloud)["text"]) == 7 and e.ask in e.widget.children
    assert np.array_equal(e.dataset.table["gain"], e.library.dataset.table["gain"]) and e.dataset.table["gain"].nunique() > 1

    def drop(name, content):
        e.ask.value = ({"name": name, "type": "", "size": len(content), "content": memoryview(content), "last_modified": datetime.now()},)
        return e.heard.outputs[0]["data"]["text/html"]

    answer = drop("mine.ogg", (folder / "trumpet_E4.ogg").read_bytes())
    assert re.findall(r"<figcaption>(.*?)</figcaption>", answer)[0] == "1. My Samples/trumpet_E4.ogg" and answer.count("<audio") == 3
    answer = drop("<b>.wav", b"no sound")
    assert "expected a sound in &lt;b&gt;.wav, found damaged" in answer and "<b>" not in answer
    e.goal.value = 0
    e.play.click()
    assert "<audio" in e.heard.outputs[0]["data"]["text/html"]
