"""Human ears: published listening tests, and how well distances in a space agree with them.

Conventions: a *test* is a folder with n sounds and `dissimilarity.txt`, the upper triangle of how different listeners
found them, sounds in sorted order. Each sound is an *anchor* once; figures are means over all anchors of all tests.

Source
------
Our choice of tests, collected by T. Tian (timbremetrics, 2025) from the studies that their names say; definitions of the
two figures as there, so that published rows can be set beside ours.
"""

from pathlib import Path

import librosa
import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist
from scipy.stats import spearmanr

from . import paths
from .dataset import analyze
from .embed import embed_frames, sound_points, sound_trajectories
from .geometry import mean_spectra
from .sounds import catalog, decode, sources
from .sounds.files import folder_table
from .soundcheck import AUDIBLE_DB

RATINGS = "dissimilarity.txt"
DEAF = "no listening tests: set DML_DATA to a folder that holds timbre_ratings"
MARGIN = 0.1  # of the largest dissimilarity of a test: triplets that listeners hardly tell apart do not count


def ratings(test):
    """Dissimilarities of one test, (n, n), symmetric, as parts of the largest.

    Parameters
    ----------
    test : path
        Its folder.

    Raises
    ------
    ValueError
        Not a square of finite numbers; or as many rows as there are not sounds.
    """
    path = Path(test) / RATINGS
    try:
        d = np.loadtxt(path, ndmin=2)
    except ValueError as error:
        raise ValueError(f"{path} expected rows of numbers, found otherwise: {error}") from None
    n = sum(decode.is_audio_name(p.name) for p in Path(test).iterdir())
    if d.shape != (n, n) or not np.isfinite(d).all():
        raise ValueError(f"{path} expected {n} x {n} finite numbers, one row a sound beside it, found {d.shape}")
    d = np.triu(d, 1)
    return (d + d.T) / max(d.max(), 1e-12)


def agreement(distances, dissimilarities, margin=MARGIN):
    """How well distances of one test agree with listeners, anchor by anchor.

    Parameters
    ----------
    distances, dissimilarities : np.ndarray, (n, n)
        Symmetric; the second scaled to 0..1.
    margin : float

    Returns
    -------
    spearman : np.ndarray, (n,)
        Rank correlation of the distances of an anchor to all others; 0 where all are equal.
    triplets : np.ndarray, (n,)
        Share of the pairs of others, different by more than the margin to listeners, of which the right one is nearer;
        0 where there is no such pair.
    """
    n = len(distances)
    spearman, triplets = np.zeros(n), np.zeros(n)
    for anchor in range(n):
        others = np.arange(n) != anchor
        ours, theirs = distances[anchor, others], dissimilarities[anchor, others]
        if np.ptp(ours) and np.ptp(theirs):
            spearman[anchor] = spearmanr(ours, theirs).statistic
        i, j = np.triu_indices(n - 1, 1)
        gap = theirs[i] - theirs[j]
        asked = np.abs(gap) > margin
        if asked.any():
            triplets[anchor] = np.mean(gap[asked] * (ours[i] - ours[j])[asked] > 0)
    return spearman, triplets


def listening_tests(folder, cfg, run):
    """The sounds of all tests below a folder, analyzed, and what listeners said of them.

    Returns
    -------
    dataset : Dataset
        With a column `test`.
    said : dict of str to np.ndarray, (n, n)
        By test, in the order of the dataset's rows of that test.

    Raises
    ------
    ValueError
        No test there, or one of which a sound cannot be used.
    """
    tests = sorted(path.parent for pattern in (RATINGS, f"*/{RATINGS}") for path in Path(folder).glob(pattern))
    if not tests:
        raise ValueError(f"expected folders with sounds and {RATINGS} in {folder}, found none: check the name")
    said = {test.name: ratings(test) for test in tests}
    tables = [folder_table(test, test.name, test.name).sort_values("path").assign(test=test.name) for test in tests]
    data, skipped = analyze(pd.concat(tables, ignore_index=True), cfg, run)
    if len(skipped):
        raise ValueError(f"{skipped['sound_id'][0]} cannot be used ({skipped['reason'][0]}): a test needs all its sounds")
    return data.leveled(cfg.level), said


def evaluate(points, tests, said):
    """Mean agreement over all anchors of all tests.

    Parameters
    ----------
    points : np.ndarray, (n_sounds, any number of dimensions)
    tests : sequence of str
        The test of each sound.
    said : dict of str to np.ndarray

    Returns
    -------
    dict of str to float
        `spearman`, `triplets`; and the same for each test, `<test>.spearman`, `<test>.triplets`.
    """
    tests, values, anchors = np.asarray(tests), {}, []
    for test, dissimilarities in said.items():
        z = np.asarray(points)[tests == test]
        spearman, triplets = agreement(cdist(z, z), dissimilarities)
        values |= {f"{test}.spearman": float(spearman.mean()), f"{test}.triplets": float(triplets.mean())}
        anchors.append((spearman, triplets))
    spearman, triplets = np.concatenate(anchors, axis=1)
    return {"spearman": float(spearman.mean()), "triplets": float(triplets.mean())} | values


def report(networks, cfg, run):
    """Agreement with listeners of some networks and of what needs no network.

    Parameters
    ----------
    networks : dict of str to Embedder
        By name of the row.
    cfg : Config
    run : paths.Run

    Returns
    -------
    values : dict of str to float
        `<row>.ears_spearman`, `<row>.ears_triplets`; rows are the networks, `mfcc_native` and `log_cqt_native`. Networks also
        have `<row>.ears_trajectory_spearman` and `..._triplets`: of whole trajectories instead of their medians. Empty without tests.
    not_run : dict of str to str
        `ears`: why, without tests.
    """
    folder = sources.folder("timbre_ratings")
    if folder is None:
        return {}, {"ears": DEAF}
    data, said = listening_tests(folder, cfg, paths.Run("ears", str(run.root / "ears")))  # what it skips is its own
    mfcc = np.stack([mean_mfcc(row) for row in data.table.to_dict("records")])
    spaces = {"mfcc_native.ears": mfcc, "log_cqt_native.ears": mean_spectra(data, cfg)}
    for name, network in networks.items():
        z = embed_frames(network, data, cfg)
        spaces[f"{name}.ears"] = sound_points(z, data)
        spaces[f"{name}.ears_trajectory"] = sound_trajectories(z, data).reshape(len(data), -1)
    values = {}
    for name, points in spaces.items():
        found = evaluate(points, data.table["test"], said)
        values |= {f"{name}_{metric}": found[metric] for metric in ("spearman", "triplets")}
    return values, {}


def mean_mfcc(row):
    """Mean over time of 40 mel-frequency cepstral coefficients of a row of a table of sounds, (40,): the bar to beat.

    Source
    ------
    timbremetrics: 128 mel bands of 2,048 samples every 512, HTK mels of equal height, at 44.1 kHz. Our choice: only
    frames within 60 dB of the loudest count, for the end of a sound may be silence.
    """
    y, sr = catalog.audio(row)
    mfcc = librosa.feature.mfcc(y=y, sr=sr, n_mfcc=40, n_fft=2048, hop_length=512, n_mels=128, htk=True, mel_norm=None)
    loud = librosa.feature.rms(y=y, frame_length=2048, hop_length=512)[0]
    return mfcc[:, loud >= loud.max() * 10 ** (-AUDIBLE_DB / 20)].mean(axis=1)
