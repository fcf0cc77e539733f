"""Analogies: perfect where the space is a sum of its labels, worth nothing in noise, and asked as a slow loop asks them."""

from itertools import permutations, product

import numpy as np
import pandas as pd
import pytest

from dml_lib import analogies
from dml_lib.analogies import (
    AUTHOR, KINDS, RELATIVES, RIVALS, against_rivals, author, author_table, author_values, evaluate, ranks, report, votes,
)
from dml_lib.dataset import Dataset
from dml_lib.results import published

SIX = ["trombone", "trumpet", "cello", "violin", "flute", "french-horn"]
TINY = np.array(["cello", "violin", "cello", "violin", "cello", "flute"]), np.array([60.0, 60, 62, 62, 64, 62])


@pytest.fixture
def notes():
    """Six instruments at twelve notes, eight sounds each, three frames a sound; one in two is a test sound."""
    rows = list(product(SIX, range(50, 62), range(8)))
    table = pd.DataFrame(rows, columns=["instrument", "note_number", "take"])
    table["note_number"] = table["note_number"].astype("Int64")
    table["random"] = np.array(["train", "test", "valid", "test", "train", "test", "train", "test"])[table["take"]]
    n_frames = np.full(len(table), 3)
    return Dataset(table, np.ones((3 * len(table), 2), np.float16), n_frames)


def sums(table):
    """A space in which an instrument is a direction, its register another, and a note a height: all analogies hold."""
    low = {name: 0 for name, _ in RELATIVES} | {name: 1 for _, name in RELATIVES}
    pair = {name: i for i, names in enumerate(RELATIVES) for name in names}
    place = [(9.0 * pair.get(name, 7), 4.0 * low.get(name, 0.3)) for name in table["instrument"]]
    return np.column_stack([np.array(place), table["note_number"].to_numpy(float)])


def test_a_space_of_sums_is_perfect(notes):
    values = evaluate(sums(notes.table), notes)
    assert values["neighborhoods.transposition"] == 72 and values["neighborhoods.interval"] == 12 and values["neighborhoods.relative"] == 6
    for score in ("mrr", "hit_at_1", "hit_at_5"):
        assert values[f"{score}.transposition"] == values[f"{score}.transposition.hi"] == 1 > values[f"{score}.transposition.lo"] > 0.9
    for rival in RIVALS:
        assert values[f"hit_at_1{rival}.transposition"] < 0.2 and values[f"mrr{rival}.transposition"] < 0.5
    heights = sums(notes.table) * [0, 0, 1]
    assert evaluate(heights, notes)["hit_at_1.interval"] == 1
    registers = sums(notes.table) * [1, 1, 0]
    assert evaluate(registers, notes)["mrr.relative"] == 1


def test_noise_is_worth_what_chance_is(notes):
    values = evaluate(np.random.default_rng(0).normal(size=(len(notes), 3)), notes)
    for kind in ("transposition", "interval"):
        n = int(values[f"neighborhoods.{kind}"])
        chance = np.mean(1 / np.arange(1, n + 1))
        assert values[f"mrr.{kind}.lo"] < chance < values[f"mrr.{kind}.hi"]
        assert values[f"hit_at_5.{kind}.lo"] < 5 / n < values[f"hit_at_5.{kind}.hi"]


def test_names_bounds_and_determinism(notes):
    z = np.random.default_rng(1).normal(size=(len(notes), 3))
    values = evaluate(z, notes, most=300)
    scores = [score + rival for score in ("mrr", "hit_at_1", "hit_at_5") for rival in ("", *RIVALS)]
    names = {f"{score}.{kind}{end}" for score in scores for kind in KINDS for end in ("", ".lo", ".hi")}
    assert set(values) == names | {f"neighborhoods.{kind}" for kind in KINDS} and all(type(value) is float for value in values.values())
    assert all(values[f"{s}.{kind}.lo"] <= values[f"{s}.{kind}"] <= values[f"{s}.{kind}.hi"] for s in scores for kind in KINDS)
    assert values == evaluate(z, notes, most=300) != evaluate(z, notes, most=300, seed=1)


def slow_questions(kind, instruments, notes):
    """By their labels: (a, b, c, expected)."""
    there = set(zip(instruments, notes))
    if kind == "transposition":
        spaces = product(set(instruments), set(instruments), set(notes), set(notes))
        asked = [((a, p), (a, q), (b, q), (b, p)) for a, b, p, q in spaces if a != b and p != q]
        return {question for question in asked if set(question) <= there}
    if kind == "interval":
        asked = [(p, q, r, p - q + r) for p, q, r in product(set(notes), repeat=3)]
        return {question for question in asked if question[3] in notes and question[0] != question[1] != question[2]}
    pairs = [pair for pair in RELATIVES if set(pair) <= set(instruments)]
    both = [(x, y) for one, other in permutations(pairs, 2) for x, y in ((one, other), (one[::-1], other[::-1]))]
    return {(one[0], one[1], other[1], other[0]) for one, other in both}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sounds", [TINY, (np.array(SIX)[np.arange(40) % 6], np.arange(40) % 7 + 50.0)], ids=["tiny", "more"])
def test_questions_are_those_of_a_slow_loop(kind, sounds):
    which, asked = KINDS[kind](*sounds)
    keys = {"transposition": list(zip(*sounds)), "interval": list(sounds[1]), "relative": list(sounds[0])}[kind]
    name = {number: key for number, key in zip(which, keys)}
    assert all(name[number] == key for number, key in zip(which, keys)) and len(name) == len(set(keys))
    found = [tuple(name[number] for number in question) for question in asked]
    assert len(set(found)) == len(found) and set(found) == slow_questions(kind, *sounds)
    assert asked.dtype == np.int64 and asked.shape[1:] == (4,)


def test_a_kind_that_cannot_be_asked_is_absent(notes):
    one = notes.subset((notes.table["instrument"] == "flute").to_numpy())
    values = evaluate(sums(one.table), one)
    assert {name.split(".")[1] for name in values} == {"interval"}
    one = one.subset((one.table["note_number"] == 55).to_numpy())
    assert evaluate(sums(one.table), one) == {}


def test_ranks_worked_by_hand_and_by_a_slow_loop():
    centers = np.array([[0.0], [1.0], [3.0], [3.0]])
    assert ranks(np.full((4, 1), 2.0), centers, np.arange(4)).tolist() == [4, 1, 2, 3]  # three are equally near: by position
    rng = np.random.default_rng(0)
    predicted, centers, expected = rng.normal(size=(30, 3)), rng.normal(size=(12, 3)), rng.integers(0, 12, 30)
    slow = [sorted(range(12), key=lambda j: np.linalg.norm(p - centers[j])).index(e) + 1 for p, e in zip(predicted, expected)]
    found = ranks(predicted, centers, expected)
    assert found.tolist() == slow and found.dtype == np.int64


def test_sounds_on_one_place_rank_by_position(notes):
    values = evaluate(np.zeros((len(notes), 3)), notes)
    assert values["mrr.interval"] == values["mrr_c.interval"] == values["mrr_random.interval"]
    assert 0 < values["hit_at_1.interval"] < 0.3


def test_a_split_that_tests_nothing_known_has_no_figures(notes):
    notes.table["instrument"] = np.where(notes.table["random"] == "test", "none of them", notes.table["instrument"])
    assert evaluate(np.zeros((len(notes), 3)), notes) == {}


def test_points_that_are_nowhere_are_refused(notes):
    with pytest.raises(ValueError, match="expected finite embeddings"):
        evaluate(np.full((len(notes), 3), np.nan), notes)


def test_report_names(notes):
    z = sums(notes.table)
    values = report({"pitch": (None, z)}, notes)
    expected = evaluate(z, notes)
    assert values["pitch.analogy_mrr.interval.random"] == expected["mrr.interval"]
    assert values["pitch.analogy_hit_at_5_random.relative.random.lo"] == expected["hit_at_5_random.relative.lo"]
    assert len(values) == len(expected) and not any("held_out" in name for name in values)


def test_scores_stand_beside_their_best_rivals():
    values = {"pitch.analogy_mrr.interval.random": 0.5, "pitch.analogy_mrr.interval.random.lo": 0.4, "pitch.analogy_mrr.interval.random.hi": 0.6}
    values |= {f"pitch.analogy_mrr{rival}.interval.random": x for rival, x in zip(RIVALS, (0.1, 0.3, 0.2))}
    table = against_rivals(values, ["pitch", "instrument"])
    assert list(table.columns) == ["random", "held_out", "real"] and len(table) == 6
    assert table.loc[("interval", "pitch")].tolist() == ["0.500 (0.400, 0.600), rival 0.300", "not run", "not run"]
    assert (table.drop(("interval", "pitch")) == "not run").all(axis=None)


@pytest.fixture
def orchestra(notes):
    """The instruments and the notes that the author asks for."""
    names = dict(zip(SIX, ["tenor-sax", "soprano-sax", "cello", "violin", "flute", "french-horn"]))
    notes.table["instrument"] = notes.table["instrument"].map(names)
    notes.table["note_number"] = notes.table["note_number"].map(dict(zip(range(50, 62), (52, 67, 72, 57, *range(80, 88))))).astype("Int64")
    return notes


def test_the_authors_analogies_in_a_space_of_sums(orchestra):
    frames = np.repeat(sums(orchestra.table), 3, axis=0) * [9, 9, 1]
    found = author(frames, orchestra)
    assert list(found) == list(AUTHOR) and all(each.sum() == pytest.approx(1) for each in found.values())
    assert found["tenor_sax_cello_violin"].to_dict() == {"soprano-sax": 1.0}
    values = author_values(found)
    assert values["instrument_pitch.analogy_votes.tenor_sax_cello_violin.random"] == 1 and len(values) == 3
    heights = frames * [0, 0, 1]
    assert votes(heights, orchestra, "horn_60_55_40").to_dict() == {57: 1.0}
    pd.testing.assert_series_equal(found["tenor_sax_cello_violin"], author(frames, orchestra)["tenor_sax_cello_violin"])


def test_votes_are_those_of_a_slow_loop(orchestra):
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(len(orchestra.frames), 3))
    found = votes(frames, orchestra, "tenor_sax_cello_violin", trials=40, k=5)
    table, of = orchestra.table, orchestra.sound_of_frame()
    instrument, part = table["instrument"].to_numpy()[of], table["random"].to_numpy()[of]
    draw, answers = np.random.default_rng([0, 15]), []
    a, b, c = (frames[draw.choice(np.flatnonzero((part == "test") & (instrument == name)), 40)] for name in ("tenor-sax", "cello", "violin"))
    train = np.flatnonzero(part == "train")
    for point in a - b + c:
        near = instrument[train[np.argsort(np.linalg.norm(frames[train] - point, axis=1))[:5]]]
        names, counts = np.unique(near, return_counts=True)
        answers.append(names[counts.argmax()])
    assert found.to_dict() == pytest.approx(pd.Series(answers).value_counts(normalize=True).to_dict())


def test_an_analogy_without_its_sounds_is_not_run(notes):
    found = author(np.zeros((len(notes.frames), 3)), notes)
    assert all(each.empty for each in found.values()) and author_values(found) == {}
    assert (author_table(found)["ours"] == "not run").all()
    with pytest.raises(ValueError, match="unknown analogy 'horn'"):
        votes(np.zeros((len(notes.frames), 3)), notes, "horn")


def test_the_authors_answers_stand_beside_ours(orchestra):
    table = author_table(author(np.repeat(sums(orchestra.table) * [0, 0, 1], 3, axis=0), orchestra))
    assert table.loc[("tenor_sax_soprano_sax_horn", 1), "author"] == "french-horn: 0.131"
    assert table["author"].xs("horn_60_55_40").tolist() == ["32: 0.340", "23: 0.247", "24: 0.121", "16: 0.072", "35: 0.044"]
    assert table["ours"].xs("horn_60_55_40").tolist() == ["57: 1.000", "", "", "", ""]
    assert published()["author.instrument_pitch.analogy.horn_60_55_40.expected_note"] + analogies.AUTHOR_NOTES == AUTHOR["horn_60_55_40"][2]
