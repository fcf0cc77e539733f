"""One look for all figures, and a renderer for the offline book. Colors and markers are those of `palette`.

Backgrounds are transparent and text is mid-gray: readable on the light and on the dark theme of the book.
"""

import html
import itertools
import os
from string import Template

import plotly.io as pio
from plotly.io.base_renderers import MimetypeRenderer
from plotly.io.json import to_json_plotly

TEXT, GRID, SCENE = "#808080", "rgba(128,128,128,0.3)", "#a9b8c6"  # on the scene's blue-gray both black and white points show

SPARE = ["zoom3d", "orbitRotation", "tableRotation", "resetCameraLastSave3d"]  # buttons that would cover a menu on a phone


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
        layout = fig_dict["layout"]
        about = layout.get("meta") or {}
        config = {"displaylogo": False, "responsive": True, "modeBarButtonsToRemove": SPARE}
        whole = {key: fig_dict.get(key, []) for key in ("data", "layout", "frames")} | {"config": config}
        number = next(self.numbers)
        script = "" if number else '<script id="plotly" src="../plotly.min.js" async></script>'
        body = Template(DRAW).substitute(
            name=f"plot-{number}", height=layout.get("height", 450), figure=to_json_plotly(whole), then=LINK_CAMERAS if about.get("linked") else "",
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
