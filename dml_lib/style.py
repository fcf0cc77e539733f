"""One look for all figures: a palette, a marker for each instrument, a renderer for the offline book.

Hue tells the family of an instrument, lightness and marker the member, so that no reader depends on color alone.
Backgrounds are transparent and text is mid-gray: readable on the light and on the dark theme of the book.
"""

import html
import itertools
import os
from string import Template

import numpy as np
import plotly.graph_objects as go
import plotly.io as pio
from plotly.colors import sample_colorscale
from plotly.io.base_renderers import MimetypeRenderer
from plotly.io.json import to_json_plotly

from .sounds.instruments import FAMILIES, INSTRUMENTS
from .sounds.soundfont import DYNAMICS

HUES = ("#d55e00", "#0072b2", "#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#999999")  # Okabe and Ito, safe for the color-blind
SYMBOLS = ("circle", "diamond", "square", "cross")
TEXT, GRID, SCENE = "#808080", "rgba(128,128,128,0.3)", "#a9b8c6"  # on the scene's blue-gray both black and white points show

SPARE = ["zoom3d", "orbitRotation", "tableRotation", "resetCameraLastSave3d"]  # buttons that would cover a menu on a phone


def _lighter(color, amount):
    """Mix a hex color with white (amount > 0) or black (amount < 0)."""
    rgb = np.array([int(color[i:i + 2], 16) for i in (1, 3, 5)])
    target = 255 if amount > 0 else 0
    return "#%02x%02x%02x" % tuple(np.rint(rgb + (target - rgb) * abs(amount)).astype(int))


def _style(inst):
    members = [i.slug for i in INSTRUMENTS.values() if i.family == inst.family]
    place = members.index(inst.slug)
    return _lighter(HUES[FAMILIES.index(inst.family)], (-0.35, 0.0, 0.3, 0.55)[place]), SYMBOLS[place]


COLORS = {inst.slug: _style(inst)[0] for inst in INSTRUMENTS.values()}
MARKERS = {inst.slug: _style(inst)[1] for inst in INSTRUMENTS.values()}


def looks_of(column, names):
    """Color and shape of each category of a column, in the order to list them.

    Parameters
    ----------
    column : str
        Of the table of sounds: instruments, families and dynamics have looks and an order of their own.
    names : list of str
        Others keep the order given.

    Returns
    -------
    dict of str to (str, int)
        Hex color, and place in `SYMBOLS`.
    """
    own = {
        "instrument": {slug: (COLORS[slug], SYMBOLS.index(MARKERS[slug])) for slug in INSTRUMENTS},
        "family": {family: (HUES[i], i % len(SYMBOLS)) for i, family in enumerate(FAMILIES)},
        "dynamics": {name: (color, 0) for name, color in zip(DYNAMICS, stops_of("Viridis", len(DYNAMICS)))},
    }.get(column, {})
    free = [(_lighter(hue, amount), (i + j) % len(SYMBOLS)) for j, amount in enumerate((0, -0.35, 0.4)) for i, hue in enumerate(HUES[:6])]
    others = {name: free[i % len(free)] for i, name in enumerate(name for name in names if name not in own and name != "unlabeled")}
    return {name: look for name, look in (own | others | {"unlabeled": ("#888888", 0)}).items() if name in names}


def coded(column, values):
    """Categories of a column as numbers, with the look of each; what is empty is `unlabeled`.

    Parameters
    ----------
    column : str
    values : pandas.Series, (n,)

    Returns
    -------
    codes : np.ndarray, (n,), int64
    looks : dict of str to (str, int)
        See `looks_of`, in the order of the codes.
    """
    text = values.astype(object).where(values.notna() & (values != ""), "unlabeled").astype(str)
    looks = looks_of(column, list(text.value_counts().index))
    return text.map({name: i for i, name in enumerate(looks)}).to_numpy(np.int64), looks


def stops_of(scale, n=9):
    """A Plotly color scale as `n` hex colors."""
    colors = sample_colorscale(scale, n, colortype="tuple")
    return ["#%02x%02x%02x" % tuple(round(255 * v) for v in color) for color in colors]


# A figure is drawn when it comes near the window and plotly.js is there: a page of many clouds then answers at once.
DRAW = """
<div class="plotly-graph-div" id="$name" style="height:${height}px"></div>
<script>
(() => {
  const graph = document.getElementById("$name");
  const draw = () => Plotly.newPlot(graph, $figure).then(() => { $then });
  const ready = () => window.Plotly ? draw() : document.getElementById("plotly").addEventListener("load", draw);
  const look = (seen, watch) => { if (seen.some(e => e.isIntersecting)) { watch.disconnect(); ready(); } };
  new IntersectionObserver(look, { rootMargin: "300px" }).observe(graph);
})();
</script>"""
# A drag moves one scene; the others follow as fast as they can be drawn, and once more when it ends.
LINK_CAMERAS = """
let busy = false, next = null;
const follow = change => {
  const from = Object.keys(change).find(key => key.endsWith(".camera"));
  if (!from || busy) { next = from && change; return; }
  busy = true;
  const others = Object.keys(graph._fullLayout).filter(key => /^scene[0-9]*$/.test(key) && key + ".camera" !== from);
  Plotly.relayout(graph, Object.fromEntries(others.map(key => [key + ".camera", change[from]])))
    .then(() => { const last = next; next = null; setTimeout(() => { busy = false; if (last && last[from]) follow(last); }); });
};
graph.on("plotly_relayouting", follow);
graph.on("plotly_relayout", follow);"""


class BookRenderer(MimetypeRenderer):
    """Plotly figures for the offline book: the page loads one shared copy of plotly.js, before its first figure."""

    def __init__(self):
        super().__init__()
        self.numbers = itertools.count()  # shared by the copies that Plotly makes of a renderer

    def to_mimebundle(self, fig_dict):
        figure = go.Figure(fig_dict)
        about = figure.layout.meta or {}
        config = {"displaylogo": False, "responsive": True, "modeBarButtonsToRemove": SPARE}
        whole = {key: fig_dict.get(key, []) for key in ("data", "layout", "frames")} | {"config": config}
        number = next(self.numbers)
        script = "" if number else '<script id="plotly" src="../plotly.min.js" async></script>'
        body = Template(DRAW).substitute(
            name=f"plot-{number}", height=figure.layout.height or 450, figure=to_json_plotly(whole), then=LINK_CAMERAS if about.get("linked") else "",
        )
        alt = html.escape(about.get("alt", ""), quote=True)
        return {"text/html": f'{script}<div role="img" aria-label="{alt}">{body}</div>'}


pio.renderers["book"] = BookRenderer()
if os.environ.get("DML_BOOK"):  # set while the book is built; a live Jupyter keeps its own renderer
    pio.renderers.default = "book"


def finish(fig, alt, height, title=None, **layout):
    """The house style."""
    fig.update_layout(
        template="none", height=height, title=title, meta={"alt": alt}, font={"color": TEXT, "size": 13},
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 70, "r": 20, "t": 50 if title else 25, "b": 55}, **layout,
    )
    fig.update_xaxes(gridcolor=GRID, zerolinecolor=GRID, automargin=True)
    fig.update_yaxes(gridcolor=GRID, zerolinecolor=GRID, automargin=True)
    return fig


def scene():
    """A three-dimensional scene without ticks, on a ground where black and white points both show."""
    axis = {
        "showticklabels": False, "title": "", "showbackground": True, "showspikes": False, "backgroundcolor": SCENE,
        "gridcolor": "#c9d4de", "zerolinecolor": "#c9d4de",
    }
    camera = {"eye": {"x": 1.6, "y": 1.3, "z": 0.8}, "center": {"x": 0, "y": 0, "z": -0.12}}
    return {"xaxis": axis, "yaxis": axis, "zaxis": axis, "aspectmode": "data", "camera": camera}
