import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import HealthCheck, given, settings, strategies as st

import dml_lib.sounds.decode as module
from dml_lib.sounds.decode import DecodeError, decode, is_audio_name

SR = 16000


def sine(sr=SR, seconds=0.5, hz=440.0, level=0.5):
    return level * np.sin(2 * np.pi * hz * np.arange(int(seconds * sr)) / sr)


def pitch_hz(samples, sr=SR):
    """Slow oracle: the strongest bin of a windowed, zero-padded spectrum."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 18))
    return spectrum.argmax() * sr / (1 << 18)


@pytest.fixture
def no_ffmpeg(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("PATH", str(tmp_path_factory.mktemp("empty")))


@pytest.mark.parametrize("suffix, subtype, error", [
    ("wav", "PCM_U8", 1e-2), ("wav", "PCM_16", 1e-4), ("wav", "PCM_24", 1e-6), ("wav", "PCM_32", 1e-6),
    ("wav", "FLOAT", 1e-6), ("wav", "DOUBLE", 1e-6), ("aiff", "PCM_16", 1e-4), ("flac", "PCM_24", 1e-6),
    ("ogg", "VORBIS", 0.05), ("opus", "OPUS", 0.15), ("mp3", "MPEG_LAYER_III", 0.05)])
def test_formats_give_back_what_was_written(tmp_path, suffix, subtype, error):
    path = tmp_path / f"a.{suffix}"
    format = "OGG" if suffix == "opus" else None
    soundfile.write(path, sine(), SR, subtype=subtype, format=format)
    samples, info = decode(path)
    assert samples.dtype == np.float32 and samples.shape == (8000,)
    assert (info.sr, info.channels, info.seconds, info.cut) == (SR, 1, 0.5, False)
    middle = slice(2000, 6000)  # lossy coders smear the ends
    assert np.abs(samples - sine())[middle].max() < error
    assert np.array_equal(samples, decode(str(path))[0])


@pytest.mark.parametrize("native", [8000, 11025, 22050, 44100, 48000, 96000, 192000])
@pytest.mark.parametrize("sr", [16000, 22050])
def test_resampling_keeps_pitch_level_and_length(tmp_path, native, sr):
    soundfile.write(tmp_path / "a.wav", sine(native, 1.0), native, subtype="FLOAT")
    samples, info = decode(tmp_path / "a.wav", sr)
    assert info.sr == native
    assert abs(len(samples) - sr) <= 1
    assert abs(pitch_hz(samples, sr) - 440) < 0.2
    assert abs(np.abs(samples[sr // 4:3 * sr // 4]).max() - 0.5) < 0.005


@pytest.mark.parametrize("channels", [1, 2, 6, 16])
def test_channels_are_averaged(tmp_path, channels):
    parts = np.random.default_rng(0).uniform(-0.5, 0.5, (4000, channels))
    soundfile.write(tmp_path / "a.wav", parts, SR, subtype="DOUBLE")
    mono = parts.mean(axis=1)
    samples, info = decode(tmp_path / "a.wav")
    assert info.channels == channels
    np.testing.assert_allclose(samples, mono - mono.mean(), atol=1e-6)


@pytest.mark.parametrize("channels, heard", [((1.0, -1.0), 1.0), ((0.0, 0.5, -0.5), 0.5), ((0.5, -1.0), -0.25), ((0.99, -1.0), -0.005)])
def test_where_channels_cancel_the_loudest_is_heard_else_their_mean(tmp_path, channels, heard):
    y = np.random.default_rng(0).uniform(-0.5, 0.5, 4000)
    soundfile.write(tmp_path / "a.wav", y[:, None] * channels, SR, subtype="DOUBLE")
    np.testing.assert_allclose(decode(tmp_path / "a.wav")[0], heard * (y - y.mean()), atol=1e-6)


def test_blocks_do_not_show(tmp_path, monkeypatch):
    stereo = np.stack([sine(44100), sine(44100, hz=660)], axis=1)
    soundfile.write(tmp_path / "a.wav", stereo, 44100, subtype="FLOAT")
    whole, _ = decode(tmp_path / "a.wav")
    monkeypatch.setattr(module, "BLOCK", 1001)
    np.testing.assert_array_equal(decode(tmp_path / "a.wav")[0], whole)


def test_offset_is_removed_without_a_step_at_the_ends(tmp_path):
    soundfile.write(tmp_path / "a.wav", 0.3 + 0.01 * sine(44100), 44100, subtype="FLOAT")
    samples, _ = decode(tmp_path / "a.wav")
    assert abs(samples.mean()) < 1e-4
    assert np.abs(samples).max() < 0.01  # resampling the offset itself would overshoot by some 0.03


def test_short_click_is_a_sound(tmp_path):
    click = np.zeros(441)
    click[100] = 1.0
    soundfile.write(tmp_path / "a.wav", click, 44100)
    samples, info = decode(tmp_path / "a.wav")
    assert len(samples) == 160 and info.seconds == pytest.approx(0.01)


def test_long_files_are_cut(tmp_path):
    ten_minutes = np.random.default_rng(0).uniform(-0.5, 0.5, 601 * 8000).astype("float32")
    soundfile.write(tmp_path / "a.wav", ten_minutes, 8000, subtype="PCM_U8")
    samples, info = decode(tmp_path / "a.wav", 8000)
    assert (len(samples), info.seconds, info.cut) == (600 * 8000, 601.0, True)
    samples, info = decode(tmp_path / "a.wav", 8000, max_seconds=601)
    assert (len(samples), info.cut) == (601 * 8000, False)


def test_a_flac_file_from_a_pipe_does_not_tell_its_length(tmp_path):
    soundfile.write(tmp_path / "a.flac", np.random.default_rng(0).uniform(-0.5, 0.5, 3 * 8000), 8000)
    body = bytearray((tmp_path / "a.flac").read_bytes())
    body[21] &= 0xF0  # 36 bits of STREAMINFO: the number of samples
    body[22:26] = bytes(4)
    (tmp_path / "a.flac").write_bytes(body)
    samples, info = decode(tmp_path / "a.flac", 8000, max_seconds=2)
    assert (len(samples), info.seconds, info.cut) == (2 * 8000, 2.0, True)


def test_truncated_mp3_gives_its_beginning(tmp_path):
    soundfile.write(tmp_path / "a.mp3", sine(44100, 2.0), 44100)
    whole = (tmp_path / "a.mp3").read_bytes()
    (tmp_path / "a.mp3").write_bytes(whole[:len(whole) // 2])
    samples, _ = decode(tmp_path / "a.mp3")
    assert 0.2 * SR < len(samples) < 1.5 * SR
    assert abs(pitch_hz(samples) - 440) < 1


@pytest.mark.parametrize("name", ["ünï – 音.wav", "Ａ♯4 \u202e.wav", "new\nline.wav", "-i.wav", "n" * 251 + ".wav",
                                  os.fsdecode(b"latin\xe9.wav")])
def test_odd_names(tmp_path, name):
    path = tmp_path / name
    try:
        path.touch()
    except OSError as error:
        pytest.skip(f"this file system refuses the name: {error.strerror}")
    with path.open("wb") as file:
        soundfile.write(file, sine(), SR, format="WAV")
    assert len(decode(path)[0]) == 8000
    assert len(decode(os.fsencode(path))[0]) == 8000


def write(samples, sr=SR, **options):
    return lambda path: soundfile.write(path, np.asarray(samples), sr, **({"subtype": "FLOAT"} | options))


def keep_part(part, suffix):
    def make(path):
        whole = path.with_name("whole." + suffix)
        soundfile.write(whole, sine(), SR)
        path.write_bytes(whole.read_bytes()[:int(part * whole.stat().st_size)])
    return make


def link_to_itself(path):
    path.symlink_to(path)


BAD = {
    "absent": ("a.wav", lambda path: None, "^No such file"),
    "dangling link": ("a.wav", lambda path: path.symlink_to("gone.wav"), "^link to a missing file"),
    "link to itself": ("a.wav", link_to_itself, "symbolic links"),
    "folder": ("a.wav", Path.mkdir, "^Is a directory$"),
    "named pipe": ("a.wav", lambda path: os.mkfifo(path), "^a pipe or device, not a file$"),
    "name too long": ("n" * 300 + ".wav", lambda path: None, "^File name too long$"),
    "NUL in the name": ("a\0.wav", lambda path: None, "null byte"),
    "empty": ("a.wav", Path.touch, r"^empty file \(0 bytes\)$"),
    "one byte": ("a.wav", lambda path: path.write_bytes(b"R"), "^damaged or not audio: .*; starts with b'R'$"),
    "text": ("a.wav", lambda path: path.write_text("Dear diary, " * 99), "^damaged or not audio: .*starts with b'Dear diary, '"),
    "text as mp3": ("a.mp3", lambda path: path.write_text("Dear diary, " * 99), "starts with b'Dear diary, '"),
    "random bytes as mp3": ("a.mp3", lambda path: path.write_bytes(np.random.default_rng(0).bytes(9999)), "^damaged"),
    "half a wav header": ("a.wav", keep_part(0.001, "wav"), "^damaged"),
    "half a flac": ("a.flac", keep_part(0.5, "flac"), "^damaged"),
    "half an ogg": ("a.ogg", keep_part(0.5, "ogg"), "^damaged"),
    "no samples": ("a.wav", write([]), "^holds no samples$"),
    "one sample": ("a.wav", write([0.5], 44100), "^only 1 samples at 44100 Hz$"),
    "NaN": ("a.wav", write([0.1, np.nan, 0.2] * 99), "^NaN, infinite or absurd sample values"),
    "infinite": ("a.wav", write([0.1, -np.inf, 0.2] * 99), r"\(peak inf"),
    "opposed infinities": ("a.wav", write([[np.inf, -np.inf]] * 99), r"\(peak nan"),
    "absurd": ("a.wav", write([0.1, 1e30] * 99), r"\(peak 5e\+29|\(peak 1e\+30"),
    "silence": ("a.wav", write(np.zeros(8000)), "^silent$"),
    "silence, 8 bits": ("a.wav", write(np.zeros(8000), subtype="PCM_U8"), "^silent$"),
    "offset only": ("a.wav", write(np.full(44100, 0.7), 44100), "^silent$"),
    "low rate": ("a.wav", write(sine(), 1000), "^sampling rate of 1000 Hz, expected 4000 to 768000$"),
    "m4a": ("a.m4a", lambda path: path.write_bytes(b"\0\0\0\x20ftypM4A "), "^MP4 audio needs the program ffmpeg"),
    "m4a as wav": ("a.wav", lambda path: path.write_bytes(b"\0\0\0\x20ftypM4A "), "^MP4 audio needs the program ffmpeg"),
    "wma": ("a.wma", lambda path: path.write_bytes(b"\x30\x26\xb2\x75"), "^.wma needs the program ffmpeg, which was not"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gives_a_short_reason(tmp_path, no_ffmpeg, case):
    name, make, reason = BAD[case]
    make(tmp_path / name)
    with pytest.raises(DecodeError, match=reason) as caught:
        decode(tmp_path / name)
    assert len(str(caught.value)) < 150 and "Traceback" not in str(caught.value)


@pytest.mark.skipif(os.name == "nt", reason="permissions are of another kind here")
def test_no_permission(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, sine(), SR)
    path.chmod(0)
    # Root may read everything, so it becomes somebody else, in a folder that is already open: the ones above are root's.
    code = """if True:
        import os, sys
        from dml_lib.sounds.decode import DecodeError, decode
        tmp_path, is_root = sys.argv[1], os.geteuid() == 0
        os.chdir(tmp_path)
        os.chmod(tmp_path, 0o755)
        if is_root:
            try:
                os.setuid(65534)
            except PermissionError:
                sys.exit("cannot become another user")
        try:
            decode("a.wav")
        except DecodeError as error:
            print(error)
    """
    root = str(Path(module.__file__).parents[2])
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True,
                         env=os.environ | {"PYTHONPATH": root})
    if "cannot become another user" in run.stderr:
        pytest.skip("root here may not become another user")
    assert run.stdout.strip() == "Permission denied", run.stderr


@given(st.binary(min_size=1, max_size=400), st.sampled_from([b"", b"RIFF\xff\0\0\0WAVEfmt ", b"fLaC", b"OggS", b"ID3"]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_make_it_fail_otherwise(tmp_path, no_ffmpeg, start, tail):
    (tmp_path / "a.wav").write_bytes(tail + start)
    try:
        samples, _ = decode(tmp_path / "a.wav")
    except DecodeError as error:
        assert str(error)
    else:
        assert np.isfinite(samples).all()


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for ffmpeg is a shell script")
@pytest.mark.parametrize("script, reason", [
    ('for last; do :; done; /bin/cp "$SOUND" "$last"', None),
    ('echo "file:a.m4a: Invalid data found" >&2; exit 1', "^damaged or not audio: ffmpeg says 'Invalid data found'"),
    ("exit 0", "Error opening"),  # done, it says, and wrote nothing
    ("while :; do :; done", "^ffmpeg did not finish in 0.2 s$"),
])
def test_ffmpeg_reads_what_libsndfile_cannot(tmp_path, monkeypatch, script, reason):
    program = tmp_path / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    soundfile.write(tmp_path / "sound.w64", np.stack([sine(48000)] * 2, axis=1), 48000, subtype="FLOAT")
    (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x20ftypM4A ")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SOUND", str(tmp_path / "sound.w64"))
    if reason:
        monkeypatch.setattr(module, "FFMPEG_TIMEOUT_S", 0.2)
        with pytest.raises(DecodeError, match=reason):
            decode(tmp_path / "a.m4a")
    else:
        samples, info = decode(tmp_path / "a.m4a")
        assert (info.sr, info.channels, len(samples)) == (48000, 2, 8000)
        assert abs(pitch_hz(samples) - 440) < 0.5


@pytest.fixture
def folder(tmp_path):
    """Twelve files, every third of them bad."""
    for i in range(12):
        path = tmp_path / f"{i:02}.wav"
        path.write_text("no sound") if i % 3 == 0 else soundfile.write(path, sine(seconds=0.05 * (12 - i)), SR)
    return tmp_path


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files cannot be counted here")
def test_nothing_stays_open(folder, no_ffmpeg):
    before, bad = len(os.listdir("/proc/self/fd")), 0
    for path in [folder, folder / "absent", *sorted(folder.iterdir())] * 3:
        try:
            decode(path)
        except DecodeError:
            bad += 1
    assert bad == 18
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("name, expected", [
    ("a.wav", True), ("A.FLAC", True), ("x/y.m4a", True), (Path("a b.Mp3"), True), ("a.b.ogg", True), ("a.txt", False),
    ("wav", False), (".wav", False), ("a.wav.part", False), ("._a.wav", False), ("a.mid", False), ("", False)])
def test_is_audio_name(name, expected):
    assert is_audio_name(name) is expected


def test_real_recordings(no_ffmpeg):
    if "DML_DATA" not in os.environ:
        pytest.skip("set DML_DATA to the folder of recordings")
    paths = sorted(Path(os.environ["DML_DATA"], "philharmonia").rglob("*.mp3"))[::20]
    assert len(paths) > 100
    for path in paths:
        samples, _ = decode(path)
        native, sr = soundfile.read(path, dtype="float32", always_2d=True)  # oracle: all at once, no blocks
        mono = native.mean(axis=1)
        np.testing.assert_allclose(samples, soxr.resample(mono - mono.mean(), sr, SR), atol=1e-5)


def test_samples_of_half_precision_are_samples():
    y = 0.5 * np.sin(np.arange(8_000) / 5)
    assert np.allclose(module.prepared(y.astype(np.float16), 16_000, 16_000), y - y.mean(), atol=1e-3)  # without a warning
