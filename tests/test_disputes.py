"""Notes by ear, and names that say another note."""

import numpy as np
import pandas as pd
import pytest

from dml_lib import disputes
from dml_lib.config import Config
from dml_lib.dataset import Dataset
from dml_lib.features import ConstantQ, cqt_many

CFG = Config()


def harmonic(note, n=16_000, partials=8, sr=16_000):
    """A sound of a note whose partials fall off, without those above half the rate."""
    f = 440 * 2 ** ((note - 69) / 12) * np.arange(1, partials + 1)
    t = np.arange(n) / sr
    return sum(np.sin(2 * np.pi * each * t + i) / (i + 1) for i, each in enumerate(f[f < sr / 2])).astype(np.float32) / 4


def magnitudes(y):
    return cqt_many([y], ConstantQ(**CFG.front_end()))[0]


@pytest.mark.parametrize("note", [36, 48, 57, 69, 84, 93])
@pytest.mark.parametrize("partials", [1, 8])
def test_the_pitch_of_a_note(note, partials):
    assert disputes.pitch(magnitudes(harmonic(note, partials=partials)), CFG) == pytest.approx(note, abs=0.5)


def test_a_missing_fundamental_is_heard():
    t = np.arange(16_000) / 16_000
    y = sum(np.sin(2 * np.pi * 220 * h * t) / h for h in (2, 3, 4, 5, 6)).astype(np.float32) / 4
    assert disputes.pitch(magnitudes(y), CFG) == pytest.approx(57, abs=0.5)


def sounds(named, heard):
    """Sounds of some notes under the names of others."""
    x = [magnitudes(harmonic(note)) for note in heard]
    n = np.array([len(each) for each in x])
    table = pd.DataFrame({
        "library": "l", "instrument": ["horn", "horn", "tuba", "tuba", "flute", "flute"], "note_number": pd.array(named, "Int64"),
        "kind": ["note", "note", "note", "note", "phrase", "percussion"], "random": ["test", "test", "train", "test", "test", "test"],
    })
    return Dataset(table, np.concatenate(x), n)


def test_an_octave_that_someone_counts_otherwise_is_found():
    data = sounds([60, 72, 48, 60, 72, 72], [60, 60, 47, 48, 60, 60])
    heard = disputes.heard_notes(data, CFG)
    assert heard == pytest.approx([60, 60, 47, 48, 60, 60], abs=0.5)
    wrong = disputes.contradicted(data.table, heard)
    assert wrong.tolist() == [False, True, True, True, False, False]  # phrases and percussion have no note to contradict
    assert disputes.without(data, wrong).table["random"].tolist() == ["test", "", "train", "", "test", "test"]
    assert data.table["random"].tolist() == ["test", "test", "train", "test", "test", "test"]
    assert disputes.by_instrument(data.table, heard).to_numpy().tolist() == [["l", "tuba", 2, 2, -12, 1], ["l", "horn", 2, 1, -12, 1]]


def test_what_has_no_note_is_not_contradicted():
    data = sounds([pd.NA] * 6, [60] * 6)
    heard = disputes.heard_notes(data, CFG)
    assert not disputes.contradicted(data.table, heard).any() and not len(disputes.by_instrument(data.table, heard))
    assert not disputes.contradicted(data.table.drop(columns="kind"), heard).any()


def test_the_note_of_a_sound_is_told_or_heard():
    table = pd.DataFrame({
        "note_number": pd.array([60, None, None, None], "Int64"), "note_estimate": [48.5, 61.5, 50.0, np.nan], "kind": ["note", "note", "percussion", "note"],
    })
    assert disputes.notes(table).tolist() == [60, 62, pd.NA, pd.NA] and disputes.notes(table[2:]).isna().all()


def test_what_is_counted():
    data = sounds([60, 72, 60, 72, 72, 72], [60] * 6)
    table = data.table.assign(instrument=["horn", "horn", "horn", None, "horn", "horn"])  # the fifth a phrase, the sixth percussion
    found = disputes.by_instrument(table, disputes.heard_notes(data, CFG))
    assert found["instrument"].isna().tolist() == [False, True] and found["sounds"].tolist() == [3, 1] and found["alike"].tolist() == [1, 1]
