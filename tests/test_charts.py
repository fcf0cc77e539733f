"""Charts are whole: right data, a text for those who cannot see, one look."""

import numpy as np
import plotly.io as pio
import pytest
from test_figures import assert_the_look

from dml_lib import charts, config, neighborhoods
from dml_lib.train import History


def every_chart(sounds):
    near = neighborhoods.Neighborhoods(sounds, "instrument")
    history = History([(1, 2.0), (2, 1.0)], [(2, 0.5)], [(0.1, 0.5)])
    return {
        "coverage": charts.coverage(sounds),
        "partition": charts.partition(sounds, near.partition(0)),
        "loss_curves": charts.loss_curves(config.Config()),
        "training_curves": charts.training_curves({"paper": history, "ours": history}),
        "confusion": charts.confusion(np.eye(3), list("abc"), "title"),
        "recall_precision": charts.recall_precision({"a": np.linspace(1, 0.2, 11), "b": np.full(11, 0.3)}),
    }


def test_charts_have_the_look_and_are_returned_not_shown(sounds, monkeypatch):
    monkeypatch.setattr(pio, "show", lambda *a, **k: pytest.fail("a chart was shown"))
    assert_the_look(every_chart(sounds))


def test_curves_of_training_and_of_recall_are_those_given(sounds):
    found = every_chart(sounds)
    assert [tuple(trace.y) for trace in found["training_curves"].data[:3]] == [(2.0, 1.0), (0.5,), (0.5,)]
    assert np.allclose(found["recall_precision"].data[0].y, np.linspace(1, 0.2, 11)) and found["recall_precision"].data[1].name == "b"


def test_coverage_counts(sounds):
    fig = charts.coverage(sounds)
    assert np.nansum(fig.data[0].z) == len(sounds)
