"""Figures of the shape of a space: exact where the answer is known, about chance where there is nothing to find."""

import numpy as np
import pandas as pd
import pytest

from dml_lib import geometry
from dml_lib.config import Config
from dml_lib.dataset import Dataset


def cloud(n=200, dims=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, dims))


def test_preservation_counts_shared_neighbors():
    z = cloud()
    for same in (z, 3 * z + 1, np.hstack([z, np.zeros((200, 5))])):
        assert (geometry.preservation(z, same) == 1).all()
    assert geometry.preservation(z, cloud(seed=1)).mean() == pytest.approx(15 / 199, abs=0.02)
    b = z + cloud(seed=2)
    for i, share in enumerate(geometry.preservation(z, b, 4)):  # slowly
        near = [set(sorted(set(range(200)) - {i}, key=lambda j: np.linalg.norm(x[i] - x[j]))[:4]) for x in (z, b)]
        assert share == len(near[0] & near[1]) / 4
    assert (geometry.preservation(np.zeros((30, 3)), z[:30]) <= 1).all()  # all in one place


def test_card_of_the_same_space_and_of_an_unrelated_one():
    z = cloud(400)
    notes = np.rint(60 + 10 * z[:, 0])
    same, other = geometry.card(z, z, notes), geometry.card(cloud(400, seed=1), z, notes)
    assert (same["trustworthiness"], same["continuity"], same["preservation"]) == (1, 1, 1)
    assert other["trustworthiness"] == pytest.approx(0.5, abs=0.05) == other["continuity"]
    assert other["preservation"] < 0.1 and abs(other["pitch_order"]) < 0.05 < 0.3 < same["pitch_order"]


def test_trust_is_lost_by_folding_and_continuity_by_tearing():
    line = np.linspace(0, 1, 300)[:, None]
    folded, torn = np.abs(line - 0.5), line + 10 * (line > 0.5)
    fold, tear = geometry.card(folded, line, np.arange(300)), geometry.card(torn, line, np.arange(300))
    assert fold["trustworthiness"] < 0.9 < fold["continuity"]
    assert tear["preservation"] > 0.95  # a gap moves few neighbors


def test_pitch_in_order_and_in_disorder():
    notes = np.arange(40.0)
    assert geometry.pitch_order(notes[:, None] ** 1.5, notes) > 0.9
    assert geometry.pitch_order(np.ones((40, 3)) * notes[:, None], notes) == pytest.approx(1)
    assert abs(geometry.pitch_order(cloud(40), notes)) < 0.1


def test_card_needs_enough_sounds():
    with pytest.raises(ValueError, match="expected more than 31 sounds, found 31: add sounds"):
        geometry.card(cloud(31), cloud(31), np.arange(31))


def test_measures_of_known_sounds():
    """One bin a sound; energies are those written here."""
    cfg = Config()
    frames = np.zeros((3 + 6 + 1, 192), np.float16)
    frames[[0, 1, 2], 96] = 1, 4, 2  # four octaves above the lowest bin
    frames[3:9, 24] = 0, 0, 1, 9, 9.9, 10  # an octave above; two silent frames first
    frames[9, 0] = 0.5
    table = pd.DataFrame({"note_number": pd.array([69, 33, None], "Int64")})
    found = geometry.measures(Dataset(table, frames, np.array([3, 6, 1])), cfg)
    assert found["pitch"].tolist()[:2] == [69, 33] and np.isnan(found["pitch"][2])
    assert found["centroid"].tolist() == pytest.approx([21 + 48, 21 + 12, 21])
    assert found["loudness"].tolist() == pytest.approx([20 * np.log10(4), 20, 20 * np.log10(0.5)])
    assert found["attack"].tolist() == pytest.approx([0.05, 0.1, 0])  # .98 of the energy is enough
    leveled = Dataset(table, frames, np.array([3, 6, 1])).leveled(2.0)
    pd.testing.assert_frame_equal(geometry.measures(leveled, cfg), found, rtol=1e-3, check_dtype=False)


def test_mean_spectra_leave_out_silence():
    cfg = Config()
    frames = np.zeros((5, 192), np.float16)
    frames[[1, 2], 7], frames[4, 9] = (1, 3), 2
    spectra = geometry.mean_spectra(Dataset(pd.DataFrame(index=range(2)), frames, np.array([3, 2])), cfg)
    assert spectra[0, 7] == pytest.approx((np.log(51) + np.log(151)) / 2) and spectra[1, 9] == pytest.approx(np.log(101))
    assert spectra.sum() == pytest.approx(spectra[0, 7] + spectra[1, 9])


def test_axes_and_the_best_direction():
    z = cloud(300)
    turn = np.linalg.qr(cloud(3, seed=5))[0]
    measured = pd.DataFrame({"a": np.exp(z[:, 0]), "b": -z[:, 1], "nothing": cloud(300, 1, 9)[:, 0], "flat": np.ones(300)})
    plain, turned = geometry.axis_meanings(z, measured), geometry.axis_meanings(z @ turn, measured)
    assert plain.loc["axis 1", "a"] == pytest.approx(1) and plain.loc["axis 2", "b"] == pytest.approx(-1)
    assert (plain.loc["best direction", ["a", "b"]] > 0.99).all() and (turned.loc["best direction", ["a", "b"]] > 0.95).all()
    assert turned.abs().loc["axis 1":"axis 3", "a"].max() < 0.95
    assert plain.abs()["nothing"].max() < 0.2 and (plain["flat"] == 0).all()


def test_sounds_without_pitch_do_not_count_for_pitch():
    z = cloud(100)
    pitch = z[:, 2].copy()
    pitch[:50] = np.nan
    assert geometry.axis_meanings(z, pd.DataFrame({"pitch": pitch})).loc["axis 3", "pitch"] == pytest.approx(1)


def test_each_measure_names_the_axis_where_it_says_most():
    meanings = pd.DataFrame(
        {"pitch": [0.8, -0.9, 0.7, 1.0], "loudness": [-0.5, 0.1, 0.2, 1.0]}, index=["axis 1", "axis 2", "axis 3", "best direction"],
    )
    assert geometry.axis_titles(meanings) == ["axis 1 (loudness -0.50)", "axis 2 (pitch -0.90)", "axis 3"]
    assert geometry.axis_titles(meanings / 2) == ["axis 1", "axis 2 (pitch -0.45)", "axis 3"]
    meanings = pd.DataFrame({"pitch": [0.5, 0.4, 1.0], "loudness": [0.29, 0.05, 1.0]}, index=["axis 1", "axis 2", "best direction"])
    assert geometry.axis_titles(meanings) == ["axis 1 (pitch +0.50)", "axis 2"]
