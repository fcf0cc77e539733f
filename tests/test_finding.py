"""Finding by name and by example: ranks against a slow shuffle."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from dml_lib import finding, samples

NOTES = pd.DataFrame({
    "sound_id": [f"made/{i}" for i in range(24)], "instrument": ["trumpet", "alto-sax", "recorder", "piano"] * 6,
    "note_number": np.repeat([58, 60, 69], 8), "dynamics": ["f", "p"] * 12,
})


def test_expected_ranks_are_those_of_many_shuffles():
    rng = np.random.default_rng(0)
    scores, right = rng.integers(0, 4, (6, 15)).astype(float), rng.random((6, 15)) < 0.2
    right[:, 3] = True
    rank, within = finding.first_right(scores, right)
    drawn = np.zeros((6, 4000))
    for j in range(drawn.shape[1]):
        order = np.argsort(-scores + 0.5 * rng.random(scores.shape), axis=1)
        drawn[:, j] = np.take_along_axis(right, order, 1).argmax(axis=1) + 1
    assert rank == pytest.approx(drawn.mean(axis=1), abs=0.2)
    assert within == pytest.approx(np.stack([(drawn <= n).mean(axis=1) for n in finding.DEPTHS], axis=1), abs=0.04)


def test_without_ties_ranks_are_plain_and_with_one_tie_those_of_chance():
    right = np.array([[False, False, True, True]])
    rank, within = finding.first_right(np.array([[4.0, 3.0, 2.0, 1.0]]), right)
    assert rank[0] == 3 and within[0].tolist() == [0, 0, 1, 1, 1, 1, 1, 1]
    rank, within = finding.first_right(np.zeros((1, 4)), right)
    assert rank[0] == pytest.approx(5 / 3) and within[0, :3] == pytest.approx([1 / 2, 5 / 6, 1])
    with pytest.raises(ValueError, match="a right sound for each question"):
        finding.first_right(np.zeros((1, 4)), right & False)


def test_words_of_names_are_found_and_equal_names_are_equal():
    names = ["trumpet_A#4_forte.wav", "a/Trumpet A4.wav", "take 3.wav", "alto-sax_A#4_piano.wav", "alto-sax_A#4_piano.wav", "take 12.wav"]
    scores = finding.by_name(names, ["trumpet A#4", "piano", "harp C2"])
    assert scores[0].argmax() == 0 and scores[0, 3] > 0 and scores[0, 2] == scores[0, 5] == 0  # A#4 is a word, 3 is no A4
    assert scores[1, 3] == scores[1, 4] > 0  # that it was soft is found where an instrument was meant
    assert not scores[2].any()


def test_questions_are_other_sounds_of_what_is_there():
    corpus = NOTES.iloc[[0, 1, 8]]  # trumpet A#3, alto sax A#3, trumpet C4
    asked = finding.questions(NOTES, corpus)
    assert sorted(zip(asked["instrument"], asked["note_number"])) == [("alto-sax", 58), ("trumpet", 58), ("trumpet", 60)]
    assert not set(asked["sound_id"]) & set(corpus["sound_id"]) and (NOTES.loc[asked.index, "sound_id"] == asked["sound_id"]).all()


def test_a_perfect_space_finds_at_once_and_a_useless_one_by_chance():
    rng = np.random.default_rng(0)
    corpus = NOTES.iloc[::2].reset_index(drop=True)  # three notes of two instruments, two of each
    corpus = corpus.join(samples.name_sounds(corpus))
    asked = finding.questions(NOTES.assign(sound_id="other"), corpus)
    place = pd.Series(rng.standard_normal((6, 3)).tolist(), index=corpus.groupby(["instrument", "note_number"]).size().index)

    def points(table):
        return np.array([place[i, n] for i, n in zip(table["instrument"], table["note_number"])])

    values = finding.values(finding.trial(corpus, points(corpus), asked, points(asked)), "t")
    for right, by_chance in (("sound", 13 / 3), ("instrument", 13 / 7)):
        assert values[f"t.example.{right}.median_rank"] == values[f"t.names_clean.{right}.median_rank"] == 1
        assert values[f"t.chance.{right}.median_rank"] == pytest.approx(by_chance)
        assert values[f"t.names_messy.{right}.median_rank"] >= 1
    blind = finding.values(finding.trial(corpus, np.zeros((12, 3)), asked, np.zeros((6, 3))), "t")
    assert blind["t.example.sound.median_rank"] == blind["t.chance.sound.median_rank"]
    assert blind["t.example.sound.within_10.lo"] <= blind["t.example.sound.within_10"] <= blind["t.example.sound.within_10.hi"]
    shown = finding.summary(values, {"t": "made", "u": "elsewhere"})
    assert shown.loc["an example", ("made", "sound", "median rank")] == "1.0 (1.0, 1.0)"
    assert set(shown["elsewhere"].to_numpy().ravel()) == {"not run"}


def test_curves_rise_and_end_at_one_where_all_were_heard():
    corpus = NOTES.join(samples.name_sounds(NOTES))
    found = finding.trial(corpus, np.eye(24), NOTES.iloc[:3], np.eye(24)[:3])
    for depths, shares in finding.curves(found).values():
        assert depths == finding.DEPTHS and np.all(np.diff(shares) >= 0) and shares[-1] == pytest.approx(1)


def test_answers_are_heard_from_the_moment_that_is_meant(tmp_path):
    file = str(tmp_path / "a.wav")
    soundfile.write(file, np.sin(np.arange(16_000)), 16_000)
    answers = pd.DataFrame({"rank": [1, 2, 3], "path": file, "sound_id": "mine/sub/a.wav", "library": "mine", "at_s": [np.nan, 0.2, 0.9]})
    found = finding.heard(answers)
    assert list(found) == ["1: sub/a.wav", "2: sub/a.wav from 0.20 s", "3: sub/a.wav from 0.90 s"]
    (whole, sr), (later, _), (last, _) = found.values()
    assert len(whole) == sr and len(later) == round(0.8 * sr) and np.array_equal(whole[-len(later):], later)
    assert len(last) == sr // 2  # the end of a sound alone could not be heard


def test_a_sharp_is_found_in_both_spellings():
    table = pd.DataFrame({"instrument": "cello", "note_number": [70, 69, 70], "clean": ["cello_A4.wav", "cello_A4_x.wav", "cello_As4_1_forte.mp3"]})
    corpus = table.assign(note_number=[69, 69, 70], messy=table["clean"])
    found = finding.trial(corpus, np.zeros((3, 3)), table.iloc[[0]], np.zeros((1, 3)))
    assert found.set_index(["method", "right"]).loc[("names_clean", "sound"), "rank"] == 1
