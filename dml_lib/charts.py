"""Charts: counts, curves and matrices, returned and never shown, each with a text for those who cannot see it."""

import numpy as np
import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots

from . import loss as losses
from .retrieval import LEVELS
from .sounds.instruments import INSTRUMENTS
from .palette import HUES, SYMBOLS
from .style import TEXT, finish

LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")  # Okabe and Ito's, told apart by the color-blind
DASHES = ("solid", "dash", "dot", "dashdot")


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
    titles = ("loss by iteration", "kNN by iteration", "kNN by second")
    fig = make_subplots(1, 3, subplot_titles=titles)
    styles = dict(zip(histories, zip(HUES, DASHES)))
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
    for (name, curve), color, dash in zip(curves.items(), LINES, DASHES * 2):
        fig.add_scatter(
            x=LEVELS, y=curve, name=name, mode="lines+markers", line={"color": color, "dash": dash},
            hovertemplate="recall %{x:.1f}, precision %{y:.2f}<extra>" + name + "</extra>",
        )
    fig.update_xaxes(title="recall", range=[-0.02, 1.02])
    fig.update_yaxes(title="precision", range=[0, 1.02])
    return finish(fig, f"Precision against recall for {', '.join(curves)}", 380)


def recalls(tables, title):
    """Recall of each instrument as bars with intervals, one color a split, always in the same order.

    Parameters
    ----------
    tables : dict of str to pandas.DataFrame
        By split, see `evaluate.per_class_by_split`; what a split does not test has no bar.
    title : str
    """
    fig, found = go.Figure(), {split: table.dropna(subset="recall") for split, table in tables.items()}
    names = [slug for slug in INSTRUMENTS if any(slug in table.index for table in found.values())]
    for (split, table), color in zip(found.items(), LINES):
        above, below = table["hi"] - table["recall"], table["recall"] - table["lo"]
        fig.add_bar(
            x=table["recall"], y=table.index, name=split, orientation="h", customdata=table["sounds"],
            marker={"color": color, "opacity": 0.6},  # the interval shows on it
            error_x={"array": above, "arrayminus": below, "thickness": 1.5, "width": 3, "color": TEXT},
            hovertemplate="%{y}: %{x:.2f} of %{customdata} sounds<extra>" + split + "</extra>",
        )
    fig.update_yaxes(categoryorder="array", categoryarray=names, autorange="reversed", type="category")
    fig.update_xaxes(title="recall", range=[0, 1.02])
    alt = f"{title}: share of the sounds of each of {len(names)} instruments that is found, splits {', '.join(found)}"
    legend = {"orientation": "h", "y": 1.03, "traceorder": "normal"}
    return finish(fig, alt, 140 + 9 * len(names) * (1 + len(found)), title, barmode="group", legend=legend)


def accuracy_by_note(tables, title):
    """Accuracy by note number as lines within their intervals, above the number of sounds; one color a split.

    Parameters
    ----------
    tables : dict of str to pandas.DataFrame
        By split, see `evaluate.per_class_by_split`: the share of a note's sounds that is found is the accuracy on that note.
    title : str
    """
    fig = make_subplots(2, 1, shared_xaxes=True, row_heights=[0.7, 0.3], vertical_spacing=0.06)
    for (split, table), color, dash, shape in zip(tables.items(), LINES, DASHES, SYMBOLS):
        table = table.dropna(subset="recall")
        x, style = table.index.astype(float), {"legendgroup": split, "hoverinfo": "skip", "showlegend": False}
        both_ways, bounds = np.concatenate([x, x[::-1]]), np.concatenate([table["hi"], table["lo"][::-1]])
        fig.add_scatter(x=both_ways, y=bounds, fill="toself", fillcolor=color, opacity=0.2, mode="none", row=1, col=1, **style)
        fig.add_scatter(
            x=x, y=table["recall"], name=split, legendgroup=split, mode="lines+markers", line={"color": color, "dash": dash},
            marker={"symbol": shape}, row=1, col=1, hovertemplate="note %{x}: %{y:.2f}<extra>" + split + "</extra>",
        )
        fig.add_scatter(x=x, y=table["sounds"], line={"color": color, "dash": dash}, mode="lines", row=2, col=1, **style)
    fig.update_yaxes(title="accuracy", range=[0, 1.02], row=1)
    fig.update_yaxes(title="sounds", rangemode="tozero", row=2)
    fig.update_xaxes(title="MIDI note number", row=2)
    alt = f"{title}: accuracy by note number and how many test sounds each note has, splits {', '.join(tables)}"
    return finish(fig, alt, 480, title, legend={"orientation": "h", "y": 1.06})


def found_within(curves):
    """Share of questions whose first right answer is among the first so many, one line a method.

    Parameters
    ----------
    curves : dict of str to (depths, shares)
    """
    fig = go.Figure()
    for i, (name, (depths, shares)) in enumerate(curves.items()):
        look = {"color": LINES[i % len(LINES)], "dash": DASHES[i % len(DASHES)]}
        fig.add_scatter(x=depths, y=shares, name=name, mode="lines+markers", line=look, marker={"symbol": SYMBOLS[i % len(SYMBOLS)]})
    fig.update_xaxes(title="answers listened to", type="log", tickvals=list(depths))
    fig.update_yaxes(title="share of questions answered", range=[0, 1.03])
    alt = "Share of questions answered against how many answers are listened to: " + "; ".join(
        f"{name} {shares[0]:.2f} after one, {shares[-1]:.2f} after {depths[-1]}" for name, (depths, shares) in curves.items()
    )
    return finish(fig, alt, 480, legend={"orientation": "h", "y": -0.2})
