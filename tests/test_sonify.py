"""Paths become sound: the whole way from a space to a file."""

import numpy as np
import pandas as pd
import pooch
import pytest
import soundfile
from test_page import wait

from dml_lib import config, dataset, embed, paths, selection, soundcheck, sonify, train, trajectories
from dml_lib.sounds import catalog, soundfont, sources

CFG = config.Config(threads=1, seed=1)


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    """24 notes of three instruments in the space of an untrained network: (frames, dataset, model)."""
    table = soundfont.recipes("timgm6mb", 8, 1, 0, ("trumpet", "flute", "cello"))
    checksum = pooch.file_hash(str(sources.soundfont_file("timgm6mb")))
    data = dataset.analyze(table.assign(checksum=checksum), CFG, paths.Run("test", str(tmp_path_factory.mktemp("run"))), progress=False)[0]
    data, model = data.leveled(CFG.level), train.untrained(CFG, "ours")
    return embed.embed_frames(model, data, CFG), data, model


@pytest.fixture(scope="module")
def instrument(space):
    return sonify.Instrument(*space[:2], CFG, space[2])


@pytest.fixture(scope="module")
def wide(space):
    """The same, of sounds a semitone higher and lower as well."""
    return sonify.Instrument(*space[:2], CFG, space[2], transpose=1)


@pytest.fixture(scope="module")
def glide(instrument, space):
    """A line from one sound's middle to another's, of 2 s."""
    points = embed.sound_points(*space[:2])
    return trajectories.line(points[[0, 12]], 41)


@pytest.mark.parametrize("method", sonify.METHODS)
def test_what_is_made_is_clean(instrument, glide, method):
    made = instrument.play(glide, method)
    assert made.y.dtype == np.float32 and made.y.ndim == 1 and made.sr == soundfont.SR
    assert 0.01 < np.abs(made.y).max() <= 0.9 + 1e-6  # no clipping, and something to hear
    assert abs(float(made.y.mean())) < 0.005  # no DC
    source = max(np.abs(np.diff(instrument.audio(s))).max() / np.abs(instrument.audio(s)).max() for s in instrument.units.sound[made.chosen])
    assert np.abs(np.diff(made.y)).max() < 2 * source * np.abs(made.y).max()  # no click: a grain may be at its peak, twice


def test_silence_only_where_the_path_ends_in_it(instrument, glide, space):
    def quiet(y):
        return np.sqrt(np.add.reduceat(y**2, np.arange(0, len(y), 2205)) / 2205) < 1e-4

    assert not quiet(instrument.play(glide).y)[1:-1].any()
    frames, data, _ = space
    path = np.concatenate([frames[data.where(0)], np.repeat(frames[data.where(0)][-1:], 30, axis=0)])
    silent = quiet(instrument.play(path).y)
    assert not silent[:8].any() and silent[-10:].mean() > 0.5


@pytest.mark.parametrize("seconds", [2.0, 1.777, 1.951])
def test_it_lasts_as_long_as_asked_to_the_sample(instrument, glide, seconds):
    n_steps = 1 + int(np.ceil(seconds / 0.05 - 1e-9))
    assert len(instrument.play(glide[:n_steps], seconds=seconds).y) == round(seconds * soundfont.SR)
    assert len(instrument.play(glide).y) == 2 * soundfont.SR
    assert len(instrument.play(glide, "author").y) == 10 * round(soundfont.SR / 4)


@pytest.mark.parametrize("method", sonify.METHODS)
def test_deterministic_by_seed(instrument, glide, method):
    first, second, third = (instrument.play(glide, method, seed=s).y for s in (0, 0, 1))
    assert np.array_equal(first, second) and np.array_equal(first, third) == (method != "random")


def test_a_sound_resynthesized_from_itself_is_itself(instrument, space):
    frames, data, _ = space
    made = instrument.play(frames[data.where(4)])
    assert set(instrument.units.sound[made.chosen]) == {4}
    y, edge = catalog.audio(data.table.iloc[4])[0], 2000
    assert np.allclose(made.y[:len(made.y) - edge], y[:len(made.y) - edge], atol=1e-5)
    measured = soundcheck.measure(made, instrument, CFG, 1.0, int(data.table["note_number"].iloc[4]))
    assert measured["clipped"] == 0 == measured["repetition_rate"] and measured["pitch_error"] < 30
    far = np.linalg.norm(np.diff(made.path, axis=0), axis=1).mean()
    assert measured["reembedding_error"] < far / 5


def test_the_source_can_be_left_out(instrument, space):
    frames, data, _ = space
    for method in sonify.METHODS:
        assert 4 not in instrument.units.sound[instrument.play(frames[data.where(4)], method, [4]).chosen]


@pytest.mark.parametrize("change, words", [
    (lambda p: p[:1], "at least 2 steps"), (lambda p: p + 1e3, "path through the corpus"), (lambda p: p * np.nan, "finite path"),
])
def test_bad_paths_are_refused(instrument, glide, change, words):
    with pytest.raises(ValueError, match=words):
        instrument.play(change(glide))


def test_an_unknown_method_is_refused(instrument, glide):
    with pytest.raises(ValueError, match="Did you mean 'author'"):
        instrument.play(glide, "auhtor")


def test_an_empty_corpus_is_refused(space):
    with pytest.raises(ValueError, match="at least one sound to play from"):
        sonify.Instrument(*space[:2], CFG, keep=np.zeros(len(space[1]), bool))


def test_cues_say_what_is_heard(instrument, glide):
    made = instrument.play(glide)
    cues = instrument.cues(made)
    assert cues["note_number"].dtype == "Int64" and np.isclose(cues["length_s"].sum(), 2) and made.moved.any() and np.allclose(cues["start_s"][1:], (cues["start_s"] + cues["length_s"])[:-1])
    for cue in cues.itertuples():  # halfway through each, the source but for its level
        n, middle = round(0.02 * made.sr), cue.length_s / 2
        at, source = (round((begin + middle) * made.sr) for begin in (cue.start_s, cue.source_s))
        wave, other = made.y[at:at + n], instrument.audio(cue.sound)[source:source + n]
        assert np.abs(wave).max() < 1e-4 or np.corrcoef(wave, other)[0, 1] > 0.97
    assert cues["gain_db"].tolist() == pytest.approx(20 * np.log10(instrument.audio.gain(cues["sound"].to_numpy())))
    assert len(instrument.cues(instrument.play(glide, "author"))) == 9


def test_transposed_sounds_play_too_and_cues_say_how(wide, glide, space):
    made, table, sr = wide.play(glide), space[1].table, soundfont.SR
    cues = wide.cues(made)
    assert set(cues["transpose"]) & {-1, 1} and cues["transpose"].abs().max() == 1
    heard = 0
    for cue in cues.itertuples():  # the sound itself, played faster, from the time that is told on
        row = table.iloc[cue.sound % len(table)]
        assert (row["sound_id"], row["note_number"]) == (cue.sound_id, cue.note_number)
        n, middle, faster = round(0.02 * sr), cue.length_s / 2, 2 ** (cue.transpose / 12)
        file = catalog.audio(row)[0][round((cue.source_s + middle * faster) * sr):]
        wave, other = made.y[round((cue.start_s + middle) * sr):][:n], np.interp(np.arange(n) * faster, np.arange(len(file)), file)
        assert np.abs(wave).max() < 1e-4 or np.corrcoef(wave, other)[0, 1] > 0.95
        heard += np.abs(wave).max() > 1e-3 and cue.transpose != 0
    assert heard
    banned = sorted(set(cues["sound"] % len(table)))[:3]
    assert not set(wide.cues(wide.play(glide, banned=banned))["sound"] % len(table)) & set(banned)
    for bad in (["flute"], [10 ** 6], [-1]):
        with pytest.raises(ValueError, match="expected rows of the table of sounds that may not be played, found"):
            wide.play(glide, banned=bad)
    with pytest.raises(ValueError, match="expected a duration above 0 s, found -2"):
        wide.play(glide, seconds=-2)


def test_a_sound_alone_plays_the_note_beside_its_own(space):
    frames, data, model = space
    sound = int(np.argmax((data.table["instrument"] == "flute") & (data.n_frames > 20)))
    one = sonify.Instrument(frames, data, CFG, model, np.arange(len(data)) == sound, transpose=2)
    for by in (-1, 2):
        copy = np.flatnonzero((one.units.dataset.table["transpose"] == by) & (one.units.dataset.table["copy_of"] == sound))[0]
        made = one.play(one.units.z[one.units.sound == copy])
        assert set(one.units.sound[made.chosen]) == {copy}
        assert soundcheck.pitch_error(made.y, made.sr, data.table["note_number"].iloc[sound] + by) < 30  # cents


def test_who_transposes_must_hear(space):
    with pytest.raises(ValueError, match="expected the network, which hears transposed sounds"):
        sonify.Instrument(*space[:2], CFG, transpose=1)


@pytest.mark.parametrize("bits, subtype, step", [("16", "PCM_16", 2**-15), ("24", "PCM_24", 2**-23), ("float", "FLOAT", 1e-9)])
def test_files_hold_what_was_made(instrument, glide, tmp_path, bits, subtype, step):
    made = instrument.play(glide)
    wav, csv = sonify.write(tmp_path / "out.wav", made, instrument.cues(made), bits)
    y, sr = soundfile.read(wav)
    assert soundfile.info(wav).subtype == subtype and sr == made.sr and np.abs(y - made.y).max() <= step
    assert pd.read_csv(csv)["sound_id"].tolist() == instrument.cues(made)["sound_id"].tolist()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.csv", "out.wav"]


def test_nothing_is_left_half_written(instrument, glide, tmp_path):
    made = instrument.play(glide)
    for name, bits, words in (("out.mp3", "24", "ends with .wav"), ("no/out.wav", "24", "ends with .wav"), ("out.wav", "8", "sample format")):
        with pytest.raises(ValueError, match=words):
            sonify.write(tmp_path / name, made, instrument.cues(made), bits)
    (tmp_path / "out.csv").write_text("mine\n")
    with pytest.raises(ValueError, match="expected no other table in the place of the cue list"):
        sonify.write(tmp_path / "out.wav", made, instrument.cues(made))
    assert [p.name for p in tmp_path.iterdir()] == ["out.csv"] and (tmp_path / "out.csv").read_text() == "mine\n"
    sonify.write(tmp_path / "again.wav", made, instrument.cues(made))
    sonify.write(tmp_path / "again.wav", made, instrument.cues(made))  # its own may be written again
    (tmp_path / "take.wav").write_bytes(b"mine")
    with pytest.raises(ValueError, match="expected nothing else in the place of the result, found .*take.wav without a cue list"):
        sonify.write(tmp_path / "take.wav", made, instrument.cues(made))
    assert (tmp_path / "take.wav").read_bytes() == b"mine" and not (tmp_path / "take.csv").exists()
    (tmp_path / "glide.path.html").write_text("mine")
    with pytest.raises(ValueError, match="found .*glide.path.html without a cue list"):
        sonify.write(tmp_path / "glide.wav", made, instrument.cues(made))
    assert (tmp_path / "glide.path.html").read_text() == "mine"
    (tmp_path / ".there.wav.part").mkdir()
    with pytest.raises(IsADirectoryError):
        sonify.check(tmp_path / "there.wav")
    (tmp_path / ".there.wav.part").rmdir()
    (tmp_path / "out.csv").unlink()
    (tmp_path / "out.csv").mkdir()  # cannot be replaced by a file
    with pytest.raises(OSError):
        sonify.write(tmp_path / "out.wav", made, instrument.cues(made))
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


INK = """() => { const c = document.getElementById("picture"), d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
    let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; }"""


def test_a_page_shows_and_plays_the_path_and_its_parts(instrument, glide, tmp_path, page):
    made = instrument.play(glide)
    alone, folder = sonify.picture(tmp_path / "a.html", made, instrument, CFG), sonify.picture(tmp_path / "b" / "a", made, instrument, CFG)
    assert alone == tmp_path / "a.html" and folder == tmp_path / "b" / "a" / "index.html"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "b"]
    n = len(instrument.cues(made))
    for index in (alone, folder):
        page.goto(index.as_uri())
        wait(page, "s.playing === 0 && s.time === 0")  # the path is shown before anything is pressed, and is silent
        assert page.inner_text("#now") == "the path, played"
        way = np.reshape(page.evaluate("[...soundMap.scene.inside(floats(DATA.way))]"), (-1, 3))
        assert len(way) == len(glide) and np.linalg.norm(way, axis=1).max() <= 1 + 1e-6  # in view from every side
        wait(page, f"({INK})() > 1000")
        page.click("#play")
        wait(page, "s.playing === 0 && s.time > 0.5")  # the cursor moves
        assert page.evaluate("soundMap.state().matches.length") == 1 + n
        page.evaluate(f"soundMap.press({n})")  # the last stretch
        wait(page, f"s.playing === {n}")
    assert not page.errors
    lengths = [soundfile.info(str(path)).duration for path in (tmp_path / "b" / "a" / "audio").glob("*.mp3")]
    assert len(lengths) == 1 + n and max(lengths) == pytest.approx(2, abs=0.1)


def shown(made, instrument, out, monkeypatch):
    """What a page is given: points, ways, pictures and the function that gives each row its audio, with its table."""
    kept = {}
    monkeypatch.setattr(sonify.player, "write_map", lambda folder, table, points, ways, pictures, audio, *rest, **more: kept.update(
        table=table, points=points, ways=ways, pictures=pictures, audio=[audio(row)[0] for _, row in table.iterrows()]))
    sonify.picture(out, made, instrument, CFG)
    return kept


def test_a_stretch_of_a_page_is_what_was_chosen(instrument, glide, space, tmp_path, monkeypatch):
    made, units = instrument.play(glide), instrument.units
    found, starts = shown(made, instrument, tmp_path, monkeypatch), selection.runs(made.chosen, instrument.units)[:, 1]
    assert np.array_equal(found["points"][1:], units.z[starts]) and np.array_equal(found["ways"][0], made.path)
    for row, unit in enumerate(starts, 1):
        n = len(found["ways"][row])
        assert np.array_equal(found["ways"][row], units.z[unit:unit + n]) and len(found["pictures"][row]) == n
        assert np.array_equal(found["pictures"][row], units.dataset.frames[units.row[unit:unit + n]])
        assert len(found["audio"][row]) / made.sr == pytest.approx(n * units.frame_s, abs=1e-3)
    part = sonify.Instrument(*space[:2], CFG, space[2], np.arange(24) % 2 == 1, 1)  # rows of units are not rows of the dataset
    made = part.play(glide)
    found, starts = shown(made, part, tmp_path, monkeypatch), selection.runs(made.chosen, part.units)[:, 1]
    assert np.array_equal(found["points"][1:], part.units.z[starts])
    rows = part.units.dataset.table.iloc[part.units.sound[starts]]
    assert rows["transpose"].any() and found["table"]["note_number"][1:].tolist() == (rows["note_number"] + rows["transpose"]).tolist()
    for name, by in zip(found["table"]["name"][1:], rows["transpose"]):
        assert name.endswith(f", {by:+d} semitones") == bool(by)


def test_a_page_of_grains_runs_with_their_middles(instrument, glide, tmp_path, monkeypatch):
    made = instrument.play(glide, "author")
    found = shown(made, instrument, tmp_path, monkeypatch)
    assert np.array_equal(found["ways"][0][5:], made.path) and np.array_equal(found["ways"][0][:5], np.repeat(made.path[:1], 5, axis=0))
    for way, sound in zip(found["ways"][1:], found["audio"][1:]):
        assert len(sound) / made.sr == pytest.approx(len(way) * instrument.units.frame_s, abs=1e-3)


def test_a_path_longer_than_a_preview_is_played_to_its_end(instrument, glide, tmp_path):
    made = instrument.play(np.concatenate([glide, glide[::-1], glide, glide[::-1]]))
    sonify.picture(tmp_path, made, instrument, CFG)
    assert max(soundfile.info(str(path)).duration for path in (tmp_path / "audio").glob("*.mp3")) == pytest.approx(8.15, abs=0.1)
