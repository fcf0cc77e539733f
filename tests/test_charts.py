"""Charts are whole: right data, a text for those who cannot see, one look."""

import numpy as np
import plotly.io as pio
import pytest
from test_figures import assert_the_look

from dml_lib import charts, config, neighborhoods
from dml_lib.evaluate import per_class
from dml_lib.train import History

BY_INSTRUMENT = per_class(np.array([0, 0, 0, 0, 2, 2]), np.array([0, 0, 0, 2, 2, 0]), ["tuba", "viola", "flute"])
BY_NOTE = per_class(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), ["60", "62", "70"])


def every_chart(sounds):
    near = neighborhoods.Neighborhoods(sounds, "instrument")
    history = History([(1, 2.0), (2, 1.0)], [(2, 0.5)], [(0.1, 0.5)])
    return {
        "coverage": charts.coverage(sounds),
        "partition": charts.partition(sounds, near.partition(0)),
        "loss_curves": charts.loss_curves(config.Config()),
        "training_curves": charts.training_curves({"paper": history, "ours": history}),
        "confusion": charts.confusion(np.eye(3), list("abc"), "title"),
        "recalls": charts.recalls({"random": BY_INSTRUMENT, "real": BY_INSTRUMENT.drop("tuba")}, "title"),
        "accuracy_by_note": charts.accuracy_by_note({"random": BY_NOTE, "held_out": BY_NOTE[:2]}, "title"),
        "found_within": charts.found_within({"names": ((1, 10), [0.2, 0.6]), "an example": ((1, 10), [0.7, 0.9])}),
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


def test_recalls_are_bars_in_the_order_of_the_book_with_their_intervals():
    fig = charts.recalls({"random": BY_INSTRUMENT, "real": BY_INSTRUMENT.drop("tuba")}, "title")
    assert list(fig.layout.yaxis.categoryarray) == ["tuba", "flute"]  # no viola was tested
    bars, other = fig.data
    assert list(bars.y) == ["tuba", "flute"] and list(bars.x) == [0.75, 0.5] and list(other.y) == ["flute"]
    table = BY_INSTRUMENT.loc[["tuba", "flute"]]
    assert np.allclose(bars.x + bars.error_x.array, table["hi"]) and np.allclose(bars.x - bars.error_x.arrayminus, table["lo"])
    assert bars.marker.color != other.marker.color


def test_accuracy_by_note_is_a_line_within_its_interval_above_the_sounds():
    fig = charts.accuracy_by_note({"random": BY_NOTE, "held_out": BY_NOTE[:2]}, "title")
    band, line, sounds = fig.data[:3]
    assert list(line.x) == [60, 62, 70] and list(line.y) == [0.5, 1, 0] and list(sounds.y) == [2, 1, 1] and len(fig.data) == 6
    assert list(band.x) == [60, 62, 70, 70, 62, 60] and np.allclose(band.y, [*BY_NOTE["hi"], *BY_NOTE["lo"][::-1]])
    assert [trace.name for trace in fig.data if trace.showlegend is not False] == ["random", "held_out"]


def test_shares_found_are_lines_by_answers_heard_and_said_in_words():
    fig = charts.found_within({"names": ((1, 10), [0.2, 0.6]), "an example": ((1, 10), [0.7, 0.9])})
    assert [(line.name, list(line.x), list(line.y)) for line in fig.data] == [("names", [1, 10], [0.2, 0.6]), ("an example", [1, 10], [0.7, 0.9])]
    assert "names 0.20 after one, 0.60 after 10" in fig.layout.meta["alt"]
