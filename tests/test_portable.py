"""What is trained under `portable.ENVIRONMENT` has the same bits on every x86 processor."""

import importlib.metadata
import os
import platform
import subprocess
import sys

import pytest
import torch

from dml_lib import paths, portable, store, train

STEPS = """
import hashlib
import numpy as np, torch
from dml_lib import features, loss, portable, train
from dml_lib.config import Config

assert portable.arithmetic() == "portable" and not train.native_half()
torch.set_num_threads(1)
cfg, rng = Config(), np.random.default_rng(0)
magnitudes = features.cqt_many([rng.integers(-1000, 1000, 40_000).astype(np.float32) / 1000], features.ConstantQ(**cfg.front_end()))[0]
x = torch.from_numpy(np.lib.stride_tricks.sliding_window_view(features.log_compress(magnitudes), 10, 0)[:32].swapaxes(1, 2).copy())
model, kind = train.untrained(cfg, "ours").train(), torch.arange(32) % 4
with torch.no_grad():
    for parameter in model.parameters():
        parameter.mul_(5)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
for _ in range(3):
    optimizer.zero_grad()
    value = loss.neighbor_loss(model(x), kind[:, None] == kind[None])
    value.backward()
    optimizer.step()
z = model.sequence(torch.from_numpy(features.log_compress(magnitudes)))
print(hashlib.sha256(b"".join(t.detach().numpy().tobytes() for t in (z, *model.parameters()))).hexdigest())
"""
VERSIONS = {"numpy": "2.4.6", "torch": "2.13.0", "librosa": "0.11.0"}  # whose bits these are
BITS = "d0353d5147bd5f476b16fc79290b54157ebf9a1306467d2b832eda299ba0f217"  # also of an emulated Intel Haswell, Skylake and AMD EPYC of the first kind


def run(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=paths.ROOT, env=os.environ | portable.ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_an_analysis_three_steps_and_an_embedding_have_the_bits_of_other_processors():
    here = {name: importlib.metadata.version(name).split("+")[0] for name in VERSIONS}
    if platform.machine() not in ("x86_64", "AMD64") or not torch.cpu.get_capabilities().get("avx2") or here != VERSIONS:
        pytest.skip(f"bits are of x86 processors with AVX2 and {VERSIONS}, here are {platform.machine()} and {here}")
    assert run(STEPS) == [BITS]


def test_a_command_that_ships_runs_itself_again_where_bits_are_shared():
    program = "import sys\nfrom dml_lib import portable\nportable.hold()\nprint(sys.argv[1], portable.held())"
    environment = {name: value for name, value in os.environ.items() if name not in portable.ENVIRONMENT}
    done = subprocess.run([sys.executable, "-c", program, "pitch"], capture_output=True, text=True, cwd=paths.ROOT, env=environment)
    assert done.stdout.split() == ["pitch", "True"], done.stderr
    assert run(program.replace("sys.argv[1]", "'once'")) == ["once", "True"]


def test_bits_of_the_two_kinds_are_kept_apart(monkeypatch, tmp_path):
    monkeypatch.delenv("MKL_CBWR", raising=False)
    one = store.FeatureStore(tmp_path, {}).folder
    assert portable.mark() == [] and portable.arithmetic() != "portable"
    for name, value in portable.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    assert store.FeatureStore(tmp_path, {}).folder != one and not train.native_half()
