"""A trained network as a function of sound: a file or samples in, places in the space out.

Conventions: one sound at a time, so no sound depends on its neighbors in a batch. Samples are brought to the front end
as those of files are (`decode.decode`), and magnitudes are rounded as the feature store rounds them: the numbers are those
of the maps and tables of this project.

Source
------
Our choice. `dml_lib.load`.
"""

import os
from contextlib import contextmanager

import numpy as np
import torch

from . import embed, features
from .dataset import Dataset
from .model import usable
from .sounds import decode


@contextmanager
def one_thread():
    """One thread, as where maps and tables are made: sums in another order differ in the last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Encoder:
    """A network with its front end.

    Parameters
    ----------
    model : Embedder
    cfg : Config
        What it was trained with.

    Source
    ------
    Our choice.
    """

    def __init__(self, model, cfg):
        self.model, self.cfg, self._transform = model.eval(), cfg, features.ConstantQ(**cfg.front_end())

    def to(self, device):
        """Move the network to a device, such as "cpu" or "cuda"; the front end stays. Returns this encoder."""
        self.model.to(usable(device))
        return self

    def embed(self, sound):
        """Embed each frame of a sound.

        Parameters
        ----------
        sound : path, or tuple (y, sr)
            Any audio file, of which the first ten minutes are heard; or mono samples (n_samples,), full scale 1, and their rate in Hz.

        Returns
        -------
        np.ndarray, (n_frames, n_dims), float32
            `cfg.sr / cfg.hop_length` frames a second, 20 in the networks that ship.

        Raises
        ------
        ValueError
            There is no sound: no such file, not audio, silence, not one channel, not a number.
        """
        return self._frames(self._heard(sound))

    def point(self, sound):
        """One point for a sound: the median over its audible frames, (n_dims,), float32. Parameters and errors of `embed`."""
        data = self._heard(sound)
        return embed.sound_points(self._frames(data), data)[0]

    def analyzed(self, y):
        """Samples as `decode.decode` gives them at `cfg.sr`, as a dataset of one sound at its own level."""
        with one_thread():
            x = features.cqt_many([y], self._transform)[0].astype(np.float16)
        return Dataset.single(x)

    def placed(self, data):
        """Places of the frames and of the sounds of a dataset at its own levels: (n_frames_total, n_dims), (n_sounds, n_dims)."""
        data = data.leveled(self.cfg.level)
        z = self._frames(data)
        return z, embed.sound_points(z, data)

    def _frames(self, data):
        with one_thread():
            return embed.embed_frames(self.model, data, self.cfg)

    def _heard(self, sound):
        """The magnitudes of a sound, as a dataset of one."""
        is_file = isinstance(sound, (str, bytes, os.PathLike))
        if not is_file and not (isinstance(sound, (tuple, list)) and len(sound) == 2):
            raise ValueError(f"expected an audio file or mono samples and their rate, (y, sr), found {type(sound).__name__}")
        try:
            y = decode.decode(sound, self.cfg.sr)[0] if is_file else decode.prepared(*sound, self.cfg.sr)
        except decode.DecodeError as error:
            name = os.fsdecode(sound) if is_file else "the samples"
            raise ValueError(f"expected a sound in {name}, found {error}: choose another") from None
        return self.analyzed(y).leveled(self.cfg.level)
