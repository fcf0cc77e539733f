"""Sound in the page, and the files of the audible map; what the map does is tested in a browser."""

import base64
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
import soundfile

from dml_lib import palette, player
from dml_lib.sounds import catalog

SR = 44_100
TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(SR) / SR)).astype(np.float32)
HOSTILE = (
    "<img src=x onerror=alert(1)>.wav", "</script><script>alert(1)</script>", "<!--<script>", "a\"b'c`${alert(1)}", "line\nbreak\r\n#EXTINF",
    "gnp.\u202eexe.wav", "\u2028\u2029", "\U0001f3ba trumpet", "../../etc/passwd", "javascript:alert(1)", "=HYPERLINK(\"x\")", "&lt;b&gt;",
    "a\x00b", "",
)


def decoded(html):
    data = re.findall(r"data:audio/mpeg;base64,([^\"]+)", html)
    return [soundfile.read(io.BytesIO(base64.b64decode(d))) for d in data]


def short(row):
    return TONE[:4410], SR


def read_data(out):
    text = (out / "data.js").read_text()
    return text, json.loads(text.removeprefix("const DATA = ").removesuffix(";\n"))


def test_listen_gives_one_element_a_sound_and_cuts_long_ones():
    html = player.listen({"a": (TONE, SR), "b": (np.tile(TONE, 9), SR)}, max_seconds=2).data
    (a, _), (b, _) = decoded(html)
    assert html.count("<audio") == 2 and abs(len(a) / SR - 1) < 0.1 and abs(len(b) / SR - 2) < 0.1


def test_labels_are_text_never_markup():
    html = player.listen({'<img src=x onerror="alert(1)">': (TONE, SR)}).data
    assert "<img" not in html and "&lt;img" in html


@pytest.mark.parametrize("name", [*HOSTILE, "bad\udcff"])  # a file name that is no UTF-8
def test_no_name_leaves_its_string(name):
    text = player.script_text([name])
    assert text.isascii() and not re.search(r"[<\n\r]", text) and json.loads(text) == [name]


def test_a_rendered_sound_beside_files_is_called_by_what_it_is(tmp_path, sounds):
    table = sounds.assign(path=pd.Series(["a.wav", None, *["b.wav"] * (len(sounds) - 2)], dtype="str"))
    player.write_map(tmp_path, table, np.zeros((len(table), 3), np.float32), audio=short, progress=False, say=str)
    names = read_data(tmp_path)[1]["names"]
    assert names[0] == "a.wav" and names[1] == catalog.titles(table)[1]


def test_map_folder_holds_the_table_and_nothing_named_by_strangers(tmp_path, sounds):
    table = sounds.assign(path=np.resize(HOSTILE, len(sounds)), note_number=sounds["note_number"].astype("Int64"))
    table.loc[0, ["note_number", "instrument"]] = None
    z = np.random.default_rng(0).normal(size=(len(table), 3)).astype(np.float32)
    paths, pictures = [z[:4]] * len(table), [np.ones((4, 192))] * len(table)
    made = player.write_map(tmp_path, table, z, paths, pictures, short, title=HOSTILE[1], progress=False, say=str)
    text, data = read_data(tmp_path)
    assert text.isascii() and "<" not in text.split("=", 1)[1]
    assert data["names"] == table["path"].tolist() == data["files"] and data["title"] == HOSTILE[1]
    assert np.array_equal(np.frombuffer(base64.b64decode(data["points"]), "<f4").reshape(-1, 3), z)
    by_title = {c["title"]: c for c in data["columns"]}
    assert list(by_title) == ["pitch", "instrument", "family", "dynamics", "articulation"]
    codes = np.frombuffer(base64.b64decode(by_title["instrument"]["data"]), "<u2")
    assert [by_title["instrument"]["values"][c] for c in codes] == table["instrument"].fillna("unlabeled").tolist()
    assert by_title["instrument"]["colors"][0] == palette.LOOKS["trumpet"][0] and not by_title["dynamics"]["varied"]
    pitch = np.frombuffer(base64.b64decode(by_title["pitch"]["data"]), "<f4")
    assert np.isnan(pitch[0]) and (pitch[1:] == table["note_number"][1:].astype(float)).all()
    names = sorted(str(f.relative_to(tmp_path)) for f in tmp_path.rglob("*") if f.is_file())
    assert all(re.fullmatch(r"(index\.html|(data|map|scene)\.js|map\.css|audio/[0-9a-f]{16}\.mp3|detail/\d{5}\.js)", name) for name in names)
    assert made["sounds"] == made["previews"] == len(table) and made["audio_bytes"] == sum(f.stat().st_size for f in (tmp_path / "audio").iterdir())


def test_details_come_in_parts_of_fifty(tmp_path, sounds):
    z = np.arange(3.0 * len(sounds)).reshape(-1, 3)
    player.write_map(tmp_path, sounds, z, [z[i:i + 2] for i in range(len(sounds))], audio=None)
    _, data = read_data(tmp_path)
    parts = [re.fullmatch(r"DETAIL\((\d), (.*)\);\n", f.read_text()).groups() for f in sorted((tmp_path / "detail").iterdir())]
    assert [int(k) for k, _ in parts] == [0, 1] and data["parts"] == 2 and data["audio"] == [""] * len(sounds)
    row = json.loads(parts[1][1])[3]
    assert np.allclose(np.frombuffer(base64.b64decode(row["p"]), "<f4").reshape(-1, 3), z[53:55])


def test_embedded_map_is_one_file_and_a_second_run_forgets_old_parts(tmp_path, sounds):
    z = np.random.default_rng(0).normal(size=(len(sounds), 3))
    player.write_map(tmp_path, sounds, z, [z] * len(sounds), audio=short, progress=False, say=str)
    small = sounds.head(4)
    made = player.write_map(tmp_path / "one", small, z[:4], audio=short, embed=True, progress=False, say=str)
    assert [f.name for f in (tmp_path / "one").iterdir()] == ["index.html"]
    page = (tmp_path / "one" / "index.html").read_text()
    assert len(decoded(page.replace("\\", ""))) == 4 and made["page_bytes"] == len(page) and " src=" not in page.replace("img src", "")
    player.write_map(tmp_path, small, z[:4], audio=short, progress=False, say=str)
    assert len(list((tmp_path / "audio").iterdir())) == 4 and len(list((tmp_path / "detail").iterdir())) == 1


def test_same_map_twice_is_the_same_bytes(tmp_path, sounds):
    z = np.random.default_rng(0).normal(size=(len(sounds), 3))
    for name in "ab":
        player.write_map(tmp_path / name, sounds, z, audio=short, progress=False, say=str)
    a, b = ({f.relative_to(tmp_path / name): f.read_bytes() for f in (tmp_path / name).rglob("*") if f.is_file()} for name in "ab")
    assert a == b


@pytest.mark.parametrize("points", [np.zeros((3, 3)), np.full((60, 3), np.nan), np.zeros((60, 2))])
def test_places_must_fit_the_sounds(tmp_path, sounds, points):
    with pytest.raises(ValueError, match="expected a finite place"):
        player.write_map(tmp_path, sounds, points, audio=None)


def test_no_sounds_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="at least one sound"):
        player.write_map(tmp_path, pd.DataFrame({"path": []}), np.zeros((0, 3)))


def test_a_page_too_large_to_send_says_what_to_do(tmp_path, sounds, monkeypatch):
    monkeypatch.setattr(player, "MAX_EMBEDDED", 1000)
    with pytest.raises(ValueError, match="use fewer sounds, or embed=False"):
        player.write_map(tmp_path, sounds, np.zeros((60, 3)), audio=None, embed=True)


def test_show_frames_the_map_in_the_book_and_links_it_in_a_live_notebook(tmp_path, monkeypatch):
    monkeypatch.setenv("DML_BOOK", "1")
    assert f'src="../{tmp_path.name}/index.html"' in player.show(tmp_path).data
    monkeypatch.delenv("DML_BOOK")
    live = player.show(tmp_path).data
    assert "<iframe" not in live and (tmp_path / "index.html").as_uri() in live
