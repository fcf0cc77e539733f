"""A trained network as a function of sound: the numbers of the library, from files and samples, and clear refusals."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch

import dml_lib
from dml_lib import dataset, embed, paths, soundcheck
from dml_lib.encoder import Encoder
from dml_lib.sounds import decode, files
from dml_lib.weights import WeightsMismatch, open_weights, save_weights

SR = 22_050


@pytest.fixture
def samples():
    """A decaying chord with silence behind it and an offset, full scale 1, at 22,050 Hz."""
    t = np.arange(2 * SR) / SR
    y = sum(np.sin(2 * np.pi * f * t) for f in (31.0, 55.0, 82.4)) * np.exp(-3 * t) / 4 + 0.01
    return np.where(t < 1.2, y, 0.0).astype(np.float32)


@pytest.fixture
def shipped(model, cfg, tmp_path, monkeypatch):
    """A folder of weights with a network of `pitch`, for sounds brought to one level."""
    monkeypatch.setattr(paths, "WEIGHTS", tmp_path / "weights")
    file = tmp_path / "weights" / "pitch.safetensors"
    save_weights(file, model, cfg.with_(level=10.0), "paper", scheme="pitch")
    return file


def wav(folder, y, sr=SR):
    folder.mkdir(exist_ok=True)
    soundfile.write(folder / "flute_A1_f.wav", y, sr, subtype="FLOAT")
    return folder / "flute_A1_f.wav"


def test_a_file_is_placed_where_the_library_places_it(shipped, samples, tmp_path):
    file, (model, cfg) = wav(tmp_path / "sounds", samples), open_weights(shipped)
    data = dataset.analyze(files.folder_table(file.parent, "x", "x"), cfg, paths.Run("", str(tmp_path / "run")), progress=False)[0]
    data = data.leveled(cfg.level)
    frames = embed.embed_frames(model, data, cfg)
    encoder = dml_lib.load("pitch")
    found = encoder.embed(file)
    assert found.dtype == np.float32 and found.shape == (1 + 2 * 20, 3)
    np.testing.assert_array_equal(found, frames)
    np.testing.assert_array_equal(encoder.point(file), embed.sound_points(frames, data)[0])
    assert encoder.point(file).shape == (3,) and 0 < data.audible().sum() < len(found)  # the median is not of all frames
    np.testing.assert_array_equal(encoder.embed(str(file)), found)


def test_places_do_not_depend_on_the_number_of_threads(model, cfg, samples):
    encoder, before = Encoder(model, cfg), torch.get_num_threads()
    found = []
    for threads in (1, 2, 4):
        torch.set_num_threads(threads)
        found.append(encoder.embed((samples, SR)))
        assert torch.get_num_threads() == threads
    torch.set_num_threads(before)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_the_store_rounds_little(shipped, samples, tmp_path):
    file, (model, cfg) = wav(tmp_path / "sounds", samples), open_weights(shipped)
    z = soundcheck.reembed(soundcheck.analyze(decode.decode(file, cfg.sr)[0], cfg.sr, cfg), model, cfg)
    found = dml_lib.load(shipped).embed(file)
    assert np.abs(found - z).max() < 0.01 * z.std()


def test_samples_are_placed_as_their_file(shipped, samples, tmp_path):
    encoder, kept = dml_lib.load("pitch"), samples.copy()
    np.testing.assert_array_equal(encoder.embed((samples, SR)), encoder.embed(wav(tmp_path / "sounds", samples)))
    np.testing.assert_array_equal(encoder.point((samples.astype(float), SR)), encoder.point((samples, SR)))
    np.testing.assert_array_equal(samples, kept)  # the caller's samples stay as they are
    assert not np.allclose(encoder.point((samples, SR)), encoder.point((samples, 2 * SR)))


def test_a_sound_does_not_depend_on_those_before(shipped, samples):
    encoder = dml_lib.load("pitch")
    first = encoder.embed((samples, SR))
    encoder.embed((np.random.default_rng(0).normal(0, 0.3, 3 * SR), SR))
    np.testing.assert_array_equal(encoder.embed((samples, SR)), first)


@pytest.mark.parametrize("sound, words", [
    ("no/such.wav", r"a sound in no/such\.wav, found No such file"),
    ((np.zeros(SR, np.float32), SR), "a sound in the samples, found silent"),
    ((np.zeros(0, np.float32), SR), r"found float32 of shape \(0,\), expected float samples"),
    ((np.ones((2, SR), np.float32), SR), r"found float32 of shape \(2, 22050\)"),
    ((np.ones(SR, np.int16), SR), "found int16 of shape"),
    ((np.full(SR, np.nan), SR), "found NaN, infinite or absurd"),
    ((np.ones(SR, np.float32), None), "found sampling rate of None Hz"),
    ((np.ones(SR, np.float32), 10), "found sampling rate of 10 Hz"),
    (np.ones(SR, np.float32), r"samples and their rate, \(y, sr\), found ndarray"),
    (None, "found NoneType"),
])
def test_what_is_no_sound_is_refused(sound, words, model, cfg):
    with pytest.raises(ValueError, match=words):
        Encoder(model, cfg).embed(sound)
    with pytest.raises(ValueError, match=words):
        Encoder(model, cfg).point(sound)


def test_integers_stored_as_floats_are_brought_to_full_scale(model, cfg, samples):
    y = np.round(samples / np.abs(samples).max() * 30_000)
    np.testing.assert_allclose(Encoder(model, cfg).embed((y, SR)), Encoder(model, cfg).embed((y / 2**15, SR)), atol=1e-6)


def test_a_file_that_is_no_audio_is_refused(model, cfg, tmp_path):
    (tmp_path / "a.wav").write_text("no audio at all, but a text of some length")
    with pytest.raises(ValueError, match=r"expected a sound in .*a\.wav, found damaged or not audio"):
        Encoder(model, cfg).embed(tmp_path / "a.wav")


def test_a_network_that_does_not_fit_is_refused(shipped, model, cfg):
    with pytest.raises(ValueError, match="Did you mean 'pitch'"):
        dml_lib.load("pich")
    save_weights(shipped.with_name("instrument.safetensors"), model, cfg, "paper", scheme="pitch")
    with pytest.raises(WeightsMismatch, match=r"instrument\.safetensors is no network of the scheme instrument, found pitch"):
        dml_lib.load("instrument")
    shipped.write_bytes(shipped.read_bytes()[:-100])
    with pytest.raises(paths.Damaged, match=r"pitch\.safetensors is not a whole file of weights"):
        dml_lib.load("pitch")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_here_is_refused(model, cfg):
    with pytest.raises(ValueError, match="expected a device of this machine, such as 'cpu', found 'cuda'"):
        Encoder(model, cfg).to("cuda")
    with pytest.raises(ValueError, match="found 'nosuch'"):
        Encoder(model, cfg).to("nosuch")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
def test_a_gpu_agrees(model, cfg, samples):
    encoder = Encoder(model, cfg)
    here = encoder.embed((samples, SR))
    np.testing.assert_allclose(encoder.to("cuda").embed((samples, SR)), here, rtol=0, atol=1e-4)


def test_importing_the_library_stays_light():
    program = "import sys, dml_lib; print(callable(dml_lib.load), [m for m in ('torch', 'librosa', 'pandas', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=paths.ROOT)
    assert done.stdout.strip() == "True []"
