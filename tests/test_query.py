"""Questions to a map, against a slow loop; what cannot be asked."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from dml_lib import cli, hearing, query
from dml_lib.library import Library, update


@pytest.fixture
def library(folder, small_weights, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        update([folder], tmp_path / "map", small_weights, executor=pool, progress=False, say=str)
    return Library.open(tmp_path / "map")


def test_a_file_from_outside_is_next_to_its_copy(library, folder, tmp_path):
    y, sr = soundfile.read(folder / "trumpet_E4.ogg")
    soundfile.write(tmp_path / "unnamed.wav", y, sr, subtype="FLOAT")
    found = query.ask(library, [str(tmp_path / "unnamed.wav")], k=3)
    assert found["sound_id"][0] == "My Samples/trumpet_E4.ogg" and found["rank"].tolist() == [1, 2, 3]
    point = query.place(str(tmp_path / "unnamed.wav"), library)[0]
    far = np.sort(np.linalg.norm(library.points - point, axis=1))[:3]
    assert found["distance"].to_numpy() == pytest.approx(far, abs=1e-6)


def test_a_sound_of_the_map_by_id_or_path_is_no_answer_to_itself(library, folder):
    name = "My Samples/flute/flute_A4.wav"
    by_id, by_path = query.ask(library, [name], k=20), query.ask(library, [str(folder / "flute" / "flute_A4.wav")], k=20)
    assert len(by_id) == len(library.table) - 1 and name not in set(by_id["sound_id"])
    assert by_id["sound_id"].tolist() == by_path["sound_id"].tolist()


def test_a_moment_is_compared_with_moments(library):
    name, row = "My Samples/flute/flute_A4.wav", 1
    row = int(np.flatnonzero(library.table["sound_id"] == name)[0])
    found = query.ask(library, [name], at=0.1, k=20)
    target = library.places[row][2]
    slow = {}
    for i, sound in enumerate(library.table["sound_id"]):
        far = [np.sqrt(((z - target) ** 2).sum()) for z in library.places[i]]
        slow[sound] = (min(far), int(np.argmin(far)) * 0.05)
    del slow[name]
    assert found["sound_id"].tolist() == sorted(slow, key=lambda sound: slow[sound][0])
    assert [tuple(each) for each in found[["distance", "at_s"]].to_numpy()] == [pytest.approx(slow[s], abs=1e-6) for s in found["sound_id"]]


def test_an_instrument_of_ones_own_is_found_by_its_name(library):
    table = library.table.assign(instrument=["my-oud"] + ["flute"] * (len(library.table) - 1))
    assert np.flatnonzero(query.fitting(table, instrument="My Oud")).tolist() == [0]


@pytest.mark.parametrize("at, seconds", [("0.1", 0.1), ("0.1s", 0.1), ("0:00:0.1s", 0.1), ("1:05", 65.0), ("1:00:05.5", 3605.5)])
def test_a_moment_is_written_as_musicians_do(library, at, seconds, monkeypatch):
    asked = []
    monkeypatch.setattr(query, "ask", lambda library, sounds, at, *rest, **filters: asked.append(at))
    CliRunner().invoke(cli.commands, ["query", str(library.out), "x.wav", "--at", at])
    assert asked == [pytest.approx(seconds)]


def test_the_command_asks_as_the_library_does(library):
    done = CliRunner().invoke(cli.commands, ["query", str(library.out), "My Samples/flute/flute_A4.wav", "--at", "0.1s", "--json"], catch_exceptions=False)
    assert done.output.strip() == query.as_json(query.ask(library, ["My Samples/flute/flute_A4.wav"], at=0.1))


def test_as_one_is_to_another(library):
    a, b, c = ("My Samples/" + name for name in ("flute/flute_A4.wav", "flute/flute_C5.wav", "trumpet_E4.ogg"))
    point = {name: library.points[np.flatnonzero(library.table["sound_id"] == name)[0]] for name in (a, b, c)}
    target = point[a] - point[b] + point[c]
    found = query.ask(library, [a], unlike=[b], plus=[c], k=20)
    assert not {a, b, c} & set(found["sound_id"])
    rows = [int(np.flatnonzero(library.table["sound_id"] == name)[0]) for name in found["sound_id"]]
    assert found["distance"].to_numpy() == pytest.approx(np.linalg.norm(library.points[rows] - target, axis=1), abs=1e-6)
    assert found["distance"].is_monotonic_increasing


def test_filters(library):
    name = "My Samples/takes/take 1.wav"
    assert set(query.ask(library, [name], note="A4")["note_number"].dropna()) <= {69}
    assert set(query.ask(library, [name], instrument="flute")["instrument"]) == {"flute"}
    assert set(query.ask(library, [name], instrument="Flute")["instrument"]) == {"flute"}  # as file names have it
    assert len(query.ask(library, [name], max_seconds=0.6)) == 6 and len(query.ask(library, [name], source="My Samples")) == 6
    with pytest.raises(ValueError, match="ask for less"):
        query.ask(library, [name], max_seconds=0.1)
    with pytest.raises(ValueError, match="expected a note such as C4"):
        query.ask(library, [name], note="H4")
    only = library.table["seconds"].idxmax()
    with pytest.raises(ValueError, match="expected a sound beside those asked about"):
        query.ask(replace(library, table=library.table.assign(library=library.table["sound_id"])), [library.table["sound_id"][only]], source=library.table["sound_id"][only])


@pytest.mark.parametrize("question, words", [
    ({}, "expected a sound to look for"),
    ({"sounds": ["My Samples/oboe_A4_forte.flac"], "unlike": ["x"]}, "as many --plus as --unlike"),
    ({"sounds": ["nothing.wav"]}, "found nothing by the name 'nothing.wav'"),
    ({"sounds": [os.path.abspath(__file__)]}, "expected a sound in"),
    ({"sounds": ["My Samples/oboe_A4_forte.flac"], "at": 9.0}, "expected a moment from 0 to 0.50 s"),
    ({"sounds": ["My Samples/oboe_A4_forte.flac"], "at": -1.0}, "expected a moment"),
])
def test_what_cannot_be_asked(question, words, library):
    with pytest.raises(ValueError, match=words):
        query.ask(library, **question)


def test_answers_as_text_json_and_playlist(library, tmp_path):
    found = query.ask(library, ["My Samples/takes/take 1.wav"], k=4)
    assert "My Samples" in query.text(found) and "NaN" not in query.text(found)
    assert found["note_number"].notna().any() and found["note_number"].isna().any() and "<NA>" not in query.text(found)
    rows = json.loads(query.as_json(found))
    assert [row["rank"] for row in rows] == [1, 2, 3, 4] and any(row["instrument"] is None for row in rows) and rows[0]["at_s"] is None
    found.loc[0, "path"] = "/a\n#EXT-evil"
    query.write_playlist(tmp_path / "list.m3u", found)
    assert (tmp_path / "list.m3u").read_text().splitlines() == ["#EXTM3U", query.PLAYLIST, *found["path"][1:]]
    query.write_playlist(tmp_path / "list.m3u", found)
    (tmp_path / "empty.m3u").touch()
    query.write_playlist(tmp_path / "empty.m3u", found)
    (tmp_path / "own.m3u").write_text("my list")
    with pytest.raises(ValueError, match="expected no other playlist in the place of the answers"):
        query.write_playlist(tmp_path / "own.m3u", found)
    (tmp_path / "take.wav").write_bytes(b"sound")
    with pytest.raises(ValueError, match="expected a playlist that ends with .m3u"):
        query.write_playlist(tmp_path / "take.wav", found)
    assert (tmp_path / "take.wav").read_bytes() == b"sound"


def test_the_network_hears_a_stranger_once(library, tmp_path, monkeypatch):
    soundfile.write(tmp_path / "s.wav", 0.1 * np.sin(np.arange(8_000)), 16_000)
    calls, hear = [], hearing.hear
    monkeypatch.setattr(hearing, "hear", lambda *a: calls.append(a) or hear(*a))
    query.ask(library, [str(tmp_path / "s.wav")], at=0.0)
    assert len(calls) == 1
