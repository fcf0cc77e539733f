"""From names to sound, as the command line does it."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import soundfile

from dml_lib import cli, config, dataset, embed, library, paths, performance as P, trajectories, train, transposition, weights
from dml_lib.sounds import soundfont, sources

CFG = config.Config.preset("fast", threads=1, sounds_per_instrument=2)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose network is untrained."""
    run = paths.Run("fast", str(tmp_path_factory.mktemp("run")))
    weights.save_weights(run.weights("pitch", "ours"), train.untrained(CFG, "ours"), CFG, "ours", scheme="pitch")
    dataset.build(CFG, run, progress=False)
    return run


@pytest.fixture(scope="module")
def opened(run):
    return P.open_corpus(run.root, "pitch")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eight notes as files."""
    folder = tmp_path_factory.mktemp("sounds")
    font = sources.soundfont_file("timgm6mb")
    for note in range(60, 68):
        soundfile.write(folder / f"flute_{note}.wav", soundfont.render(font, "flute", note, 90, 1.0), soundfont.SR)
    return folder


def test_a_run_is_opened_as_it_was_built(opened, run):
    instrument, cfg = opened
    data = dataset.build(CFG, run, progress=False)[0]
    table = instrument.units.dataset.table
    assert cfg == CFG and table["sound_id"].tolist() == 7 * data.table["sound_id"].tolist()  # up to three semitones higher and lower
    assert table["transpose"][:len(data)].eq(0).all() and table["transpose"][len(data):].ne(0).all()


def test_names_of_all_kinds(opened, folder):
    instrument, cfg = opened
    table = instrument.units.dataset.table
    by_id, heard, row = P.locate(table["sound_id"].iloc[7], instrument, cfg)
    assert len(heard) == len(by_id) and row == 7 and np.array_equal(by_id, instrument.units.z[instrument.units.sound == 7])
    assert P.locate("tuba", instrument, cfg)[2] == dataset.exemplar(table[table["transpose"] == 0], "tuba")
    z, heard, row = P.locate(str(folder / "flute_60.wav"), instrument, cfg)
    assert row is None and z.shape == (21, 3)


@pytest.mark.parametrize("way", P.WAYS)
def test_every_way_lasts_as_long_as_asked(opened, way):
    instrument, cfg = opened
    end = "cello" if way in ("line", "spline", "geodesic") else None
    made = P.perform(instrument, cfg, "tuba", end, way, 1.23)
    assert len(made.y) == round(1.23 * made.sr) and np.abs(made.y).max() > 1e-3
    assert np.array_equal(made.y, P.perform(instrument, cfg, "tuba", end, way, 1.23).y)


def test_a_spline_bends_through_what_it_passes(opened):
    instrument, cfg = opened
    ways = {way: P.perform(*opened, "tuba", "cello", way, via=("flute",)).path for way in ("line", "spline")}
    z, heard, _ = P.locate("flute", instrument, cfg)
    step = np.linalg.norm(np.diff(ways["spline"], axis=0), axis=1).max()
    for path in ways.values():
        assert np.linalg.norm(path - np.median(z[heard], axis=0), axis=1).min() < step
    assert not np.allclose(*ways.values(), atol=step / 10)
    with pytest.raises(ValueError, match="a sound to go --to for a line, found none"):
        P.perform(*opened, "tuba", via=("flute",))
    with pytest.raises(ValueError, match="no --to or --via for a trajectory, found flute: choose"):
        P.perform(*opened, "tuba", way="trajectory", via=("flute",))


def test_walks_follow_their_seed(opened):
    instrument, cfg = opened
    first, second = (P.perform(instrument, cfg, "tuba", way="walk", seconds=1.0, seed=seed).path for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_a_trajectory_is_played_by_others(opened):
    instrument, cfg = opened
    made = P.perform(instrument, cfg, "tuba")
    z, _, row = P.locate("tuba", instrument, cfg)
    assert np.allclose(made.path, trajectories.stretch(z, len(z)), atol=1e-6) and row not in instrument.units.source[made.chosen]


@pytest.mark.parametrize("arguments, words", [
    (("tubba",), "found nothing by the name 'tubba'"), (("tuba", "cello", "walk"), "no --to or --via for a walk"),
    (("tuba", None, "line"), "a sound to go --to for a line"), (("tuba", None, "wak"), "Did you mean 'walk'"),
    (("tuba", "tuba", "line"), "at one place"),
])
def test_mistakes_are_told(opened, arguments, words):
    with pytest.raises(ValueError, match=words):
        P.perform(*opened, *arguments)


def test_a_folder_of_sounds_is_played(folder, run, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    instrument, cfg = P.open_corpus(folder, "pitch", run.weights("pitch", "ours"))
    made = P.perform(instrument, cfg, str(folder / "flute_60.wav"), str(folder / "flute_67.wav"))
    cues = instrument.cues(made)
    assert cfg == CFG and len(made.y) == round(P.LASTS_S * made.sr) and set(cues["file"]) <= {str(p) for p in folder.iterdir()}
    own = P.perform(instrument, cfg, str(folder / "flute_60.wav"))
    assert str(folder / "flute_60.wav") not in set(instrument.cues(own)["file"])
    instrument.audio.kept.clear()
    (folder / "flute_61.wav").write_bytes(b"no sound any more")
    with pytest.raises(ValueError, match="expected the file that was analyzed, found another one"):
        instrument.audio(1)


def test_a_map_keeps_where_its_transposed_sounds_lie(folder, tmp_path, small_weights, monkeypatch):
    out, heard = tmp_path / "map", []
    with ThreadPoolExecutor(2) as pool:
        library.update([folder], out, small_weights, executor=pool, progress=False, say=lambda text: None)
    real = embed.embed_frames
    monkeypatch.setattr(embed, "embed_frames", lambda model, data, cfg: heard.append(len(data)) or real(model, data, cfg))
    first = P.open_corpus(out)[0]
    assert len(heard) == 2 * transposition.USUAL and (out / ".transposed.safetensors").is_file()
    assert np.array_equal(first.units.z, P.open_corpus(out)[0].units.z) and len(heard) == 2 * transposition.USUAL
    plain = P.open_corpus(out, transpose=0)[0].units.z
    assert np.array_equal(plain, first.units.z[:len(plain)]) and 6 < len(first.units.z) / len(plain) < 8


def test_a_sound_is_found_by_its_instrument_whatever_else_is_known_of_it(opened):
    table = opened[0].units.dataset.table
    found = dataset.exemplar(table.assign(note_number=pd.array([pd.NA] * len(table), "Int64"), seconds=None), "tuba")
    assert table["instrument"][found] == "tuba"


def test_bad_places_are_told(folder, run, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(paths, "WEIGHTS", tmp_path / "weights")
    with pytest.raises(ValueError, match="expected a run of the book or a folder of sounds"):
        P.open_corpus(tmp_path / "none", "pitch")
    with pytest.raises(ValueError, match="found none.* run `make book` first"):
        P.open_corpus(folder, "pitch")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="expected audio files"):
        P.open_corpus(tmp_path / "empty", "pitch", run.weights("pitch", "ours"))


def test_the_command_writes_all_files_or_none(run, tmp_path, capsys, monkeypatch):
    def command(*arguments):
        monkeypatch.setattr("sys.argv", ["dml_lib", "sonify", str(run.root), "--scheme", "pitch", *arguments])
        with pytest.raises(SystemExit) as done:
            cli.main()
        return done.value.code

    out = tmp_path / "out.wav"
    assert command("--from", "tuba", "--to", "nothing", "-o", str(out)) == 2 and not list(tmp_path.iterdir())
    assert "found nothing by the name 'nothing'" in capsys.readouterr().err
    assert command("--from", "tuba", "--seconds", "nan", "-o", str(out)) == 2 and "expected seconds as a number" in capsys.readouterr().err
    monkeypatch.setattr(P.library.Library, "open", None)  # a map is not reached
    (run.root / "map.parquet").touch()
    for arguments, found in (((), "pitch"), (("--weights", "w"), "w")):
        assert command("--from", "tuba", *arguments) == 2 and f"plays with its own, found {found}: make a map" in capsys.readouterr().err
    (run.root / "map.parquet").unlink()
    assert command("--from", "tuba", "--weights", "no/such") == 2 and "unknown scheme or file of weights" in capsys.readouterr().err
    assert command("--from", "tuba", "--scheme", "tuna") == 2 and "unknown scheme 'tuna'" in capsys.readouterr().err
    assert command("--from", "tuba", "--to", "cello", "--seconds", "1.5", "--bits", "16", "-o", str(out)) == 0
    assert soundfile.info(out).frames == round(1.5 * soundfont.SR) and out.with_suffix(".csv").is_file()
    cues = pd.read_csv(out.with_suffix(".csv"))
    assert f"1.50 s from {cues['sound_id'].nunique()} sounds" in capsys.readouterr().out and out.with_suffix(".path.html").is_file()
    assert cues["transpose"].any() and cues["transpose"].abs().max() <= transposition.USUAL
    assert command("--from", "tuba", "--transpose", "13", "-o", str(out)) == 2 and "13 is not in the range" in capsys.readouterr().err
    for still in (("--transpose", "0"), ("--method", "author")):  # whose method plays sounds as they are
        assert command("--from", "tuba", "--to", "cello", "--seconds", "0.5", *still, "-o", str(out)) == 0
        assert not pd.read_csv(out.with_suffix(".csv"))["transpose"].any()


def test_other_weights_play_the_sounds_of_a_run(opened, run, tmp_path):
    """And not those that the other network was trained on."""
    other = CFG.with_(sources=("fluidr3",), sounds_per_instrument=9, level=0.0)
    weights.save_weights(tmp_path / "other.safetensors", train.untrained(other), other, "paper", scheme="pitch")
    instrument, cfg = P.open_corpus(run.root, "pitch", tmp_path / "other.safetensors", transpose=0)
    own = opened[0].units.dataset.table.query("transpose == 0")
    assert cfg == other and instrument.units.dataset.table["sound_id"].tolist() == own["sound_id"].tolist()
    assert "gain" not in instrument.units.dataset.table


def test_a_file_is_known_by_a_link_to_it(opened, folder, tmp_path):
    instrument, cfg = opened
    table = instrument.units.dataset.table
    link = tmp_path / "link"
    link.symlink_to(folder)
    for known, asked in ((folder, link), (link, link), (folder, folder)):
        instrument.units.dataset.table = table.assign(path=[str(known / "flute_60.wav"), *[None] * (len(table) - 1)])
        assert P.locate(str(asked / "flute_60.wav"), instrument, cfg)[2] == 0
    instrument.units.dataset.table = table
