"""Sound in the page."""

import base64
import io
import re

import numpy as np
import pytest
import soundfile

from dml_lib import player

SR = 44_100
TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(SR) / SR)).astype(np.float32)


def decoded(html):
    data = re.findall(r"data:audio/mpeg;base64,([^\"]+)", html)
    return [soundfile.read(io.BytesIO(base64.b64decode(d))) for d in data]


def test_mp3_keeps_pitch_and_level():
    y, sr = soundfile.read(io.BytesIO(player.mp3(TONE, SR)))
    peak_hz = np.abs(np.fft.rfft(y)).argmax() * sr / len(y)
    assert sr == SR and abs(peak_hz - 440) < 2 and abs(np.abs(y[5000:-5000]).max() - 0.5) < 0.03


def test_loud_sound_is_scaled_not_clipped():
    y, _ = soundfile.read(io.BytesIO(player.mp3(8 * TONE, SR)))
    spectrum = np.abs(np.fft.rfft(y[: SR // 2]))
    harmonics = spectrum[3 * 220 - 5:3 * 220 + 5].max()  # a clipped sine has a strong third harmonic
    assert np.abs(y).max() < 1.05 and harmonics < 0.01 * spectrum.max()


def test_listen_gives_one_element_a_sound_and_cuts_long_ones():
    html = player.listen({"a": (TONE, SR), "b": (np.tile(TONE, 9), SR)}, max_seconds=2).data
    (a, _), (b, _) = decoded(html)
    assert html.count("<audio") == 2 and abs(len(a) / SR - 1) < 0.1 and abs(len(b) / SR - 2) < 0.1


def test_labels_are_text_never_markup():
    html = player.listen({'<img src=x onerror="alert(1)">': (TONE, SR)}).data
    assert "<img" not in html and "&lt;img" in html


@pytest.mark.parametrize("bad", [np.zeros(0), np.zeros((2, 2)), np.array([0.0, np.nan])])
def test_what_is_no_sound_is_refused(bad):
    with pytest.raises(ValueError, match="expected finite mono samples"):
        player.mp3(bad, SR)
