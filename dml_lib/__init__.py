"""Deep manifold learning on music audio: find your way in sound libraries by ear and by map.

Sounds flow through six rooms in one direction:
sounds -> features -> neighborhoods -> network -> embeddings -> (evaluation, maps, sonification).
Each module is one concept; the chapters of the book walk through them in the same order.
"""

import os

__version__ = "0.1.0"

# Torch's threads spin while they wait, which blocks a core that another program needs: let them spin briefly.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")


def load(scheme, device="cpu"):
    """A trained network that hears: `dml_lib.load("instrument_pitch_2").embed("sound.wav")`. Needs no network connection.

    Parameters
    ----------
    scheme : str or path
        One of `config.SCHEMES`, whose network ships in `weights/`, or a file of weights.
    device : str
        Where the network computes, such as "cuda"; tests compare it with "cpu" where there is one.

    Returns
    -------
    encoder.Encoder

    Raises
    ------
    ValueError
        Unknown scheme, no such file or device; a file that is damaged or another scheme's.

    Source
    ------
    Our choice.
    """
    from .encoder import Encoder  # torch takes seconds to import
    from .paths import find_weights
    from .weights import open_weights

    return Encoder(*open_weights(find_weights(scheme), scheme)).to(device)
