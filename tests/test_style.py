"""Figures that need no network."""

from copy import copy

import plotly.graph_objects as go

from dml_lib import style


def test_book_renderer_loads_plotly_once_and_escapes_the_alt_text():
    renderer = style.BookRenderer()
    fig = go.Figure(layout={"meta": {"alt": '"><script>alert(1)</script>'}})
    first, second = (copy(renderer).to_mimebundle(fig.to_dict())["text/html"] for _ in range(2))  # Plotly copies a renderer for each figure
    assert 'id="plot-0"' in first and 'id="plot-1"' in second
    assert first.count("plotly.min.js") == 1 and "plotly.min.js" not in second
    assert "<script>alert" not in first.split("aria-label=")[1].split(">", 1)[0]
    assert "https://" not in second.replace("https://plot.ly", "")
