"""One frozen object holds every choice; mistakes in it are named."""

import dataclasses
import json

import pytest

from dml_lib.config import PRESETS, RECIPES, SCHEMES, Config, check_name


def test_defaults_are_the_papers_values():
    cfg = Config()
    assert (cfg.sr, cfg.hop_length, cfg.fmin, cfg.n_bins, cfg.bins_per_octave) == (16_000, 800, 27.5, 192, 24)
    assert (cfg.n_in, cfg.size, cfg.n_dims, cfg.gain) == (10, "xlarge", 3, 50.0)
    assert (cfg.margin_pos, cfg.margin_neg, cfg.loss_form) == (0.0, 1.0, "paper")
    assert (cfg.learning_rate, cfg.batch_triplets, cfg.paper_iterations) == (0.02, 32, 50_000)
    assert SCHEMES == ("instrument", "pitch", "instrument_pitch", "instrument_pitch_2")
    assert RECIPES == ("paper", "ours")


@pytest.mark.parametrize("profile", ["fast", "standard", "paper"])
def test_a_preset_changes_amounts_only(profile):
    amounts = {
        "profile", "sources", "sounds_per_instrument", "note_step", "paper_iterations", "ours_iterations", "validations",
        "judge_sounds", "eval_frames", "recordings", "recordings_each",
    }
    preset, default = Config.preset(profile).as_dict(), Config().as_dict()
    assert preset["profile"] == profile
    assert {name for name in preset if preset[name] != default[name]} <= amounts
    assert all(preset[name] == (list(v) if isinstance(v, tuple) else v) for name, v in PRESETS[profile].items())


def test_preset_takes_changes():
    cfg = Config.preset("paper", seed=7, n_dims=2)
    assert (cfg.seed, cfg.n_dims, cfg.profile, cfg.sounds_per_instrument) == (7, 2, "paper", 5_000)
    assert cfg.paper_iterations == 50_000


@pytest.mark.parametrize("call, message", [
    (lambda: Config.preset("standart"), r"unknown profile 'standart'.*fast, standard, paper.*Did you mean 'standard'\?"),
    (lambda: Config.preset("fast", margin_positive=1.0), r"unknown parameter 'margin_positive'.*Did you mean 'margin_pos'\?"),
    (lambda: Config().with_(sed=1), r"unknown parameter 'sed'.*Did you mean 'seed'\?"),
    (lambda: Config().origin_penalty("pich"), r"unknown scheme 'pich'.*Did you mean 'pitch'\?"),
])
def test_unknown_names_are_answered_with_the_nearest(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_no_name_is_suggested_when_none_is_near():
    with pytest.raises(ValueError) as caught:
        check_name("size", "zzzz", ("small", "large"))
    assert str(caught.value) == "unknown size 'zzzz': expected one of small, large."
    assert check_name("size", "small", ("small", "large")) == "small"


@pytest.mark.parametrize("change, message", [
    ({"seed": "1"}, r"'seed' expected int, found str \('1'\)"),
    ({"seed": 1.0}, r"'seed' expected int, found float"),
    ({"seed": True}, r"'seed' expected int, found bool"),
    ({"n_dims": 0}, r"'n_dims' expected at least 1, found 0"),
    ({"seed": -1}, r"'seed' expected at least 0, found -1"),
    ({"gain": float("nan")}, r"'gain' expected at least 0, found nan"),
    ({"gain": False}, r"'gain' expected float, found bool"),
    ({"gain": "50"}, r"'gain' expected float, found str"),
    ({"sources": ["timgm6mb"]}, r"'sources' expected tuple, found list"),
    ({"disjoint_negatives": 1}, r"'disjoint_negatives' expected bool, found int"),
    ({"size": None}, r"'size' expected str, found NoneType"),
])
def test_wrong_types_are_errors(change, message):
    with pytest.raises(ValueError, match=message):
        Config().with_(**change)


def test_a_whole_number_may_stand_for_a_float():
    assert Config().with_(gain=40).gain == 40


def test_frozen_and_with_leaves_the_original():
    cfg = Config()
    changed = cfg.with_(seed=5)
    assert (cfg.seed, changed.seed) == (0, 5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        cfg.seed = 1


def test_origin_penalty_is_that_of_the_original_code():
    assert {Config(penalize_origin=False).origin_penalty(s) for s in SCHEMES} == {0.0}
    assert {s: Config().origin_penalty(s) for s in SCHEMES} == {
        "instrument": 0.001, "pitch": 0.002, "instrument_pitch": 0.002, "instrument_pitch_2": 0.002,
    }


def test_front_end_holds_what_fixes_a_feature_and_nothing_else():
    assert Config().front_end() == {
        "sr": 16_000, "hop_length": 800, "fmin": 27.5, "n_bins": 192, "bins_per_octave": 24, "filter_scale": 1.5,
        "window": "cosine",
    }
    assert Config().with_(seed=9, gain=1.0, n_in=12, profile="paper").front_end() == Config().front_end()


def test_as_dict_survives_json():
    cfg = Config.preset("standard")
    assert json.loads(json.dumps(cfg.as_dict())) == cfg.as_dict()
    assert set(cfg.as_dict()) == {field.name for field in dataclasses.fields(cfg)}
