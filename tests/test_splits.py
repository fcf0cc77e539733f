"""Splits by chance, by source family and on recordings: nothing leaks."""

import numpy as np
import pandas as pd
import pytest

from dml_lib import splits


@pytest.mark.parametrize("n, sizes", [(20, (12, 3, 5)), (100, (60, 15, 25)), (1000, (600, 150, 250)), (120_000, (72_000, 18_000, 30_000))])
def test_random_split_sizes_are_exact(n, sizes):
    split = splits.random_split(n, seed=0)
    assert split.shape == (n,)
    assert tuple((split == name).sum() for name in ("train", "valid", "test")) == sizes


@pytest.mark.parametrize("n", [1, 2, 3, 7, 39])
def test_random_split_of_other_sizes_is_within_one(n):
    split = splits.random_split(n, seed=1)
    assert set(split) <= {"train", "valid", "test"}
    for name, share in (("train", 0.6), ("valid", 0.15), ("test", 0.25)):
        assert abs((split == name).sum() - share * n) < 1


def test_random_split_follows_its_seed():
    assert (splits.random_split(200, 5) == splits.random_split(200, 5)).all()
    assert (splits.random_split(200, 5) != splits.random_split(200, 6)).any()
    assert len(set(splits.random_split(200, 5)[:100])) == 3  # by chance, not in order
    assert (np.mean([splits.random_split(20, s) == "train" for s in range(600)], axis=0).round(1) == 0.6).all()


def test_every_split_but_the_random_one_has_a_reason_for_not_running():
    assert {"random", *splits.not_run(pd.DataFrame({"random": []}))} == set(splits.SPLITS)


def many_sources(n=300):
    """A table of three rendered families, a bank of unheard notes, and recordings with phrases among them."""
    rng = np.random.default_rng(0)
    rendered = pd.DataFrame({"source_family": rng.choice(["timgm", "fluid", "third"], n), "recorded": False, "kind": "note"})
    bank = pd.DataFrame({"source_family": ["generaluser"] * 20, "recorded": True, "kind": "note"})
    real = pd.DataFrame({"source_family": ["philharmonia"] * 30, "recorded": True, "kind": ["note"] * 25 + ["phrase"] * 5})
    return pd.concat([rendered, bank, real], ignore_index=True)


@pytest.mark.parametrize("family", ["timgm", "fluid", "third", "generaluser", "philharmonia"])
def test_no_source_family_crosses_a_held_out_split(family):
    table = many_sources()
    split = splits.family_split(table, family, seed=1)
    parts = {name: set(table["source_family"][split == name]) for name in ("train", "valid", "test")}
    assert parts["test"] == {family} and len(parts["train"]) >= 1 and len(parts["valid"]) == 1
    assert not parts["train"] & parts["test"] and not parts["valid"] & parts["test"] and not parts["train"] & parts["valid"]
    assert not table["recorded"][np.isin(split, ["train", "valid"])].any()


def test_family_split_of_two_families_validates_on_a_fifth():
    table = many_sources()
    table = table[table["source_family"].isin(["timgm", "fluid"])].reset_index(drop=True)
    split = splits.family_split(table, "fluid", seed=1)
    n = (table["source_family"] == "timgm").sum()
    assert (split == "valid").sum() == n // 5 and (split == "train").sum() == n - n // 5


def test_family_split_needs_something_to_train_on():
    table = many_sources()
    with pytest.raises(ValueError, match="expected a rendered source family beside 'timgm'"):
        splits.family_split(table[table["source_family"].isin(["timgm", "philharmonia"])], "timgm", 0)
    with pytest.raises(ValueError, match="unknown source family 'fluids'"):
        splits.family_split(table, "fluids", 0)


def test_protocols_never_train_on_a_recording_or_test_on_a_phrase():
    table = many_sources()
    found = splits.protocols(table, seed=2)
    assert list(found) == ["random", "held_out", "real"]
    for split in found.values():
        assert not table["recorded"][np.isin(split, ["train", "valid"])].any()
        assert np.array_equal(split == "train", found["random"] == "train")
    assert set(table["source_family"][found["held_out"] == "test"]) == {"generaluser"}
    assert set(table["source_family"][found["real"] == "test"]) == {"philharmonia"} and (found["real"] == "test").sum() == 25
    assert not table["recorded"][found["random"] == "test"].any()


def test_recordings_that_teach_are_trained_on_and_not_tested_as_real():
    table = many_sources().assign(library=lambda rows: rows["source_family"])
    found = splits.protocols(table, seed=2, taught=["timgm", "philharmonia"])
    assert list(found) == ["random", "held_out"]
    philharmonia = (table["source_family"] == "philharmonia").to_numpy()
    assert (found["random"][philharmonia] != "").all() and (found["random"][philharmonia] == "train").any()
    assert not table["recorded"][(found["held_out"] == "train") & ~philharmonia].any()
    assert set(table["source_family"][found["held_out"] == "test"]) == {"generaluser"}


def test_a_family_that_was_rendered_is_no_held_out_test():
    table = many_sources()
    table.loc[:5, "source_family"] = "generaluser"
    assert "held_out" not in splits.protocols(table, seed=2)


def test_not_run_names_what_is_missing_and_how_to_get_it():
    reasons = splits.not_run(pd.DataFrame({"random": [], "held_out": []}))
    assert list(reasons) == ["real"] and "fetch philharmonia" in reasons["real"]
