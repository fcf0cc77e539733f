"""Figures, returned and never shown, each with a text for those who cannot see it; `style` gives them one look."""

import numpy as np
import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots

from . import loss as losses
from .features import log_compress
from .retrieval import LEVELS
from .sounds.instruments import INSTRUMENTS
from .style import COLORS, HUES, MARKERS, finish, scene

FIGURE_1 = {"trumpet": "#1f4fff", "trombone": "#0a8f2a", "tenor-sax": "#e01010", "clarinet": "#e000e0"}  # the paper's colors
PITCH_SCALE = "Viridis"
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")  # Okabe and Ito's, told apart by the color-blind


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
    alt = "Constant-Q pictures, time across and frequency up, brighter is louder: " + ", ".join(pictures)
    return finish(
        fig, alt, 80 + 230 * rows,
        coloraxis={"colorscale": "Magma", "cmin": 0, "cmax": top, "colorbar": {"title": f"log(1 + {cfg.gain:.0f} X)"}},
    )


def coverage(table):
    """How many sounds there are of each instrument and note.

    Parameters
    ----------
    table : pandas.DataFrame
        `instrument` and `note_number`.
    """
    names = [slug for slug in INSTRUMENTS if slug in set(table["instrument"])][::-1]
    counts = table.groupby(["instrument", "note_number"]).size().unstack(fill_value=0)
    counts = counts.reindex(index=names)
    notes = counts.columns.to_numpy(float)
    fig = go.Figure(go.Heatmap(
        z=np.where(counts > 0, counts, np.nan), x=notes, y=names, xgap=1, ygap=1, colorscale="Cividis", colorbar={"title": "sounds"},
        hovertemplate="%{y}, note %{x}: %{z} sounds<extra></extra>",
    ))
    fig.update_xaxes(title="MIDI note number")
    return finish(fig, f"Map of how many sounds each of {len(names)} instruments has at each note number", 560)


def partition(table, part):
    """Which sounds are in the positive and the negative set of one partition, over instrument and note."""
    rng = np.random.default_rng(0)
    fig = go.Figure()
    height = {slug: i for i, slug in enumerate(INSTRUMENTS)}
    sets = {"negative": (part.negative, "#999999", 4, 0.35), "positive": (part.positive, "#d55e00", 8, 0.9)}
    for name, (sounds, color, size, opacity) in sets.items():
        rows = table.iloc[sounds]
        y = rows["instrument"].map(height) + rng.uniform(-0.3, 0.3, len(rows))
        fig.add_scatter(
            x=rows["note_number"], y=y, mode="markers", name=f"{name} ({len(rows):,})", hoverinfo="skip",
            marker={"color": color, "size": size, "opacity": opacity, "symbol": "circle" if name == "negative" else "diamond"},
        )
    fig.update_yaxes(tickvals=list(height.values()), ticktext=list(height))
    fig.update_xaxes(title="MIDI note number")
    alt = f"Sounds by note and instrument: {len(part.positive)} positive ones for {part.key}, all others negative"
    return finish(fig, alt, 560, legend={"orientation": "h", "y": 1.06})


def loss_curves(cfg):
    """What a positive and a negative pair cost at each distance, at the margins of `cfg`."""
    d = torch.linspace(0, 2, 101)
    curves = {
        "positive pair": (losses.attraction(d, cfg.margin_pos, cfg.loss_form), HUES[0], "solid"),
        "negative pair": (losses.repulsion(d, cfg.margin_neg), HUES[1], "dash"),
    }
    fig = go.Figure()
    for name, (cost, color, dash) in curves.items():
        fig.add_scatter(x=d.numpy(), y=cost.numpy(), name=name, line={"color": color, "dash": dash})
    fig.update_xaxes(title="distance")
    fig.update_yaxes(title="cost")
    return finish(fig, "Cost against distance: rising for a positive pair, falling to zero at the margin for a negative pair", 320)


def training_curves(histories):
    """Loss and validation kNN accuracy of several trainings against iterations and seconds.

    Parameters
    ----------
    histories : dict of str to History
    """
    titles = ("loss by iteration", "validation kNN by iteration", "validation kNN by second")
    fig = make_subplots(1, 3, subplot_titles=titles)
    styles = dict(zip(histories, (("#d55e00", "solid"), ("#0072b2", "dash"))))
    for name, history in histories.items():
        for column, series in enumerate((history.loss, history.val_knn_by_iteration, history.val_knn_by_second), 1):
            x, y = zip(*series)
            color, dash = styles[name]
            fig.add_scatter(
                x=x, y=y, row=1, col=column, name=name, legendgroup=name, showlegend=column == 1,
                mode="lines" if column == 1 else "lines+markers", line={"color": color, "dash": dash},
            )
    fig.update_xaxes(title="iteration", col=1)
    fig.update_xaxes(title="iteration", col=2)
    fig.update_xaxes(title="s", col=3)
    alt = f"Loss and validation accuracy during training, recipes {' and '.join(histories)}"
    return finish(fig, alt, 360, legend={"orientation": "h", "y": 1.25})


def confusion(shares, names, title):
    """A confusion matrix: true class down, given label across; rows sum to 1."""
    fig = go.Figure(go.Heatmap(
        z=shares, x=names, y=names, colorscale="Cividis", zmin=0, zmax=1, colorbar={"title": "share"},
        hovertemplate="%{y} taken for %{x}: %{z:.2f}<extra></extra>",
    ))
    fig.update_yaxes(autorange="reversed", title="true", type="category")
    fig.update_xaxes(title="nearest neighbors say", type="category", tickangle=-60)
    return finish(fig, f"{title}: share of each true class (rows) given each label (columns)", 640, title)


def recall_precision(curves):
    """Precision against recall, one line a space.

    Parameters
    ----------
    curves : dict of str to np.ndarray, (11,)
        See `retrieval.recall_precision`.
    """
    fig = go.Figure()
    for (name, curve), color, dash in zip(curves.items(), LINES, ("solid", "dash", "dot", "dashdot") * 2):
        fig.add_scatter(
            x=LEVELS, y=curve, name=name, mode="lines+markers", line={"color": color, "dash": dash},
            hovertemplate="recall %{x:.1f}, precision %{y:.2f}<extra>" + name + "</extra>",
        )
    fig.update_xaxes(title="recall", range=[-0.02, 1.02])
    fig.update_yaxes(title="precision", range=[0, 1.02])
    return finish(fig, f"Precision against recall for {', '.join(curves)}", 380)


def _labels(table):
    """Hover text of each sound."""
    return (table["instrument"] + ", note " + table["note_number"].astype(str) + ", " + table["dynamics"] + " " + table["articulation"]).to_numpy()


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
        color = FIGURE_1.get(slug, "#000000")
        fig.add_scatter3d(x=path[:, 0], y=path[:, 1], z=path[:, 2], mode="lines", name=slug, line={"color": color, "width": 6}, legendgroup=slug)
        marks = np.stack([path[0], np.median(path, axis=0), path[-1]])
        fig.add_scatter3d(
            x=marks[:, 0], y=marks[:, 1], z=marks[:, 2], mode="text", text=["●", "⬟", "▲"], textposition="middle center",
            legendgroup=slug, showlegend=False,
            textfont={"color": color, "size": 20}, hovertext=[f"{slug}: start", f"{slug}: median", f"{slug}: end"], hoverinfo="text",
        )
    alt = f"Three-dimensional cloud of sound frames, black low to white high, with the paths of {', '.join(paths)} from start circle to end triangle"
    return finish(fig, alt, 620, scene=scene(), legend={"orientation": "h", "y": 1.05}).update_layout(margin={"l": 0, "r": 0, "b": 0})


def cloud(points, table):
    """One point a sound, colored by instrument or by pitch through a menu in the page.

    Parameters
    ----------
    points : np.ndarray, (n_sounds, 3)
    table : pandas.DataFrame
        Of the same sounds.
    """
    fig, text = go.Figure(), _labels(table)
    present = [slug for slug in INSTRUMENTS if (table["instrument"] == slug).any()]
    for slug in present:
        rows = np.flatnonzero(table["instrument"] == slug)
        x, y, z = points[rows].T
        fig.add_scatter3d(
            x=x, y=y, z=z, mode="markers", name=slug, text=text[rows], hoverinfo="text",
            marker={"size": 4, "color": COLORS[slug], "symbol": MARKERS[slug], "opacity": 0.9},
        )
    x, y, z = points.T
    fig.add_scatter3d(
        x=x, y=y, z=z, mode="markers", name="pitch", text=text, hoverinfo="text", visible=False, showlegend=False,
        marker={
            "size": 4, "color": table["note_number"].astype(float), "colorscale": PITCH_SCALE,
            "colorbar": {"title": "MIDI note", "thickness": 12, "len": 0.7},
        },
    )
    n = len(present)
    buttons = [
        {"label": "color by instrument", "method": "restyle", "args": [{"visible": [True] * n + [False]}]},
        {"label": "color by pitch", "method": "restyle", "args": [{"visible": [False] * n + [True]}]},
    ]
    alt = f"Three-dimensional cloud of {len(points)} sounds, colored by instrument or pitch"
    fig = finish(fig, alt, 620, scene=scene(), legend={"itemsizing": "constant", "font": {"size": 11}})
    menu = {"buttons": buttons, "x": 0.0, "xanchor": "left", "y": 1.08, "font": {"color": "#202020"}, "bgcolor": "#e8edf2"}
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
    instrument, (x, y, z) = table["instrument"], places[-1].T
    fig.add_scatter3d(
        x=x, y=y, z=z, mode="markers", text=_labels(table), hoverinfo="text", showlegend=False,
        marker={"size": 4, "color": instrument.map(COLORS), "symbol": instrument.map(MARKERS), "opacity": 0.9},
    )
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


def phases(paths, cfg):
    """Each coordinate of some trajectories against time: where attack, sustain and release lie.

    Parameters
    ----------
    paths : dict of str to np.ndarray, (n_frames, 3)
    """
    fig = make_subplots(len(paths), 1, shared_xaxes=True, subplot_titles=list(paths), vertical_spacing=0.07)
    dashes = ("solid", "dash", "dot")
    for row, path in enumerate(paths.values(), 1):
        seconds = np.arange(len(path)) * cfg.hop_length / cfg.sr
        for axis in range(path.shape[1]):
            fig.add_scatter(
                x=seconds, y=path[:, axis], row=row, col=1, name=f"axis {axis + 1}", legendgroup=str(axis), showlegend=row == 1,
                line={"color": HUES[axis], "dash": dashes[axis % 3]},
            )
    fig.update_xaxes(title="s", row=len(paths))
    return finish(fig, f"Coordinates against time for {', '.join(paths)}", 120 + 130 * len(paths), legend={"orientation": "h", "y": 1.12})


def path_and_units(background, path, units):
    """A path through the space and the corpus frames chosen along it.

    Parameters
    ----------
    background : np.ndarray, (n, 3)
    path, units : np.ndarray, (n_steps, 3)
    """
    fig = go.Figure()
    fig.add_scatter3d(
        x=background[:, 0], y=background[:, 1], z=background[:, 2], mode="markers", name="corpus", hoverinfo="skip",
        marker={"size": 2, "color": "#5f6b76", "opacity": 0.5},
    )
    styles = {"path": (path, "lines", "#1f4fff"), "chosen units": (units, "lines+markers", "#d55e00")}
    for name, (z, mode, color) in styles.items():
        fig.add_scatter3d(
            x=z[:, 0], y=z[:, 1], z=z[:, 2], mode=mode, name=name,
            line={"color": color, "width": 5}, marker={"size": 5, "color": color},
        )
    alt = f"A path of {len(path)} steps through the space and the nearest corpus frames along it"
    return finish(fig, alt, 560, scene=scene(), legend={"orientation": "h", "y": 1.05}).update_layout(margin={"l": 0, "r": 0, "b": 0})
