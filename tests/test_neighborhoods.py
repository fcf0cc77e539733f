"""Contrastive partitions: the paper's three conditions, over tables with missing labels."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from dml_lib.config import SCHEMES
from dml_lib.neighborhoods import Neighborhoods, Partition, sizes

NAMES = ("cello", "flute", "oboe")
# notes near 0 would meet the code of a missing label within two semitones
sounds = st.lists(
    st.tuples(st.sampled_from([*NAMES, None]), st.one_of(st.none(), st.integers(58, 64), st.integers(0, 2))), min_size=1, max_size=25
)
schemes = pytest.mark.parametrize("scheme", SCHEMES)
many = settings(max_examples=60, deadline=None, derandomize=True)


def as_table(rows):
    instrument, note = zip(*rows)
    return pd.DataFrame({
        "instrument": pd.array(instrument, dtype="str"), "note_number": pd.array(note, dtype="Int64"),
    })


def is_labeled(row, scheme):
    instrument, note = row
    return (instrument is not None or scheme == "pitch") and (note is not None or scheme == "instrument")


def belongs(row, center, scheme):
    """The definition, one sound at a time."""
    if not is_labeled(row, scheme):
        return False
    same = row[0] == center[0]
    if scheme == "instrument":
        return same
    near = abs(row[1] - center[1])
    return {"pitch": near == 0, "instrument_pitch": same and near == 0, "instrument_pitch_2": same and near <= 2}[scheme]


def centers(rows, scheme):
    uses_instrument, uses_note = scheme != "pitch", scheme != "instrument"
    found = {(r[0] if uses_instrument else None, r[1] if uses_note else None) for r in rows if is_labeled(r, scheme)}
    return sorted(found, key=lambda c: (c[0] or "", c[1] if c[1] is not None else -1))


def table_of(rows, scheme):
    """Neighborhoods, or None when the rows hold too few."""
    if len(centers(rows, scheme)) < 2:
        with pytest.raises(ValueError, match=f"scheme '{scheme}' expected at least 2 neighborhoods, found {len(centers(rows, scheme))}"):
            Neighborhoods(as_table(rows), scheme)
        return None
    return Neighborhoods(as_table(rows), scheme)


@schemes
@many
@given(rows=sounds)
def test_partitions_are_those_of_the_definition(scheme, rows):
    found = table_of(rows, scheme)
    if found is None:
        return
    assert found.keys == centers(rows, scheme) and len(found) == len(found.keys)
    labeled = {i for i, row in enumerate(rows) if is_labeled(row, scheme)}
    for k, center in enumerate(found.keys):
        part = found.partition(k)
        expected = [i for i, row in enumerate(rows) if belongs(row, center, scheme)]
        assert part.key == center
        assert part.positive.tolist() == expected == found.positive(k).tolist() and expected
        assert part.negative.tolist() == sorted(labeled - set(expected))  # disjoint, and all other labeled sounds
        part.check(len(rows))
        assert found.contains(k).tolist() == [i in expected for i in range(len(rows))]
        some = np.arange(len(rows))[::-2]
        assert found.contains(k, some).tolist() == [i in expected for i in some]


@schemes
@many
@given(rows=sounds)
def test_related_is_that_of_the_definition_for_labeled_sounds(scheme, rows):
    found = table_of(rows, scheme)
    if found is None:
        return
    labeled = np.array([i for i, row in enumerate(rows) if is_labeled(row, scheme)])
    related = found.related(labeled[:, None], labeled[None, :])
    assert related.dtype == bool and related.shape == (len(labeled), len(labeled))
    for a, line in zip(labeled, related):
        assert line.tolist() == [belongs(rows[b], rows[a], scheme) for b in labeled]


@schemes
@many
@given(rows=sounds)
def test_a_partition_needs_no_other(scheme, rows):
    """Condition 3: a partition is the same whatever other partitions were built, and the same each time."""
    found = table_of(rows, scheme)
    if found is None:
        return
    last = len(found) - 1
    alone = Neighborhoods(as_table(rows), scheme).partition(last)
    every = [found.partition(k) for k in range(len(found))][last]
    np.testing.assert_array_equal(alone.positive, every.positive)
    np.testing.assert_array_equal(alone.negative, every.negative)


def test_partitions_share_members_only_at_two_semitones():
    rows = [("cello", n) for n in (60, 61, 64)] + [("flute", 60)]
    overlap = {}
    for scheme in SCHEMES:
        found = Neighborhoods(as_table(rows), scheme)
        members = np.concatenate([found.positive(k) for k in range(len(found))])
        overlap[scheme] = len(members) - len(set(members.tolist()))
    assert overlap == {"instrument": 0, "pitch": 0, "instrument_pitch": 0, "instrument_pitch_2": 2}


def test_negatives_at_two_semitones():
    rows = [("cello", n) for n in range(56, 65)] + [("flute", 60), (None, 60), ("cello", None)]
    found = Neighborhoods(as_table(rows), "instrument_pitch_2")
    part = found.partition(found.keys.index(("cello", 60)))
    assert [rows[i][1] for i in part.positive] == [58, 59, 60, 61, 62]
    assert [rows[i] for i in part.negative] == [("cello", n) for n in (56, 57, 63, 64)] + [("flute", 60)]
    assert part.positive.dtype == part.negative.dtype == np.int64


@pytest.mark.parametrize("dtype", ["Int64", "float64", "object"])
def test_missing_notes_in_any_type_of_column(dtype):
    table = pd.DataFrame({"instrument": ["a", "a", None, "b"], "note_number": pd.Series([60, None, 60, 61], dtype=dtype)})
    found = Neighborhoods(table, "instrument_pitch")
    assert found.keys == [("a", 60), ("b", 61)]
    assert found.partition(0).positive.tolist() == [0] and found.partition(0).negative.tolist() == [3]


@pytest.mark.parametrize("positive, negative, message", [
    ([0, 1], [1, 2], r"\('a', 60\): condition 1 broken, 1 sounds are positive and negative"),
    ([0, 1], [2, 5], "condition 2 broken"),
    ([-1, 1], [2], "condition 2 broken"),
    ([0, 0], [2], "condition 2 broken"),
])
def test_check_finds_a_broken_partition(positive, negative, message):
    with pytest.raises(ValueError, match=message):
        Partition(("a", 60), np.array(positive), np.array(negative)).check(5)


def test_check_passes_a_whole_one():
    Partition(("a", 60), np.array([0, 4]), np.array([1])).check(5)  # sounds 2 and 3 are in neither


def test_unknown_scheme(dataset):
    with pytest.raises(ValueError, match=r"unknown scheme 'pitches'.*Did you mean 'pitch'\?"):
        Neighborhoods(dataset.table, "pitches")


@schemes
def test_one_neighborhood_is_nothing_to_set_apart(scheme):
    with pytest.raises(ValueError, match=f"scheme '{scheme}' expected at least 2 neighborhoods, found 1: add labeled sounds"):
        Neighborhoods(as_table([("cello", 60), ("cello", 60), (None, None)]), scheme)


@schemes
def test_sizes_on_a_known_table(scheme, dataset):
    found = Neighborhoods(dataset.table, scheme)
    n, size = {"instrument": (4, 10), "pitch": (5, 8), "instrument_pitch": (20, 2), "instrument_pitch_2": (20, None)}[scheme]
    assert len(found) == n
    sizes = [len(found.positive(k)) for k in range(n)]
    assert sizes == ([size] * n if size else [6, 8, 10, 8, 6] * 4)


@schemes
def test_check_and_describe_speak_of_all_partitions(scheme, dataset):
    found = Neighborhoods(dataset.table, scheme)
    sizes = [len(found.positive(k)) for k in range(len(found))]
    assert found.check() == len(found)
    expected = {"neighborhoods": len(sizes), "mean": sum(sizes) / len(sizes), "sd": np.std(sizes)}
    assert found.describe() == pytest.approx(expected)
    found._positive[1] = np.append(found._positive[1], -1)  # the last sound again, from the other end
    with pytest.raises(ValueError, match="condition 2 broken"):
        found.check()


def test_unlabeled_sounds_are_related_to_nothing():
    table = pd.DataFrame({"instrument": ["a", "b", None, None], "note_number": pd.array([0, 1, None, None], dtype="Int64")})
    for scheme in ("instrument", "pitch", "instrument_pitch"):
        assert not Neighborhoods(table, scheme).related(2, 3), scheme
    table = pd.DataFrame({"instrument": ["a", "a", "b"], "note_number": pd.array([1, None, 5], dtype="Int64")})
    assert not Neighborhoods(table, "instrument_pitch_2").related(0, 1)


def test_sizes_has_a_row_a_scheme():
    table = pd.DataFrame({"instrument": ["a", "a", "b", "b"], "note_number": [60, 61, 60, 60]})
    found = sizes(table)
    assert found["neighborhoods"].to_dict() == {"instrument": 2, "pitch": 2, "instrument_pitch": 3, "instrument_pitch_2": 3}
    assert found.loc["pitch", ["mean", "sd"]].tolist() == [2, 1]  # three sounds at 60 and one at 61
    assert found.loc["instrument_pitch_2", "mean"] == 2


@schemes
def test_neighborhoods_alike_have_their_center_inside(scheme, dataset):
    found = Neighborhoods(dataset.table, scheme)
    for k, (instrument, note) in enumerate(found.keys):
        inside = [
            a == instrument and (note is None or abs(b - note) <= (2 if scheme == "instrument_pitch_2" else 0)) for a, b in found.keys
        ]
        assert found.alike(k).tolist() == inside
