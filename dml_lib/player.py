"""Sound in the page."""

import base64
import html
import io

import numpy as np
import soundfile
from IPython.display import HTML

MAX_PREVIEW_S = 5.0


def mp3(y, sr):
    """Encode mono sound as MP3 bytes; loud sounds are scaled down to full scale, never clipped.

    Parameters
    ----------
    y : np.ndarray, (n_samples,), float
    sr : int
        Hz.

    Raises
    ------
    ValueError
        No samples, or samples that are not finite.
    """
    y = np.asarray(y, np.float32)
    if y.ndim != 1 or not len(y) or not np.isfinite(y).all():
        raise ValueError(f"expected finite mono samples, found shape {y.shape}")
    y = y * min(1.0, 0.99 / max(float(np.abs(y).max()), 1e-9))
    buffer = io.BytesIO()
    soundfile.write(buffer, y, sr, format="MP3")
    return buffer.getvalue()


def listen(sounds, max_seconds=MAX_PREVIEW_S):
    """Labeled audio elements, embedded in the page: they play offline and in every browser.

    Parameters
    ----------
    sounds : dict of str to (y, sr)
        Label: mono samples and Hz.
    max_seconds : float
        Longer sounds are cut.

    Returns
    -------
    IPython.display.HTML
    """
    parts = []
    for label, (y, sr) in sounds.items():
        data = base64.b64encode(mp3(y[:round(max_seconds * sr)], sr)).decode()
        text = html.escape(label, quote=True)
        parts.append(
            f'<figure style="display:inline-block;margin:0.4em"><figcaption>{text}</figcaption>'
            f'<audio controls preload="metadata" aria-label="{text}" src="data:audio/mpeg;base64,{data}"></audio></figure>'
        )
    return HTML("".join(parts))
