"""Claims that can be checked by ear, on spaces where the answers are known."""

import numpy as np
import pandas as pd
import pytest
import torch

from dml_lib import tour


def test_played_is_the_note_that_was_asked_for():
    table = pd.DataFrame({"instrument": ["tuba", "oboe", "tuba", "tuba"], "note_number": [60, 60, 60, 62], "seconds": [1.0, 9.0, 2.0, 5.0]})
    assert tour.played(table, "tuba", 60) == 2
    with pytest.raises(ValueError, match="a tuba at note 61, found none"):
        tour.played(table, "tuba", 61)


def test_intervals_are_in_steps_between_neighbors():
    points = np.c_[np.arange(10) * 2.0, np.zeros((10, 2))]  # one step is 2
    assert np.allclose(tour.intervals(points, [0, 3, 9]), [3, 6])


def test_gathering_tells_start_median_and_end_apart():
    points = np.c_[np.arange(10.0), np.zeros((10, 2))]
    paths = {"a": np.array([[4, 0, 0], [4, 0, 0], [0, 0, 1.0]]), "b": np.array([[0, 0, 0], [-4, 0, 0], [0, 0, 1.0]])}
    assert tour.gathering(paths, points, np.zeros(3)) == pytest.approx({"start": 4, "median": 4 + 0, "end": 0, "place": 1})


def test_travel_shares_a_path_out():
    path = np.array([[0, 0, 0], [3, 0, 0], [3, 0, 0], [3, 1, 0.0]])
    spans = {"attack": (0.0, 0.05), "decay": (0.05, 0.05), "sustain": (0.05, 0.1), "release": (0.1, 0.15)}
    assert tour.travel(path, spans, 0.05) == {"attack": 0.75, "decay": 0.0, "sustain": 0.0, "release": 0.25}
    assert set(tour.travel(path[:1], spans, 0.05).values()) == {0.0}


def test_surprises_are_neighbors_of_another_family_and_note():
    points = np.array([[0, 0, 0], [0.1, 0, 0], [5, 0, 0], [5.1, 0, 0], [9, 0, 0], [9.1, 0, 0], [20, 0, 0], [20.1, 0, 0], [30, 0, 0], [30.1, 0, 0], [40, 0, 0], [40.1, 0, 0]])
    table = pd.DataFrame({
        "instrument": ["trumpet", "tuba", "flute", "violin", "piano", "harp", "oboe", "cello", "banjo", None, "tuba", "banjo"],
        "note_number": [60, 90, 60, 61, 40, 80, 50, None, 20, 90, 20, 90],
    })
    assert tour.surprises(points, table, 3) == [(4, 5), (2, 3)]  # trumpet and tuba are both brass; the cello's note is unknown, and the family of one in each pair behind it
    assert tour.surprises(points, table, 1) == [(4, 5)]


def test_silence_is_where_a_window_of_zeros_goes(model):
    with torch.inference_mode():
        expected = model(torch.zeros(1, model.n_in, model.n_bins)).numpy()[0]
    place = tour.silence(model)
    assert place.shape == (3,) and np.allclose(place, expected, atol=1e-5)
