"""The network F: a window of log constant-Q frames -> a point in a few dimensions."""

import pandas as pd
import torch
from torch import nn
from torch.nn import functional as nnf

from .config import check_name

SIZES = {
    "small": (10, 20, 40, 96),
    "med": (12, 24, 48, 128),
    "large": (16, 32, 64, 192),
    "xlarge": (20, 40, 80, 256),
    "xxlarge": (24, 48, 96, 512),
}  # channels of the three convolutions, units of the first dense layer
INITIAL_SD = 0.01


def usable(device):
    """A device, such as "cpu" or "cuda"; ValueError where this machine has none by that name."""
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch raises either, with many lines
        found = str(error).splitlines()[0]
        raise ValueError(f"expected a device of this machine, such as 'cpu', found {device!r} ({found}): choose another") from None
    return device


class Embedder(nn.Module):
    """Three convolutions and two dense layers.

    With the paper's numbers (n_in 10, n_bins 192, xlarge, 3 outputs) it has 3,374,907 parameters.

    Parameters
    ----------
    n_in : int
        Frames a window; 10 is what the layers reduce to one.
    n_bins : int
        Constant-Q bins.
    size : str
        One of `SIZES`.
    n_dims : int
        Dimensions of the space.
    seed : int
        Of the weights, drawn from N(0, 0.01); biases are 0.
    pool : int
        Neighboring bins of which the first two convolutions keep the largest; 1 in the paper, 2 in our recipe.
    deep : bool
        One more dense layer before the last; not in the paper, in our recipe.

    Raises
    ------
    ValueError
        Unknown size, or a window that the layers cannot reduce.

    Source
    ------
    Paper, section 2 and table of layers; initial weights and sizes from the original code. "3-D convolution" there is
    ordinary multi-channel 2-D convolution. Pooling comes before tanh here: tanh is monotone, so the result is the same
    and half as many values are computed. Channels lie last in memory, where the convolutions are twice as fast.
    Pooling of bins as in the author's thesis; the deep layer is our choice.
    """

    def __init__(self, n_in=10, n_bins=192, size="xlarge", n_dims=3, seed=0, pool=1, deep=False):
        super().__init__()
        c1, c2, c3, hidden = SIZES[check_name("size", size, SIZES)]
        width = ((n_bins - 12) // pool - 10) // pool - 8
        if n_in != 10 or width < 1:
            least = 9 * pool**2 + 10 * pool + 12
            raise ValueError(f"expected windows of 10 frames and at least {least} bins, found n_in={n_in}, n_bins={n_bins}")
        self.n_in, self.n_bins, self.n_dims, self.pool = n_in, n_bins, n_dims, pool
        self.conv1 = nn.Conv2d(1, c1, (3, 13))
        self.conv2 = nn.Conv2d(c1, c2, (3, 11))
        self.conv3 = nn.Conv2d(c2, c3, (1, 9))
        self.dense1 = nn.Linear(c3 * width, hidden)
        self.deep = nn.Linear(hidden, hidden) if deep else None
        self.dense2 = nn.Linear(hidden, n_dims)
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in self.named_parameters():
            if name.endswith("weight"):
                nn.init.normal_(parameter, 0.0, INITIAL_SD, generator=generator)
            else:
                nn.init.zeros_(parameter)
        self.to(memory_format=torch.channels_last)

    @property
    def device(self):
        """Where the network computes."""
        return self.dense2.weight.device

    def forward(self, x):
        """Embed windows: (batch, 10, 192) -> (batch, n_dims), float32, the last layer always in full precision."""
        z = x[:, None].contiguous(memory_format=torch.channels_last)  # (batch, 1, 10, 192)
        z = torch.tanh(nnf.max_pool2d(self.conv1(z), (2, self.pool)))  # (batch, 20, 8 -> 4, 180)
        z = torch.tanh(nnf.max_pool2d(self.conv2(z), (2, self.pool)))  # (batch, 40, 2 -> 1, 170)
        z = torch.tanh(self.conv3(z))  # (batch, 80, 1, 162)
        return self._dense(z.flatten(1))

    def _dense(self, z):
        z = torch.tanh(self.dense1(z))
        if self.deep is not None:
            z = torch.tanh(self.deep(z))
        with torch.autocast(z.device.type, enabled=False):  # half precision would round places in the space
            return self.dense2(z.float())

    def sequence(self, x):
        """Embed each window of a sequence of frames at once: (n_frames, 192) -> (n_frames - 9, n_dims).

        Neighboring windows share nearly all of their convolutions. A pool of stride 2 inside a window is a pool of
        stride 1 over the sequence whose readers step by 2, hence the dilation.

        Source
        ------
        Our choice; gives the numbers of `forward`.
        """
        z = x[None, None]  # (1, 1, T, 192)
        z = torch.tanh(nnf.max_pool2d(self.conv1(z), (2, self.pool), stride=(1, self.pool)))  # (1, 20, T - 3, 180)
        z = nnf.conv2d(z, self.conv2.weight, self.conv2.bias, dilation=(2, 1))  # (1, 40, T - 7, 170)
        z = torch.maximum(z[:, :, :-2], z[:, :, 2:])  # (1, 40, T - 9, 170)
        z = torch.tanh(nnf.max_pool2d(z, (1, self.pool)) if self.pool > 1 else z)
        z = torch.tanh(self.conv3(z))  # (1, 80, T - 9, 162)
        return self._dense(z[0].transpose(0, 1).flatten(1))  # (T - 9, 80 * 162)

    def summary(self):
        """Layers with their output for one window and their parameters, one row each, as a pandas.DataFrame."""
        c1, c2, c3 = self.conv1.out_channels, self.conv2.out_channels, self.conv3.out_channels
        width, hidden = self.dense1.in_features // c3, self.dense1.out_features
        pool, bins = "pool 2" + f" x {self.pool}" * (self.pool > 1), (self.n_bins - 12) // self.pool
        rows = [
            ("conv1", f"3 x 13, {pool}, tanh", f"{c1} x {(self.n_in - 2) // 2} x {bins}"),
            ("conv2", f"3 x 11, {pool}, tanh", f"{c2} x 1 x {width + 8}"),
            ("conv3", "1 x 9, tanh", f"{c3} x 1 x {width}"),
            ("dense1", f"{self.dense1.in_features} -> {hidden}, tanh", str(hidden)),
            ("deep", f"{hidden} -> {hidden}, tanh", str(hidden)),
            ("dense2", f"{hidden} -> {self.n_dims}", str(self.n_dims)),
        ]
        rows = [row for row in rows if getattr(self, row[0]) is not None]
        count = [sum(p.numel() for p in getattr(self, name).parameters()) for name, _, _ in rows]
        return pd.DataFrame(rows, columns=["layer", "what", "output"]).assign(parameters=count)
