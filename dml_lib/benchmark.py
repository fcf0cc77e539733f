"""How fast and how exact the library is here: `python -m dml_lib benchmark`.

Conventions: what is compared runs in one process with the same threads, each after a warm-up, and medians are compared.
On a machine with other work use fewer threads than cores: the threads of torch wait for each other by spinning, and
where two must share a core, each of a batch's hundreds of waits costs a slice of its time.

Source
------
Our choice of figures. The slower sides are what they replace: `librosa.cqt`, and the paper's network layer by layer.
"""

import contextlib
import subprocess
import sys
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import librosa
import numpy as np
import pandas as pd
import torch
from torch import nn

from . import embed as embedding, features, loss, nearest, paths, retrieval, sonify, specimens, train as training, trajectories
from .config import Config, check_name
from .dataset import Dataset, analyze
from .features import log_compress
from .sounds import catalog
from .sounds.decode import DecodeError, decode as decode_file
from .weights import load_weights, save_weights

CFG = Config()
NETWORKS = {"ours": "", "paper": "_paper"}  # ending of names, by recipe
SECONDS = 2  # of each sound that is analyzed or embedded


def _seconds(*calls, repeats):
    """Median duration of each call, after a warm-up; not in turns, for one would find the caches full of the other."""
    times = np.empty((len(calls), repeats + 1))
    for call, durations in zip(calls, times):
        for i in range(repeats + 1):
            began = time.perf_counter()
            call()
            durations[i] = time.perf_counter() - began
    return np.median(times[:, 1:], axis=1).tolist()


def cqt(n_sounds=64, repeats=5):
    """Speed and exactness of the constant-Q against librosa's, on one batch of two-second sounds.

    The clock runs on `librosa.cqt` as it comes. Errors are against `features.cqt_reference`, which gives it zeros on
    either side and no thinned-out filters: librosa's lowest filters are as long as these sounds, and there its results
    near an end depend on how it cuts. With those zeros both agree up to the ends, so that all frames are compared.

    Returns
    -------
    dict
        `cqt_ms_per_2s_sound`; `cqt_speedup_vs_librosa`; `cqt_log_correlation` over all values of all sounds, and
        `cqt_log_correlation_worst`, of the worst sound; `cqt_max_rel_error`, max|a - b| / max|b| of the worst sound;
        `cqt_sounds`, which sounds these were.
    """
    sounds, origin = specimens.sounds(n_sounds, SECONDS, CFG.sr)
    cq, batch = features.ConstantQ(**CFG.front_end()), torch.from_numpy(sounds)
    settings = CFG.front_end() | {"norm": 1}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "n_fft=.* is too large", UserWarning)  # its own padding of the lowest octave
        ours, librosas = _seconds(  # ten batches, because one takes but a few milliseconds
            lambda: [cq(batch) for _ in range(10)], lambda: [np.abs(librosa.cqt(y, **settings)) for y in sounds], repeats=repeats)
    ours /= 10
    found, expected = cq(batch).numpy(), np.stack([features.cqt_reference(y, **CFG.front_end()) for y in sounds])
    log_found, log_expected = (log_compress(x).reshape(len(sounds), -1) for x in (found, expected))
    return {
        "cqt_ms_per_2s_sound": 1e3 * ours / len(sounds),
        "cqt_speedup_vs_librosa": librosas / ours,
        "cqt_log_correlation": np.corrcoef(log_found.ravel(), log_expected.ravel())[0, 1],
        "cqt_log_correlation_worst": min(np.corrcoef(a, b)[0, 1] for a, b in zip(log_found, log_expected)),
        "cqt_max_rel_error": (np.abs(found - expected).max(axis=(1, 2)) / expected.max(axis=(1, 2))).max(),
        "cqt_sounds": f"{len(sounds)} {origin}",
    }


def decode(n_files=1000):
    """Files a second by threads, resampling included: `decode_files_per_s`, `decode_files`."""
    def one(file):
        with contextlib.suppress(DecodeError):
            decode_file(file, CFG.sr)

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(torch.get_num_threads()) as pool:
        files, which = specimens.recordings(n_files, folder, ".mp3")
        list(pool.map(one, files[:8]))
        began = time.perf_counter()
        list(pool.map(one, files))
        seconds = time.perf_counter() - began
    return {"decode_files_per_s": len(files) / seconds, "decode_files": which}


def _plain(model):
    """The layers of a network in the order in which the paper lists them, for windows (batch, n_in, n_bins)."""
    pool = (2, model.pool)
    return nn.Sequential(
        nn.Unflatten(1, (1, model.n_in)), model.conv1, nn.Tanh(), nn.MaxPool2d(pool), model.conv2, nn.Tanh(), nn.MaxPool2d(pool),
        model.conv3, nn.Tanh(), nn.Flatten(), model.dense1, nn.Tanh(), *([model.deep, nn.Tanh()] if model.deep else []), model.dense2)


def _as_pytorch_makes_it(recipe):
    return training.untrained(CFG, recipe).to(memory_format=torch.contiguous_format)


def _step(network, half):
    """One step on a fixed batch by the loss of our recipe and AdamW, in half precision or not: forward, loss, backward, update."""
    rng = torch.Generator().manual_seed(0)
    x = log_compress(torch.rand(CFG.ours_windows, CFG.n_in, CFG.n_bins, generator=rng))
    group = torch.arange(CFG.ours_windows) % 24
    optimizer = torch.optim.AdamW(network.parameters(), lr=CFG.ours_learning_rate, weight_decay=CFG.weight_decay)

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            z = network(x)
        cost = loss.neighbor_loss(z.float(), group[:, None] == group)
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()

    return step


def train(steps=10, repeats=5):
    """Windows a second of our recipe without its sampler, `train_windows_per_s`, and `train_speedup` over the same layers plain.

    Our recipe uses half precision where the processor has it; the plain network is as PyTorch makes it. The same for the
    layers of the paper: `train_windows_per_s_paper`, `train_speedup_paper`.
    """
    values = {}
    for recipe, name in NETWORKS.items():
        ours = _step(training.untrained(CFG, recipe).train(), training.native_half())
        plain = _step(_plain(_as_pytorch_makes_it(recipe)).train(), False)
        seconds, plain_seconds = _seconds(
            lambda: [ours() for _ in range(steps)], lambda: [plain() for _ in range(steps)], repeats=repeats)
        values |= {f"train_windows_per_s{name}": steps * CFG.ours_windows / seconds, f"train_speedup{name}": plain_seconds / seconds}
    return values


@torch.inference_mode()
def embed(n_sounds=64, repeats=5):
    """Two-second sounds embedded frame by frame, against `_plain` on each window by itself in batches of 256.

    Returns
    -------
    dict of str to float
        `embed_sounds_per_s`, `embed_speedup` for the network of our recipe; with the ending `_paper` for the paper's.

    Raises
    ------
    RuntimeError
        The two disagree by more than 1e-5 of the largest coordinate.
    """
    n_frames = np.full(n_sounds, 1 + SECONDS * CFG.sr // CFG.hop_length)
    frames = np.random.default_rng(0).gamma(0.5, 0.5, (n_frames.sum(), CFG.n_bins)).astype(np.float16)
    dataset = Dataset(pd.DataFrame(index=range(n_sounds)), frames, n_frames)
    sound, values = dataset.sound_of_frame(), {}
    frame = np.arange(len(sound)) - dataset.start[sound]
    for recipe, name in NETWORKS.items():
        model, plain, z = training.untrained(CFG, recipe), _plain(_as_pytorch_makes_it(recipe)), {}

        def ours():
            z["ours"] = embedding.embed_frames(model, dataset, CFG)

        def by_window():
            rows = range(0, len(sound), 256)
            windows = (dataset.windows(sound[i:i + 256], frame[i:i + 256], CFG.n_in) for i in rows)
            z["by window"] = np.concatenate([plain(torch.from_numpy(log_compress(x, CFG.gain))).numpy() for x in windows])

        seconds, plain_seconds = _seconds(ours, by_window, repeats=repeats)
        error = np.abs(z["ours"] - z["by window"]).max() / np.abs(z["by window"]).max()
        if not error <= 1e-5:
            raise RuntimeError(f"embeddings by sequence and by window differ by {error:.1e}, expected at most 1e-5")
        values |= {f"embed_sounds_per_s{name}": n_sounds / seconds, f"embed_speedup{name}": plain_seconds / seconds}
    return values


def _peak_gb(whose):
    """Largest memory so far of this process, or of its largest child."""
    import resource  # only Unix has it, and only three groups need it

    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kibibytes elsewhere
    return resource.getrusage(getattr(resource, whose)).ru_maxrss * unit / 1e9


def knn(n_points=1_000_000, n_queries=20_000, repeats=3):
    """Exact neighbors among a million points in three dimensions, and retrieval inside a sample.

    Returns
    -------
    dict of str to float
        `knn_queries_per_s_1m`: queries a second for the 75 nearest, index included. `map_at_r_s_20k`: seconds for the
        retrieval of all queries among themselves, in 24 classes. `knn_peak_gb`: largest memory of this process so far, so
        of this group only where it runs by itself (`--only knn`).
    """
    rng = np.random.default_rng(0)
    points, queries = rng.standard_normal((n_points, 3)), rng.standard_normal((n_queries, 3))
    y = rng.integers(0, 24, n_queries)
    seconds, = _seconds(lambda: nearest.neighbors(points, queries, 75), repeats=repeats)
    ranked, = _seconds(lambda: retrieval.retrieval(queries, y), repeats=1)
    peak = _peak_gb("RUSAGE_SELF")
    return {"knn_queries_per_s_1m": n_queries / seconds, "map_at_r_s_20k": ranked, "knn_peak_gb": peak}


def map_(n_files=1_000):
    """A map from nothing, and again without a change, each by a process of its own as a user starts it.

    Returns
    -------
    dict
        `map_files_per_s`: files a second of the first run, start and page included, with all cores. `map_again_speedup`: how
        many times faster the second run is. `map_peak_gb`: largest memory of one process of either. `map_files`: which.
    """
    with tempfile.TemporaryDirectory() as folder:
        files, which = specimens.recordings(n_files, folder, ".wav")
        listed, weights, out = Path(folder, "sounds.csv"), Path(folder, "weights.safetensors"), Path(folder, "map")
        pd.DataFrame({"path": map(str, files)}).to_csv(listed, index=False)
        save_weights(weights, training.untrained(CFG, "ours"), CFG, "ours")
        command = [sys.executable, "-m", "dml_lib", "map", str(listed), "-o", str(out), "--weights", str(weights)]
        seconds = []
        for _ in range(2):
            began = time.perf_counter()
            subprocess.run(command, cwd=paths.ROOT, check=True, capture_output=True)
            seconds.append(time.perf_counter() - began)
    peak = _peak_gb("RUSAGE_CHILDREN")
    return {"map_files_per_s": len(files) / seconds[0], "map_again_speedup": seconds[0] / seconds[1], "map_peak_gb": peak, "map_files": which}


def sonify_(n_units=1_000_000, n_paths=12, sounds_per_instrument=64):
    """Our method plays lines of 4 s between two sounds, and listens with the instrument network that ships.

    Returns
    -------
    dict
        `sonify_times_real_time`: seconds of sound in a second, of all paths, once their sounds are in the cache;
        `sonify_times_real_time_first`: while each is rendered. `sonify_peak_gb`: largest memory of this process so far, with the
        making of the corpus. `sonify_units`: how many; rendered notes, repeated, each time at places that differ a little.
    """
    rng, table = np.random.default_rng(0), catalog.table(CFG.with_(sounds_per_instrument=sounds_per_instrument))
    with tempfile.TemporaryDirectory() as folder:
        data = analyze(table, CFG, paths.Run("benchmark", folder), progress=False)[0].leveled(CFG.level)
    model = load_weights(paths.find_weights("instrument"), CFG, "ours")[0]
    z, n = embedding.embed_frames(model, data, CFG), -(-n_units // len(data.frames))
    points, many = embedding.sound_points(z, data), np.tile(data.n_frames, n)
    corpus = Dataset(pd.concat([data.table] * n, ignore_index=True), np.tile(data.frames, (n, 1)), many)
    places = np.tile(z, (n, 1)) + rng.normal(0, 0.01 * z.std(), (n * len(z), z.shape[1])).astype(np.float32)
    instrument, frame_s = sonify.Instrument(places, corpus, CFG, model), CFG.hop_length / CFG.sr
    lines = [trajectories.line(points[rng.choice(len(data), 2, replace=False)], 1 + round(4 / frame_s)) for _ in range(n_paths)]
    instrument.units.nearest(lines[0])  # the tree is made once
    times = []
    for _ in range(2):
        began = time.perf_counter()
        played = sum(len(made.y) / made.sr for made in map(instrument.play, lines))
        times.append(played / (time.perf_counter() - began))
    names = ("sonify_times_real_time_first", "sonify_times_real_time", "sonify_peak_gb", "sonify_units")
    return dict(zip(names, (*times, _peak_gb("RUSAGE_SELF"), len(instrument.units))))


GROUPS = {group.__name__.rstrip("_"): group for group in (cqt, decode, train, embed, knn, map_, sonify_)}


def run(only=None, threads=2, say=print):
    """Measure all groups, or one.

    Parameters
    ----------
    only : str, optional
        One of `GROUPS`.
    threads : int
        Of torch and of the decoder. `librosa.cqt` uses one whatever it is given, `nearest.neighbors` all cores.
    say : callable
        Is told what is being measured.

    Returns
    -------
    dict
        `threads`, and what the groups found: numbers, and which sounds they saw.

    Raises
    ------
    ValueError
        Unknown group.
    """
    names = [check_name("benchmark", only, GROUPS)] if only else list(GROUPS)
    values, before = {"threads": threads}, torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for name in names:
            say(f"measuring {name} ...")
            values |= GROUPS[name]()
    finally:
        torch.set_num_threads(before)
    return {name: float(value) if isinstance(value, np.floating) else value for name, value in values.items()}
