"""The author's film: a cloud that turns once around, as a light GIF for pages and talks.

That of the README, `assets/space.gif`, is `rotating.gif` of a standard book: chapter 05, the network that ships.
"""

import html
import os
from pathlib import Path

import numpy as np
from IPython.display import HTML, Image as Picture
from PIL import Image, ImageColor, ImageDraw

from .style import SCENE

FRAMES, MILLISECONDS = 72, 80  # steps of 5 degrees
ELEVATION = 0.45  # radians
COLORS, FINE = 32, 2  # of the palette; times the size that edges are drawn at


def grays(values):
    """Hex colors of numbers, from black for the lowest to white for the highest."""
    low, high = np.min(values), np.max(values)
    return ["#" + 3 * f"{round(255 * v):02x}" for v in (np.asarray(values, float) - low) / max(high - low, 1e-9)]


def _project(z, middle, half, angle, size):
    """Pixels and depth (n, 3) of places, seen from an angle around the third axis."""
    (c, s), (d, e) = (np.cos(angle), np.sin(angle)), (np.cos(ELEVATION), np.sin(ELEVATION))
    axes = np.array([[-s, c, 0], [-c * e, -s * e, d], [-c * d, -s * d, -e]])
    right, up, away = ((z - middle) / half @ axes.T).T
    scale = 0.42 * min(size) / (1 + 0.2 * away)
    return np.stack([size[0] / 2 + right * scale, size[1] / 2 - up * scale, away], axis=1)


def rotating(path, points, colors, paths=None, size=(400, 300), radius=1.5):
    """Write the film: 72 frames, 5 degrees apart, that begin again without a jump.

    Parameters
    ----------
    path : path
        A GIF file.
    points : np.ndarray, (n, 3)
    colors : sequence of str
        Of each point, hex.
    paths : dict of str to np.ndarray, (n_frames, 3), optional
        Color: trajectory drawn as a line over the points, from a circle to a triangle.
    size : (int, int)
    radius : float
        Of a point, in pixels.

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    ValueError
        No points, or another number of colors.

    Source
    ------
    Original code (thesis era): a matplotlib film of the same 72 views.
    """
    points = np.asarray(points, float)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not len(points) or points.shape != (len(colors), 3):
        raise ValueError(f"expected points (n, 3) and n colors, found {points.shape} and {len(colors)}")
    low, high = np.quantile(points, [0.005, 0.995], axis=0)
    middle, half = (low + high) / 2, max(float((high - low).max() / 2), 1e-9)
    large = tuple(FINE * v for v in size)
    ground, rgb = np.array(ImageColor.getrgb(SCENE)), np.array([ImageColor.getrgb(c) for c in colors])
    frames = []
    for angle in np.arange(FRAMES) * 2 * np.pi / FRAMES:
        image = Image.new("RGB", large, SCENE)
        draw = ImageDraw.Draw(image)
        seen = _project(points, middle, half, angle, large)
        mist = np.clip(0.25 + 0.25 * seen[:, 2], 0, 0.6)[:, None]
        shades = np.rint(rgb * (1 - mist) + ground * mist).astype(int)
        r = FINE * radius
        for i in np.argsort(-seen[:, 2]):
            x, y, _ = seen[i]
            draw.ellipse((x - r, y - r, x + r, y + r), fill=tuple(shades[i]))
        for color, line in (paths or {}).items():
            xy = [tuple(p) for p in _project(line, middle, half, angle, large)[:, :2]]
            draw.line(xy, fill=color, width=2 * FINE, joint="curve")
            (x, y), (u, v), m = xy[0], xy[-1], 4 * FINE
            draw.ellipse((x - m, y - m, x + m, y + m), fill=color)
            draw.polygon(((u, v - m), (u + m, v + m), (u - m, v + m)), fill=color)
        frames.append(image.resize(size, Image.Resampling.LANCZOS))
    views = [np.asarray(frame) for frame in frames[::FRAMES // 8]]
    lines = [v for color in paths or {} for v in ImageColor.getrgb(color)]  # too few pixels to get a place of their own
    cloud = Image.fromarray(np.concatenate(views)).quantize(COLORS - len(lines) // 3, dither=Image.Dither.NONE)
    palette = Image.new("P", (1, 1))
    palette.putpalette(cloud.getpalette() + lines)
    frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=MILLISECONDS, loop=0, optimize=True)
    return path.stat().st_size


def show(path, alt):
    """The film in a page of the book, as a file beside it, or in a live notebook.

    Parameters
    ----------
    path : path
        What `rotating` wrote; for the book, `Run.page_file(name)`.
    alt : str
        What it shows, for those who cannot see it.

    Returns
    -------
    IPython.display.HTML or Image
    """
    if os.environ.get("DML_BOOK"):
        return HTML(f'<img src="../{html.escape(path.name, quote=True)}" alt="{html.escape(alt, quote=True)}" loading="lazy" style="max-width:100%">')
    return Picture(path.read_bytes(), alt=alt)
