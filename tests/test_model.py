"""The network F has the paper's shapes, and gives one answer however it is run."""

import numpy as np
import pytest
import torch

from dml_lib.model import SIZES, Embedder

# PAPER.md, table of layers: parameters; output shape of one window, after pooling
LAYERS = {
    "conv1": (800, (20, 8, 180)),
    "conv2": (26_440, (40, 2, 170)),
    "conv3": (28_880, (80, 1, 162)),
    "dense1": (3_318_016, (256,)),
    "dense2": (771, (3,)),
}


def scaled(model, seed=0):
    """The model with weights of unit gain and random biases, so that outputs are not tiny."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            scale = 1.5 / p[0].numel() ** 0.5 if p.ndim > 1 else 0.5
            p.copy_(torch.randn(p.shape, generator=generator) * scale)
    return model.eval()


def slow_forward(model, x):
    """The paper's order: convolution, bias, tanh, max-pool; convolution written as sums over a window."""
    def conv(z, layer):
        out, _, kt, kf = layer.weight.shape
        n_t, n_f = z.shape[1] - kt + 1, z.shape[2] - kf + 1
        y = np.zeros((out, n_t, n_f))
        for t in range(kt):
            for f in range(kf):
                y += np.einsum("oi,itf->otf", layer.weight[:, :, t, f].numpy(), z[:, t:t + n_t, f:f + n_f])
        return np.tanh(y + layer.bias.numpy()[:, None, None])

    z = x.numpy().astype(np.float64)[None]
    def pool(z):
        """The largest of two frames and of `model.pool` bins; bins left over are dropped."""
        bins = z.shape[2] // model.pool * model.pool
        return z[:, :, :bins].reshape(len(z), -1, 2, bins // model.pool, model.pool).max(axis=(2, 4))

    z = pool(conv(z, model.conv1))
    z = pool(conv(z, model.conv2))
    z = conv(z, model.conv3).ravel()
    z = np.tanh(model.dense1.weight.numpy() @ z + model.dense1.bias.numpy())
    if model.deep is not None:
        z = np.tanh(model.deep.weight.numpy() @ z + model.deep.bias.numpy())
    return model.dense2.weight.numpy() @ z + model.dense2.bias.numpy()


def test_the_papers_table_of_layers():
    model, shapes = Embedder(), {}
    for name, module in model.named_children():
        module.register_forward_hook(lambda m, i, out, name=name: shapes.update({name: tuple(out.shape[1:])}))
    z = model(torch.zeros(2, 10, 192))
    counts = {name: sum(p.numel() for p in module.parameters()) for name, module in model.named_children()}
    assert {name: (counts[name], shapes[name]) for name in counts} == LAYERS
    assert sum(p.numel() for p in model.parameters()) == 3_374_907
    assert z.shape == (2, 3) and z.dtype == torch.float32
    assert tuple(model.conv1.kernel_size + model.conv2.kernel_size + model.conv3.kernel_size) == (3, 13, 3, 11, 1, 9)


@torch.no_grad()
@pytest.mark.parametrize("n_bins, variant", [(45, {}), (71, {"pool": 2, "deep": True})])
def test_forward_is_that_of_a_slow_network(n_bins, variant):
    model = scaled(Embedder(n_bins=n_bins, size="small", n_dims=3, **variant))
    x = torch.rand(4, 10, n_bins, generator=torch.Generator().manual_seed(1)) * 3
    expected = np.array([slow_forward(model, window) for window in x])
    assert np.ptp(expected, axis=0).min() > 1e-2  # windows differ
    np.testing.assert_allclose(model(x).numpy(), expected, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("pool, deep", [(1, False), (2, True)])
@pytest.mark.parametrize("size, n_bins, n_frames", [("small", 69, 50), ("small", 68, 10), ("med", 75, 11), ("xlarge", 192, 24)])
def test_sequence_is_forward_window_by_window(size, n_bins, n_frames, pool, deep):
    model = scaled(Embedder(n_bins=n_bins, size=size, pool=pool, deep=deep))
    x = torch.rand(n_frames, n_bins, generator=torch.Generator().manual_seed(2)) * 4
    windows = torch.stack([x[t:t + 10] for t in range(n_frames - 9)])
    z, expected = model.sequence(x), model(windows)
    assert z.shape == (n_frames - 9, 3)
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(z, expected, atol=1e-5, rtol=0)
    assert n_frames < 12 or (expected.std(dim=0) > 1e-2).all()


def test_initial_weights_are_normal_and_biases_zero():
    for name, p in Embedder(seed=4).named_parameters():
        if name.endswith("bias"):
            assert (p == 0).all()
        else:
            assert abs(p.mean()) < 5 * 0.01 / p.numel() ** 0.5
            assert abs(p.std() / 0.01 - 1) < 5 / (2 * p.numel()) ** 0.5
    big = Embedder(seed=4).dense1.weight.detach() / 0.01
    for width, share in ((1, 0.6827), (2, 0.9545)):
        assert abs((big.abs() < width).float().mean() - share) < 0.002


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("n_dims", [2, 3, 8])
def test_every_size_builds(size, n_dims):
    model = Embedder(n_bins=40, size=size, n_dims=n_dims)
    assert [m.out_channels for m in (model.conv1, model.conv2, model.conv3)] + [model.dense1.out_features] == list(SIZES[size])
    assert model(torch.zeros(1, 10, 40)).shape == (1, n_dims)


def test_sizes_are_those_of_the_original_code():
    assert SIZES == {
        "small": (10, 20, 40, 96), "med": (12, 24, 48, 128), "large": (16, 32, 64, 192), "xlarge": (20, 40, 80, 256),
        "xxlarge": (24, 48, 96, 512),
    }


def test_the_seed_decides_the_weights():
    def weights(seed):
        torch.manual_seed(99)  # the global state plays no part
        torch.rand(seed)
        return torch.cat([p.flatten() for p in Embedder(n_bins=40, size="small", seed=seed).parameters()])

    torch.manual_seed(1)
    again = torch.cat([p.flatten() for p in Embedder(n_bins=40, size="small", seed=1).parameters()])
    assert torch.equal(weights(1), again)
    assert not torch.equal(weights(1), weights(2))


@pytest.mark.parametrize("change, least", [({"n_in": 9}, 31), ({"n_in": 20}, 31), ({"n_bins": 30}, 31), ({"n_bins": 67, "pool": 2}, 68)])
def test_windows_that_the_layers_cannot_reduce(change, least):
    with pytest.raises(ValueError, match=f"expected windows of 10 frames and at least {least} bins, found n_in=.*, n_bins="):
        Embedder(**change)
    Embedder(**change | {"n_in": 10, "n_bins": least, "size": "small"})


def test_unknown_size():
    with pytest.raises(ValueError, match=r"unknown size 'xlarg'.*Did you mean 'xlarge'\?"):
        Embedder(size="xlarg")


@pytest.mark.parametrize("size, n_bins, variant", [("xlarge", 192, {}), ("small", 40, {}), ("xlarge", 192, {"pool": 2, "deep": True})])
def test_summary_tells_the_truth(size, n_bins, variant):
    model, shapes = Embedder(n_bins=n_bins, size=size, **variant), {}
    for name, module in model.named_children():
        module.register_forward_hook(lambda m, i, out, name=name: shapes.update({name: list(out.shape[1:])}))
    model(torch.zeros(1, 10, n_bins))
    table = model.summary().set_index("layer")
    assert list(table.index) == [name for name, _ in model.named_children()] == [n for n in [*LAYERS][:4] + ["deep"] * bool(variant)] + ["dense2"]
    for name, shape in shapes.items():
        if name in ("conv1", "conv2"):
            shape[1], shape[2] = shape[1] // 2, shape[2] // model.pool
        assert table.loc[name, "output"] == " x ".join(map(str, shape))
        assert table.loc[name, "parameters"] == sum(p.numel() for p in getattr(model, name).parameters())
    assert table["parameters"].sum() == 3_374_907 or (size, variant) != ("xlarge", {})
