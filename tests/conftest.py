"""Fixtures: small synthetic data for unit tests; the built book and a real browser for the tests of the whole."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from playwright.sync_api import sync_playwright

from dml_lib import book, paths
from dml_lib.config import Config
from dml_lib.dataset import Dataset
from dml_lib.model import Embedder
from dml_lib.sounds import sources
from dml_lib.splits import random_split
from dml_lib.units import Units
from dml_lib.weights import save_weights


@pytest.fixture
def cfg():
    """A configuration whose network and batches are small."""
    return Config(
        seed=3, threads=1, n_bins=40, size="small", ours_pool=1, batch_triplets=8, ours_windows=32, paper_iterations=3, ours_iterations=3,
        sounds_per_instrument=3,
    )


@pytest.fixture
def make_dataset():
    """A function (n_sounds, seed, n_bins, easy) -> Dataset of random positive magnitudes.

    Where `easy`, each instrument has a band of its own, so that a network can tell them apart.
    """

    def make(n_sounds=40, seed=0, n_bins=40, easy=False):
        rng = np.random.default_rng(seed)
        instrument = np.arange(n_sounds) % 4
        n_frames = rng.integers(3, 15, n_sounds)
        frames = rng.gamma(0.5, 0.5, (n_frames.sum(), n_bins))
        if easy:
            band = np.arange(n_bins) * 4 // n_bins
            frames = 0.1 * frames + 5 * (band == np.repeat(instrument, n_frames)[:, None])
        table = pd.DataFrame({
            "sound_id": [f"made/{i}" for i in range(n_sounds)],
            "instrument": np.array(["cello", "flute", "oboe", "tuba"])[instrument],
            "note_number": 60 + np.arange(n_sounds) // 4 % 5,
            "random": random_split(n_sounds, seed),
        })
        return Dataset(table, frames.astype(np.float16), n_frames)

    return make


@pytest.fixture
def dataset(make_dataset):
    """40 sounds of four instruments and five notes, two of each kind."""
    return make_dataset()


@pytest.fixture
def model(cfg):
    """A network whose outputs are not tiny."""
    model = Embedder(seed=cfg.seed, **cfg.network())
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * (1.5 / p[0].numel() ** 0.5 if p.ndim > 1 else 0.5))
    return model.eval()


@pytest.fixture
def sounds():
    """A table of 60 notes of three instruments."""
    rng = np.random.default_rng(0)
    n = 60
    return pd.DataFrame({
        "instrument": rng.choice(["trumpet", "flute", "piano"], n), "note_number": rng.integers(58, 66, n),
        "dynamics": "f", "articulation": "long",
    })


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine with an empty data folder and no soundfonts of the system."""
    monkeypatch.setattr(paths, "DATA", tmp_path / "data")
    monkeypatch.setattr(sources, "SYSTEM_FOLDERS", (str(tmp_path / "system"),))
    monkeypatch.delenv("DML_DATA", raising=False)
    return tmp_path


@pytest.fixture
def tone():
    """A function (path, freq) that writes a short sound into a file and returns its path."""

    def write(path, freq=440.0):
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.5 * np.sin(2 * np.pi * freq * np.arange(800) / 16_000), 16_000)
        return path

    return write


@pytest.fixture
def corpus(make_dataset, cfg):
    """Units of 40 sounds whose places wander from random starts."""
    data = make_dataset(seed=2)
    rng = np.random.default_rng(0)
    steps = rng.normal(size=(len(data.frames), 3)) * 0.2
    steps[data.start] *= 10
    return Units(np.cumsum(steps, axis=0), data, cfg)


@pytest.fixture
def path():
    return np.random.default_rng(3).normal(size=(22, 3)) * 0.3 + 1


@pytest.fixture(scope="session")
def built_book():
    """The book of the fast profile, made under `_run/test`: (html folder, run)."""
    output = paths.ROOT / "_run" / "test"
    index = book.build("fast", run_dir="_run/test/run", output=output)
    return index.parent, paths.Run("fast", "_run/test/run")


def find_browser():
    """Program of a Chromium: installed, else Debian's package, else Playwright's own; None where none can be had."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    for attempt in (
        [],
        [["apt-get", "update"], ["apt-get", "install", "--yes", "--no-install-recommends", "chromium"]],
        [[sys.executable, "-m", "playwright", "install", "--with-deps", "chromium"]],
    ):
        if attempt and attempt[0][0] == "apt-get" and not (shutil.which("apt-get") and os.geteuid() == 0):
            continue
        if all(subprocess.run(command, capture_output=True).returncode == 0 for command in attempt):
            if found := next(filter(None, map(shutil.which, names)), None):
                return found
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if os.path.exists(own) else None


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium without network. A machine that can have none skips, loudly; CI fails."""
    program = find_browser()
    if program is None:
        message = "no Chromium here and none could be installed: install the package chromium to run the browser tests"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    switches = "--no-sandbox --use-angle=swiftshader --enable-unsafe-swiftshader --autoplay-policy=no-user-gesture-required"
    quiet = "--disable-background-networking --disable-component-update --disable-sync --mute-audio"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=f"{switches} {quiet}".split())
        yield browser
        browser.close()


@pytest.fixture
def page(browser, request):
    """A page of a browser without network, on a screen of as many pixels a point as its parameter says.

    What it logs as errors and asks for is kept in `errors` and `requests`.
    """
    context = browser.new_context(viewport={"width": 1200, "height": 900}, offline=True, device_scale_factor=getattr(request, "param", 1))
    page = context.new_page()
    page.errors, page.requests = [], []
    page.on("console", lambda m: page.errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: page.errors.append(str(e)))
    page.on("request", lambda r: page.requests.append(r.url))
    yield page
    context.close()


@pytest.fixture(scope="session")
def small_weights(tmp_path_factory):
    """A file of weights: a small network for the real front end, untrained but for its scale."""
    cfg = Config(seed=1, size="small", ours_pool=1, ours_deep=False)
    model = Embedder(seed=1, **cfg.network("ours"))
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(60 if p.ndim > 1 else 1)
    file = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_weights(file, model.eval(), cfg, "ours")
    return file


@pytest.fixture
def folder(tmp_path):
    """A folder of user's sounds: notes whose names tell what they are, one in two places, and what is no sound."""
    rng, t = np.random.default_rng(0), np.arange(11_025) / 22_050
    place = tmp_path / "My Samples"
    for i, name in enumerate(("flute/flute_A4.wav", "flute/flute_C5.wav", "oboe_A4_forte.flac", "takes/take 1.wav", "takes/deep/x.aiff", "trumpet_E4.ogg")):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        y = sum(np.sin(2 * np.pi * f * t) / h for h, f in enumerate((440 * 2 ** (i / 12)) * np.arange(1, 4), 1))
        soundfile.write(place / name, 0.2 * y * np.exp(-3 * t) + 0.001 * rng.standard_normal(len(t)), 22_050)
    shutil.copy(place / "oboe_A4_forte.flac", place / "takes" / "copy of oboe.flac")
    (place / "notes.txt").write_text("not audio")
    (place / "broken.wav").write_text("RIFF, but no more")
    (place / "silent.wav").parent.mkdir(exist_ok=True)
    soundfile.write(place / "silent.wav", np.zeros(8_000), 16_000)
    return place
