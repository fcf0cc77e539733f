"""What axes mean, which sounds are copies, and a page that shows hostile names as text."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from dml_lib import census, duplicates, geometry
from dml_lib.store import FeatureStore


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    notes = pd.array([60, 62, pd.NA, 67, 72], dtype="Int64")
    estimate = np.array([60.5, 61, 65, 67, 60])
    frame = pd.DataFrame({
        "path": [f"/s/{i}.wav" for i in range(5)], "sound_id": [f"s/{i}.wav" for i in range(5)], "library": "s", "note_number": notes,
        "note_estimate": estimate, "kind": "note", "centroid_hz": rng.random(5), "loudness_db": -6.0, "attack_s": rng.random(5), "seconds": rng.random(5),
        "instrument": ["flute", None, None, "oboe", None], "cut": False, "checksum": list("abcde"),
    })
    return frame.assign(x=[1.0, 2, 3, 4, 5], y=rng.random(5), z=0.0)


def test_axes_are_rank_correlations(table):
    found = census.axes(table)
    assert found.loc["axis 1", "pitch"] == pytest.approx(1)  # the estimate fills the gap
    assert found.loc["axis 2", "brightness"] == pytest.approx(spearmanr(table["y"], table["centroid_hz"]).statistic)
    assert (found.loc["axis 3"] == 0).all() and (found["loudness"] == 0).all()  # nothing varies
    assert geometry.axis_titles(found)[0] == "axis 1 (pitch +1.00)" and geometry.axis_titles(found)[2] == "axis 3"
    nothing = census.axes(table.assign(note_number=pd.NA, note_estimate=np.nan))
    assert (nothing["pitch"] == 0).all()


def test_names_that_the_sound_contradicts(table):
    found = census.disputed(table)
    assert found["sound_id"].tolist() == ["s/1.wav", "s/4.wav"]  # half a semitone is none
    assert found[["named", "heard"]].to_numpy().tolist() == [["D4", "C#4"], ["C5", "C4"]]
    page = census.page(table, pd.DataFrame({"path": [], "reason": []}), census.axes(table), found[:0].assign(sound_a=0, sound_b=0, correlation=0), {"page_bytes": 1})
    assert "contradicts: 2" in page and '<td><a href="index.html#4">s/4.wav</a></td>' in page


@pytest.mark.parametrize("block", [3, 1_024])
def test_copies_are_those_of_a_comparison_of_all_pairs(make_dataset, tmp_path, monkeypatch, block):
    monkeypatch.setattr(census, "BLOCK", block)
    data = make_dataset(30, seed=4)
    for i, j in ((3, 20), (3, 25), (7, 8)):  # copies at another level
        data.start[j], data.n_frames[j] = data.start[i], data.n_frames[i]
    frames = [data.features(i) for i in range(30)]
    frames[20], frames[8] = frames[20] * 0.5, frames[8] * 2
    data = type(data)(data.table, np.concatenate(frames), np.array([len(f) for f in frames]))
    store = FeatureStore(tmp_path, {"front": "end"})
    keys = [f"{i:02d}" for i in range(30)]
    for block in (range(0, 12), range(12, 30)):
        store.write([keys[i] for i in block], [data.features(i) for i in block], [""] * len(block))
    marks = duplicates.fingerprint(data)
    facts = pd.DataFrame({"sketch": [each.tobytes() for each in duplicates.sketch(marks)]})
    table = data.table.assign(path=data.table["sound_id"], checksum=keys)
    found = census.copies(table, facts, store)
    close = np.argwhere(np.triu(marks @ marks.T, 1) >= 0.97)
    assert {tuple(pair) for pair in found[["sound_a", "sound_b"]].to_numpy()} == {(f"made/{i}", f"made/{j}") for i, j in close}
    assert len(found) == 4 and found["correlation"].is_monotonic_decreasing


def test_names_in_the_page_are_text(table):
    evil = '<img src=x onerror="alert(1)"></script>'
    table = table.assign(library=evil, sound_id=evil, instrument=evil)
    skipped = pd.DataFrame({"path": [evil], "reason": [evil]})
    copies = pd.DataFrame({"sound_a": [evil], "sound_b": [evil], "correlation": [1.0], "path_a": [evil], "path_b": [evil]})
    page = census.page(table, skipped, census.axes(table), copies, {"page_bytes": 1_000_000})
    assert "<img" not in page and "</script" not in page and page.count("&lt;img") >= 6
    assert "1.0 MB" in page and "5 sounds" in page


def test_names_say_the_library_where_there_are_several(table):
    assert census.names(table)[0] == "0.wav"
    assert census.names(table.assign(library=["s", "s", "s", "s", "t"]))[0] == "s/0.wav"
