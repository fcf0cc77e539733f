"""Pictures of sounds and of spaces, returned and never shown, each with a text for those who cannot see it.

Counts, curves and matrices are in `charts`; `style` gives both one look.
"""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from .config import check_name
from .features import log_compress
from .sounds import catalog
from .palette import HUES, SYMBOLS, coded, stops_of
from .style import finish, scene

FIGURE_1 = {"trumpet": "#1f4fff", "trombone": "#0a8f2a", "tenor-sax": "#e01010", "clarinet": "#e000e0"}  # the paper's colors
PITCH_SCALE = "Viridis"
LABELS = {  # what a cloud can be colored by, and the column of the table that says it
    "pitch": "note_number", "instrument": "instrument", "family": "family", "dynamics": "dynamics", "source": "library", "split": "random",
}
GLYPHS = ("●", "◆", "■", "✚")  # of `SYMBOLS`, for text
CROWD = 1_000  # points; more have no shapes and no names, which could not be told apart and would weigh
PHASE_GROUND = ("rgba(213,94,0,0.22)", "rgba(230,159,0,0.18)", "rgba(0,158,115,0.12)", "rgba(0,114,178,0.15)")


def cqt_grid(pictures, cfg, columns=4):
    """Log constant-Q pictures side by side.

    Parameters
    ----------
    pictures : dict of str to np.ndarray, (n_frames, n_bins)
        Title: linear magnitudes.
    cfg : Config
    columns : int

    Returns
    -------
    plotly Figure
        Time in seconds, frequency in Hz on an octave grid; one color scale for all.
    """
    rows = -(-len(pictures) // columns)
    columns = min(columns, len(pictures))
    fig = make_subplots(
        rows, columns, subplot_titles=list(pictures), shared_yaxes=True,
        horizontal_spacing=0.03, vertical_spacing=min(0.12, 0.5 / rows),
    )
    top = max(float(log_compress(np.float32(x.max()), cfg.gain)) for x in pictures.values())
    for i, x in enumerate(pictures.values()):
        z = log_compress(np.asarray(x, np.float32), cfg.gain).T
        fig.add_trace(
            go.Heatmap(
                z=np.round(z, 2).astype(np.float16).astype(np.float32), x0=0, dx=cfg.hop_length / cfg.sr, zmin=0, zmax=top,
                coloraxis="coloraxis", hovertemplate="%{x:.2f} s, bin %{y}, %{z:.1f}<extra></extra>",
            ),
            i // columns + 1, i % columns + 1,
        )
    octave = np.arange(0, cfg.n_bins, 2 * cfg.bins_per_octave)
    hz = cfg.fmin * 2 ** (octave / cfg.bins_per_octave)
    fig.update_yaxes(tickvals=octave, ticktext=[f"{f:,.0f}" for f in hz])
    fig.update_yaxes(title_text="Hz", col=1)
    fig.update_xaxes(title_text="s", row=rows)
    size = min(16, max(9, 840 // (columns * max(map(len, pictures)))))  # titles must not run into each other where a page is narrow
    fig.update_annotations(font_size=size)
    alt = "Constant-Q pictures, time across and frequency up, brighter is louder: " + ", ".join(pictures)
    return finish(
        fig, alt, 80 + 230 * rows,
        coloraxis={"colorscale": "Magma", "cmin": 0, "cmax": top, "colorbar": {"title": f"log(1 + {cfg.gain:.0f} X)"}},
    )


def figure_1(frames, notes, paths):
    """The paper's Figure 1: a gray cloud by pitch height, and sounds as lines from circle to triangle.

    Parameters
    ----------
    frames : np.ndarray, (n, 3)
        Background frames.
    notes : np.ndarray, (n,)
        Their MIDI note numbers: black is low, white is high.
    paths : dict of str to np.ndarray, (n_frames, 3)
        Trajectories by instrument slug.

    Source
    ------
    Paper, Figure 1; marks and colors from the original code. Plotly's 3-D markers have no triangle and no pentagon:
    text glyphs stand for them.
    """
    fig = go.Figure()
    fig.add_scatter3d(
        x=frames[:, 0], y=frames[:, 1], z=frames[:, 2], mode="markers", name="all sounds", hovertemplate="note %{marker.color}<extra></extra>",
        marker={"size": 2, "color": notes, "colorscale": "Greys_r", "opacity": 0.8, "colorbar": {"title": "MIDI note", "thickness": 12, "len": 0.7}},
    )
    for slug, path in paths.items():
        add_path(fig, path, slug, FIGURE_1.get(slug, "#000000"))
    alt = f"Three-dimensional cloud of sound frames, black low to white high, with the paths of {', '.join(paths)} from start circle to end triangle"
    return finish(fig, alt, 620, scene=scene(), legend={"orientation": "h", "y": 1.05}).update_layout(margin={"l": 0, "r": 0, "b": 0})


def add_path(fig, path, name="path", color="#000000"):
    """Draw a sound through a cloud: a line from a circle over a pentagon, its median, to a triangle; returns the figure.

    Parameters
    ----------
    fig : plotly Figure
        With a 3-D scene.
    path : np.ndarray, (n_frames, 3)
    name, color : str
    """
    fig.add_scatter3d(x=path[:, 0], y=path[:, 1], z=path[:, 2], mode="lines", name=name, line={"color": color, "width": 6}, legendgroup=name)
    marks = np.stack([path[0], np.median(path, axis=0), path[-1]])
    return fig.add_scatter3d(
        x=marks[:, 0], y=marks[:, 1], z=marks[:, 2], mode="text", text=["●", "⬟", "▲"], textposition="middle center",
        legendgroup=name, showlegend=False,
        textfont={"color": color, "size": 20}, hovertext=[f"{name}: start", f"{name}: median", f"{name}: end"], hoverinfo="text",
    )


def _coloring(key, title, values, shaped):
    """The markers of points colored by a label: numbers on a scale, else codes of categories that the bar names."""
    bar = {"title": {"text": title}, "thickness": 12, "len": 0.9}  # all as the page takes it: a menu's values are not checked before
    if key == "note_number":
        numbers = values.to_numpy(np.float32, na_value=np.nan)
        low, high = float(np.nanmin(numbers)), float(np.nanmax(numbers))
        numbers = numbers if np.isnan(numbers).any() else np.rint(numbers).astype(np.uint8)  # a byte each in the page
        scale = [[i / 8, color] for i, color in enumerate(stops_of(PITCH_SCALE))]
        return {"color": numbers, "colorscale": scale, "cmin": low, "cmax": high, "symbol": "circle", "colorbar": bar}
    codes, looks = coded(key, values)
    colors, shapes = zip(*looks.values())
    names = [f"{GLYPHS[shape]} {name}" if shaped else name for name, shape in zip(looks, shapes)]
    n = len(names)
    return {
        "color": codes.astype(np.uint8 if n < 256 else np.uint32), "cmin": -0.5, "cmax": n - 0.5,
        "colorscale": [[(i + side) / n, color] for i, color in enumerate(colors) for side in (0, 1)],
        "symbol": np.array(SYMBOLS)[list(shapes)][codes].tolist() if shaped else "circle",
        "colorbar": bar | {"tickvals": list(range(n)), "ticktext": names},
    }


def labels_of(table):
    """What the sounds of a table can be colored by: those of `LABELS` that any of them has."""
    known = catalog.with_family(table)
    return {title: key for title, key in LABELS.items() if key in known and known[key].notna().any()}


def cloud(points, table, by="instrument"):
    """A cloud of sounds or of frames, colored by any of `LABELS` through a menu in the page.

    Parameters
    ----------
    points : np.ndarray, (n, 3)
    table : pandas.DataFrame, n rows
        Of the sound that each point is, or is a frame of. Labels that it lacks, or that are the same for all, are left out.
    by : str
        Of `LABELS`, what the menu begins with.
    """
    table, few, known = catalog.with_family(table), len(points) <= CROWD, labels_of(table)
    check_name("color", by, known)
    size = {"size": 4 if few else 2, "opacity": 0.9}
    looks = {
        title: size | _coloring(key, title, table[key], few) for title, key in known.items() if title == by or table[key].nunique() > 1
    }
    x, y, z = np.asarray(points, np.float32).T
    told = {"text": catalog.titles(table), "hoverinfo": "text"} if few else {"hoverinfo": "skip"}
    fig = go.Figure()
    fig.add_scatter3d(x=x, y=y, z=z, mode="markers", marker=looks[by], showlegend=False, **told)
    buttons = [  # were there a single key, Plotly would guess, wrongly, from its value which button is active
        {"label": f"color by {title}", "method": "restyle", "args": [{"marker": [look], "showlegend": [False]}, [0]]}
        for title, look in looks.items()
    ]
    alt = f"Three-dimensional cloud of {len(points):,} points, colored by {by}; a menu offers {', '.join(looks)}"
    menu = {"buttons": buttons, "active": list(looks).index(by), "x": 0.0, "xanchor": "left", "y": 1.08}
    menu |= {"font": {"color": "#202020"}, "bgcolor": "#e8edf2"}
    fig = finish(fig, alt, 620, scene=scene())
    return fig.update_layout(updatemenus=[menu], margin={"l": 0, "r": 0, "b": 0})


def learning(snapshots, table, steps):
    """The space while it learns: a slider and a button to play, one point a sound, colored by instrument.

    Parameters
    ----------
    snapshots : list of np.ndarray, (n_sounds, 3)
    table : pandas.DataFrame
        Of the same sounds.
    steps : list of str
        What to call each snapshot.
    """
    places = [np.round(points, 3) for points in snapshots]
    fig = go.Figure(frames=[
        go.Frame(name=step, data=[go.Scatter3d(x=x, y=y, z=z)]) for step, (x, y, z) in zip(steps, (points.T for points in places))
    ])
    looks, (x, y, z) = _coloring("instrument", "instrument", table["instrument"], True), places[-1].T
    looks |= {"size": 4, "opacity": 0.9, "colorbar": None}
    fig.add_scatter3d(x=x, y=y, z=z, mode="markers", text=catalog.titles(table), hoverinfo="text", showlegend=False, marker=looks)
    now = {"mode": "immediate", "transition": {"duration": 0}, "frame": {"duration": 500, "redraw": True}}
    slider = {
        "steps": [{"label": step, "method": "animate", "args": [[step], now]} for step in steps], "active": len(steps) - 1,
        "currentvalue": {"prefix": "iteration "}, "x": 0.12, "len": 0.85, "pad": {"t": 10},
    }
    play = {
        "type": "buttons", "x": 0.0, "xanchor": "left", "y": -0.02, "yanchor": "top", "font": {"color": "#202020"}, "bgcolor": "#e8edf2",
        "buttons": [{"label": "play", "method": "animate", "args": [list(steps), now | {"fromcurrent": False}]}],
    }
    low, high = np.min(places, axis=(0, 1)), np.max(places, axis=(0, 1))
    box = scene() | {"aspectmode": "cube"}
    box |= {axis: box[axis] | {"range": [float(a), float(b)]} for axis, a, b in zip(("xaxis", "yaxis", "zaxis"), low, high)}
    alt = f"The places of {len(table)} sounds in {len(steps)} steps of a training, colored by instrument"
    fig = finish(fig, alt, 620, scene=box)
    return fig.update_layout(sliders=[slider], updatemenus=[play], margin={"l": 0, "r": 0, "b": 90})


def phases(paths, cfg, spans=None):
    """Each coordinate of some trajectories against time: where attack, decay, sustain and release lie.

    Parameters
    ----------
    paths : dict of str to np.ndarray, (n_frames, 3)
    cfg : Config
    spans : dict of str to dict of str to (float, float), optional
        Phases of each sound in seconds, see `adsr.phases`; they shade the ground and are named where there is room.
    """
    fig = make_subplots(len(paths), 1, shared_xaxes=True, subplot_titles=list(paths), vertical_spacing=0.07)
    dashes = ("solid", "dash", "dot")
    for row, (name, path) in enumerate(paths.items(), 1):
        seconds = np.arange(len(path)) * cfg.hop_length / cfg.sr
        for axis in range(path.shape[1]):
            fig.add_scatter(
                x=seconds, y=path[:, axis], row=row, col=1, name=f"axis {axis + 1}", legendgroup=str(axis), showlegend=row == 1,
                line={"color": HUES[axis], "dash": dashes[axis % 3]},
            )
        for (phase, (a, b)), color in zip((spans or {}).get(name, {}).items(), PHASE_GROUND):
            if b > a:
                label = {"annotation_text": phase if b - a > 0.12 * seconds[-1] else phase[0].upper(), "annotation_position": "top left"}
                fig.add_vrect(x0=a, x1=b, row=row, col=1, fillcolor=color, line_width=0, layer="below", annotation_font_size=11, **label)
    fig.update_xaxes(title="s", row=len(paths))
    told = " with the phases of each sound shaded" if spans else ""
    return finish(fig, f"Coordinates against time for {', '.join(paths)}{told}", 120 + 130 * len(paths), legend={"orientation": "h", "y": 1.12})


def side_by_side(spaces, table):
    """Clouds of the same sounds in several spaces; where a page allows it, turning one turns all.

    Parameters
    ----------
    spaces : dict of str to np.ndarray, (n_sounds, 3)
        At most four.
    table : pandas.DataFrame
        Of the same sounds.
    """
    columns = min(2, len(spaces))
    rows = -(-len(spaces) // columns)
    kinds = [[{"type": "scene"}] * columns] * rows
    titles = [scheme.replace("_", " ") for scheme in spaces]
    fig = make_subplots(rows, columns, specs=kinds, subplot_titles=titles, horizontal_spacing=0.02, vertical_spacing=0.06)
    looks = _coloring("instrument", "instrument", table["instrument"], True) | {"size": 3, "opacity": 0.9, "colorbar": None}
    for place, points in enumerate(spaces.values()):
        x, y, z = np.round(points, 3).T
        fig.add_scatter3d(
            x=x, y=y, z=z, mode="markers", text=catalog.titles(table), hoverinfo="text", showlegend=False, marker=looks,
            row=place // columns + 1, col=place % columns + 1,
        )
    fig.update_scenes(scene())
    fig = finish(fig, f"{len(table)} sounds in {len(spaces)} spaces, colored by instrument: {', '.join(spaces)}", 380 * rows)
    return fig.update_layout(margin={"l": 0, "r": 0, "b": 0}, meta=fig.layout.meta | {"linked": True})
