"""Figures are whole: right data, a text for those who cannot see, one palette."""

import numpy as np
import plotly.graph_objects as go
import plotly.io as pio
import pytest

from dml_lib import config, figures, palette, style

CFG = config.Config()


def every_figure(sounds):
    rng = np.random.default_rng(1)
    z = rng.normal(size=(len(sounds), 3)).astype(np.float32)
    paths = {"trumpet": z[:9], "clarinet": z[9:15]}
    return {
        "cqt_grid": figures.cqt_grid({"a": rng.random((7, 192)), "b": rng.random((5, 192))}, CFG),
        "figure_1": figures.figure_1(z, sounds["note_number"].to_numpy(), paths),
        "cloud": figures.cloud(z, sounds),
        "learning": figures.learning([z, 2 * z], sounds, ["0", "10"]),
        "phases": figures.phases(paths, CFG),
        "phases with spans": figures.phases(paths, CFG, {"trumpet": {"attack": (0, 0.1), "decay": (0.1, 0.1)}}),
        "side_by_side": figures.side_by_side({"a": z, "b_2": 2 * z, "c": z}, sounds),
    }


def assert_the_look(pictures):
    """Each has a text for those who cannot see it and reads on both themes."""
    for name, fig in pictures.items():
        assert isinstance(fig, go.Figure), name
        assert len(fig.layout.meta["alt"]) > 20, name
        assert fig.layout.paper_bgcolor == "rgba(0,0,0,0)", name
        assert fig.layout.font.color == style.TEXT, name


def test_figures_have_the_look_and_are_returned_not_shown(sounds, monkeypatch):
    monkeypatch.setattr(pio, "show", lambda *a, **k: pytest.fail("a figure was shown"))
    assert_the_look(every_figure(sounds))


def test_figure_1_marks_start_median_and_end(sounds):
    path = np.arange(12, dtype=float).reshape(4, 3) ** 2
    fig = figures.figure_1(np.zeros((2, 3)), np.array([40, 90]), {"trumpet": path})
    marks = fig.data[2]
    assert list(marks.text) == ["●", "⬟", "▲"]
    assert np.allclose(np.stack([marks.x, marks.y, marks.z]).T, [path[0], np.median(path, axis=0), path[-1]])
    assert fig.data[0].marker.colorscale[0][1] in ("rgb(0,0,0)", "#000000")  # low notes are black
    assert fig.data[1].line.color == figures.FIGURE_1["trumpet"]


def menu(fig):
    """What each button of the menu sets, by label."""
    buttons = fig.layout.updatemenus[0].buttons
    assert all(len(b.args[0]) > 1 for b in buttons)  # else Plotly marks the wrong one as active
    return {b.label.removeprefix("color by "): b.args[0]["marker"][0] for b in buttons}


def test_cloud_menu_offers_each_label_that_varies(sounds):
    table = sounds.assign(library=np.resize(["a", "b"], 60), random=np.resize(["train", "test", ""], 60))
    fig = figures.cloud(np.arange(180.0).reshape(60, 3), table)
    looks = menu(fig)
    assert list(looks) == ["pitch", "instrument", "family", "source", "split"]  # all are as loud
    assert list(menu(figures.cloud(np.zeros((60, 3)), table, "dynamics"))) == list(figures.LABELS)
    assert [b.args[1] for b in fig.layout.updatemenus[0].buttons] == [(0,)] * 5 and fig.layout.updatemenus[0].active == 1
    assert fig.data[0].marker.color.tolist() == looks["instrument"]["color"].tolist() and list(fig.data[0].y) == list(range(1, 180, 3))
    assert looks["pitch"]["color"].tolist() == sounds["note_number"].tolist()
    assert {name.split()[1] for name in looks["split"]["colorbar"]["ticktext"]} == {"train", "test", "unlabeled"}


def test_cloud_colors_are_those_of_the_palette(sounds):
    look = menu(figures.cloud(np.zeros((60, 3)), sounds))["instrument"]
    n = len(look["colorbar"]["ticktext"])
    assert (look["cmin"], look["cmax"]) == (-0.5, n - 0.5)
    for code, symbol, slug in zip(look["color"], look["symbol"], sounds["instrument"]):
        share = (code - look["cmin"]) / n
        assert [color for at, color in look["colorscale"] if at <= share][-1] == palette.LOOKS[slug][0] and symbol == palette.SYMBOLS[palette.LOOKS[slug][1]]
        glyph, name = look["colorbar"]["ticktext"][code].split()
        assert name == slug and figures.GLYPHS[palette.SYMBOLS.index(symbol)] == glyph


def test_a_cloud_of_frames_is_light(sounds):
    rows = np.resize(np.arange(60), 3000)
    table = sounds.iloc[rows].assign(library=np.resize(["a", "b"], 3000), random=np.resize(["train", "test"], 3000), dynamics=np.resize(["p", "f"], 3000))
    fig = figures.cloud(np.random.default_rng(0).normal(size=(3000, 3)), table, "pitch")
    assert list(menu(fig)) == list(figures.LABELS) and fig.data[0].hoverinfo == "skip" and fig.data[0].text is None
    assert len(fig.to_json()) < 100_000


def test_the_film_of_a_training_shows_each_snapshot_and_rests_on_the_last(sounds):
    snapshots = [np.full((len(sounds), 3), float(i)) + np.arange(3) for i in range(3)]
    fig = figures.learning(snapshots, sounds, ["0", "5", "10"])
    assert [frame.name for frame in fig.frames] == ["0", "5", "10"] == [step.label for step in fig.layout.sliders[0].steps]
    for frame, places in zip(fig.frames, snapshots):
        assert np.allclose(np.stack([frame.data[0].x, frame.data[0].y, frame.data[0].z]).T, places)
    assert np.allclose(fig.data[0].x, 2) and fig.layout.sliders[0].active == 2
    look = fig.data[0].marker
    assert list(look.symbol) == [palette.SYMBOLS[palette.LOOKS[i][1]] for i in sounds["instrument"]]
    assert [look.colorscale[2 * code][1] for code in look.color] == [palette.LOOKS[i][0] for i in sounds["instrument"]]
    assert tuple(fig.layout.scene.zaxis.range) == (2, 4)  # from the lowest of all snapshots to the highest


def test_cqt_grid_shows_log_compressed_magnitudes():
    fig = figures.cqt_grid({"one": np.full((3, 192), 2.0)}, CFG)
    assert np.asarray(fig.data[0].z).shape == (192, 3)
    assert np.allclose(fig.data[0].z, np.log(1 + 50 * 2.0), atol=0.01)


@pytest.mark.parametrize("titles", [["anchor: french-horn 70", "positive: french-horn 69", "negative: clarinet 53"], ["trumpet", "trombone", "tenor-sax", "clarinet"]])
def test_titles_of_pictures_do_not_run_into_each_other(titles):
    fig = figures.cqt_grid(dict.fromkeys(titles, np.ones((3, 192))), CFG)
    wide = {title.text: 0.55 * title.font.size * len(title.text) for title in fig.layout.annotations}  # letters are about half as wide as high
    centers = [title.x * 485 for title in fig.layout.annotations]  # of the pictures, in the column of a page
    assert all((a + b) / 2 < right - left for a, b, left, right in zip(wide.values(), [*wide.values()][1:], centers, centers[1:]))


def test_phases_are_shaded_where_they_last():
    path = np.zeros((40, 3))
    spans = {"trumpet": {"attack": (0.0, 0.05), "decay": (0.05, 0.05), "sustain": (0.05, 1.5), "release": (1.5, 2.0)}}
    fig = figures.phases({"trumpet": path, "tuba": path}, CFG, spans)
    assert [(s.x0, s.x1) for s in fig.layout.shapes] == [(0.0, 0.05), (0.05, 1.5), (1.5, 2.0)]
    assert [a.text for a in fig.layout.annotations][2:] == ["A", "sustain", "release"]


def test_side_by_side_shows_the_same_sounds_in_each_space(sounds):
    z = np.random.default_rng(0).normal(size=(len(sounds), 3))
    fig = figures.side_by_side({"a": z, "b_2": -z, "c": z, "d": z}, sounds)
    assert [t.scene for t in fig.data] == ["scene", "scene2", "scene3", "scene4"] and fig.layout.meta["linked"]
    assert np.allclose(fig.data[0].x, -fig.data[1].x) and fig.layout.annotations[1].text == "b 2"
    assert list(fig.data[2].marker.symbol) == [palette.SYMBOLS[palette.LOOKS[i][1]] for i in sounds["instrument"]]


def test_cloud_can_begin_with_pitch(sounds):
    fig = figures.cloud(np.zeros((len(sounds), 3)), sounds, "pitch")
    assert fig.data[0].marker.color.tolist() == sounds["note_number"].tolist() and fig.layout.updatemenus[0].active == 0
    gap = figures.cloud(np.zeros((60, 3)), sounds.assign(note_number=sounds["note_number"].where(sounds.index > 0)), "pitch")
    assert np.isnan(gap.data[0].marker.color[0]) and gap.data[0].marker.cmin == sounds["note_number"][1:].min()
    with pytest.raises(ValueError, match="unknown color 'pich'"):
        figures.cloud(np.zeros((len(sounds), 3)), sounds, "pich")
    with pytest.raises(ValueError, match="unknown color 'source': expected one of pitch, instrument"):
        figures.cloud(np.zeros((len(sounds), 3)), sounds, "source")
