"""The recipes of notes and the notes themselves."""

import numpy as np
import pandas as pd
import pytest

from dml_lib.sounds import soundfont, sources
from dml_lib.sounds.instruments import INSTRUMENTS


@pytest.fixture(scope="module")
def font():
    return sources.soundfont_file("timgm6mb")


def pitch_hz(y, sr):
    """Fundamental by autocorrelation: the first strong peak after the first dip below zero."""
    y = y[sr // 20:sr // 2] - y[sr // 20:sr // 2].mean()
    r = np.fft.irfft(np.abs(np.fft.rfft(y, 2 * len(y))) ** 2)[:len(y)]
    r /= np.arange(len(y), 0, -1)
    r = r[:len(y) // 2]
    dip = int(np.argmax(r < 0))
    peaks = np.flatnonzero((r[1:-1] > r[:-2]) & (r[1:-1] >= r[2:])) + 1
    peaks = peaks[(peaks > dip) & (r[peaks] > 0.85 * r[dip:].max())]
    return sr / peaks[0]


def test_recipes_are_the_same_for_the_same_arguments():
    rows = soundfont.recipes("timgm6mb", 20, seed=5)
    pd.testing.assert_frame_equal(rows, soundfont.recipes("timgm6mb", 20, seed=5))
    assert not rows.equals(soundfont.recipes("timgm6mb", 20, seed=6))
    other = soundfont.recipes("fluidr3", 20, seed=5)
    assert (other["note_number"] != rows["note_number"]).any()


def test_an_instruments_recipes_do_not_depend_on_the_others():
    rows = soundfont.recipes("timgm6mb", 20)
    alone = soundfont.recipes("timgm6mb", 20, instruments=["oboe"])
    pd.testing.assert_frame_equal(rows[rows["instrument"] == "oboe"].reset_index(drop=True), alone)


@pytest.mark.parametrize("note_step", [1, 2, 3])
def test_recipe_columns_and_ranges(note_step):
    rows = soundfont.recipes("timgm6mb", 75, note_step)
    columns = "sound_id library instrument note_number dynamics articulation velocity seconds".split()
    assert list(rows) == [*columns, *soundfont.VARIATIONS]
    assert rows["sound_id"].is_unique
    assert (rows["library"] == "timgm6mb").all()
    assert (rows["instrument"].value_counts() == 75).all() and rows["instrument"].nunique() == 24
    assert rows["note_number"].mod(note_step).eq(0).all()
    for slug, part in rows.groupby("instrument"):
        inst = INSTRUMENTS[slug]
        assert part["note_number"].between(inst.low, inst.high).all()
        counts = part["note_number"].value_counts()
        assert counts.max() - counts.min() <= 1  # evenly used
        assert len(counts) == min(75, sum(n % note_step == 0 for n in range(inst.low, inst.high + 1)))
    for name, center in soundfont.DYNAMICS.items():
        assert rows.loc[rows["dynamics"] == name, "velocity"].sub(center).abs().max() <= 7
    for name, (low, high) in soundfont.ARTICULATIONS.items():
        held = rows.loc[rows["articulation"] == name, "seconds"] - rows["release_s"]
        assert held.dropna().between(low - 2e-3, high + 2e-3).all()
    assert set(rows["dynamics"]) == set(soundfont.DYNAMICS) and set(rows["articulation"]) == set(soundfont.ARTICULATIONS)


def test_recipes_of_an_unknown_instrument():
    with pytest.raises(ValueError, match=r"unknown instrument 'obo'.*Did you mean 'oboe'\?"):
        soundfont.recipes("timgm6mb", 1, instruments=["obo"])


def test_render_shape_dtype_and_level(font):
    y = soundfont.render(font, "flute", 72, 80, 0.8123)
    assert y.shape == (round(0.8123 * soundfont.SR),)
    assert y.dtype == np.float32
    assert soundfont.SILENCE_PEAK < np.abs(y).max() < 2


def test_the_key_is_let_go_before_the_end(font):
    y = soundfont.render(font, "trumpet", 60, 90, 1.5)
    held, tail = y[soundfont.SR // 2:soundfont.SR], y[-soundfont.SR // 20:]
    assert np.abs(tail).max() < 0.1 * np.abs(held).max()


@pytest.mark.parametrize("before", [("vibraphone", 60, 118, 1.0), ("harp", 40, 118, 0.6), ("distorted-guitar", 40, 118, 0.6)])
def test_a_render_does_not_depend_on_what_was_rendered_before(font, before):
    soundfont._synth.cache_clear()
    first = soundfont.render(font, "violin", 69, 80, 0.9)
    soundfont.render(font, *before)
    soundfont.render(font, *before)
    np.testing.assert_array_equal(soundfont.render(font, "violin", 69, 80, 0.9), first)


def test_velocity_and_instrument_change_the_sound(font):
    soft, loud = (soundfont.render(font, "oboe", 70, v, 0.8) for v in (30, 118))
    assert np.abs(loud).max() > 1.5 * np.abs(soft).max()
    assert not np.array_equal(loud, soundfont.render(font, "clarinet", 70, 118, 0.8))


@pytest.mark.parametrize("slug, note", [
    ("flute", 72), ("violin", 69), ("trumpet", 60), ("clarinet", 62), ("piano", 57), ("cello", 45), ("tuba", 41), ("nylon-guitar", 52),
])
def test_the_pitch_is_that_of_the_note_number(font, slug, note):
    y = soundfont.render(font, slug, note, 90, 1.2)
    assert abs(12 * np.log2(pitch_hz(y, soundfont.SR) / 440) + 69 - note) < 0.5


def test_each_instrument_sounds_at_both_ends_of_its_range(font):
    for inst in INSTRUMENTS.values():
        for note in (inst.low, inst.high):
            y = soundfont.render(font, inst.slug, note, 64, 0.6)
            assert np.isfinite(y).all()


def test_a_silent_render_is_an_error(font):
    with pytest.raises(soundfont.RenderError, match="silent render .peak below 0.001 of full scale"):
        soundfont.render(font, "flute", 72, 0, 0.8)


def test_render_of_an_unknown_instrument(font):
    with pytest.raises(ValueError, match="unknown instrument 'theremin'"):
        soundfont.render(font, "theremin", 60, 80, 1.0)
