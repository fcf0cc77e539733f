"""One palette, and figures that need no network."""

import plotly.graph_objects as go

from dml_lib import style
from dml_lib.sounds.instruments import INSTRUMENTS


def test_palette_gives_each_instrument_its_own_look():
    looks = {(style.COLORS[s], style.MARKERS[s]) for s in INSTRUMENTS}
    assert len(looks) == len(INSTRUMENTS) == len(set(style.COLORS.values()))


def test_book_renderer_loads_plotly_once_and_escapes_the_alt_text():
    renderer = style.BookRenderer()
    fig = go.Figure(layout={"meta": {"alt": '"><script>alert(1)</script>'}})
    first, second = (renderer.to_mimebundle(fig.to_dict())["text/html"] for _ in range(2))
    assert first.count("plotly.min.js") == 1 and "plotly.min.js" not in second
    assert "<script>alert" not in first.split("aria-label=")[1].split(">", 1)[0]
    assert "https://" not in second.replace("https://plot.ly", "")
