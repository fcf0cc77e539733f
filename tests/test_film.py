"""The film: 72 different views, light, and the right way round."""

import numpy as np
import pytest
from IPython.display import Image as Picture
from PIL import Image

from dml_lib import film

POINTS = np.random.default_rng(0).normal(size=(200, 3))
RED = ["#ff0000"] * 200


def views(path):
    with Image.open(path) as gif:
        assert gif.n_frames == film.FRAMES and gif.info["duration"] == film.MILLISECONDS and gif.info["loop"] == 0
        for k in range(gif.n_frames):
            gif.seek(k)
            yield np.asarray(gif.convert("RGB")).astype(int)


def test_the_film_turns_once_around(tmp_path):
    path = tmp_path / "new" / "film.gif"
    size = film.rotating(path, POINTS, RED, {"#0000ff": POINTS[:5]})
    frames = list(views(path))
    assert size == path.stat().st_size < 1_500_000 and frames[0].shape == (300, 400, 3)
    assert len({f.tobytes() for f in frames}) == film.FRAMES
    steps = [np.abs(a - b).mean() for a, b in zip(frames, frames[1:] + frames[:1])]
    assert steps[-1] < 2 * np.median(steps)  # no jump where it begins again
    blue = [((f[..., 2] > 150) & (f[..., 0] < 100)).sum() for f in frames]
    assert min(blue) > 20


def test_a_point_turns_in_front_of_the_axis(tmp_path):
    path = tmp_path / "film.gif"
    corners = np.array([[1, 0, 0], [-1, 0, 0], [0, 0, 1], [0, 0, -1.0]])
    film.rotating(path, corners, ["#ff0000", "#000000", "#00ff00", "#000000"], radius=6)
    red, green = [], []
    for f in views(path):
        red.append(np.argwhere(f[..., 0] - f[..., 1] > 60).mean(0)[1])
        green.append(np.argwhere(f[..., 1] - f[..., 0] > 60).mean(0))
    expected = 200 - np.array([np.sin(2 * np.pi * k / film.FRAMES) for k in range(film.FRAMES)]) * 100
    assert np.corrcoef(red, expected)[0, 1] > 0.98
    assert np.ptp(np.array(green)[:, 1]) < 3 and np.mean(green, axis=0)[0] < 150  # up is up


def test_each_line_keeps_its_color(tmp_path):
    lines = {color: np.random.default_rng(k).normal(size=(4, 3)) for k, color in enumerate(("#e01010", "#e000e0", "#1f4fff", "#0a8f2a"))}
    film.rotating(tmp_path / "film.gif", POINTS, film.grays(np.arange(200)), lines)
    first = next(views(tmp_path / "film.gif"))
    for color in lines:
        assert (first == [int(color[i:i + 2], 16) for i in (1, 3, 5)]).all(axis=2).sum() > 20


def test_grays_run_from_black_to_white():
    assert film.grays([40, 50, 60]) == ["#000000", "#808080", "#ffffff"] and film.grays([5, 5]) == ["#000000"] * 2


@pytest.mark.parametrize("points, colors", [(np.zeros((0, 3)), []), (np.zeros((2, 3)), ["#000000"])])
def test_points_and_colors_must_fit(tmp_path, points, colors):
    with pytest.raises(ValueError, match="n colors"):
        film.rotating(tmp_path / "film.gif", points, colors)


def test_show_in_a_page_and_live(tmp_path, monkeypatch):
    path = tmp_path / "film.gif"
    film.rotating(path, POINTS[:5], RED[:5], size=(40, 30))
    monkeypatch.setenv("DML_BOOK", "1")
    assert film.show(path, 'a "cloud"').data.startswith('<img src="../film.gif" alt="a &quot;cloud&quot;"')
    monkeypatch.delenv("DML_BOOK")
    assert isinstance(film.show(path, "a cloud"), Picture)
