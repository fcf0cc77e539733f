"""What the paper sets itself against, and what has come since: every method makes a space of the same sounds.

Conventions: a method is *fitted* to training sounds and gives a *space*, a function that places any sounds. Each comes in
three dimensions and in its *native* size. Methods without a network see one vector a sound, `spectrum` or `mfcc`; those with
one see windows, and train our network with our budget. A method that learns from labels learns instruments or notes, and is
judged by what it learned. A *transductive* method has no function for new sounds: it is fitted again to training sounds and
new ones together, which no other method is allowed to see.

Source
------
Paper, sections 1 and 2, names most; each row of `METHODS` says where it is from. Used by chapter 04.
"""

import time
import tracemalloc
import warnings
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.manifold import MDS, TSNE, Isomap, LocallyLinearEmbedding
from sklearn.neighbors import NeighborhoodComponentsAnalysis
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from . import learners, tensors, timbre, train
from .config import check_name
from .embed import embed_frames, sound_points
from .evaluate import COLUMNS
from .geometry import mean_spectra
from .store import digest

NEAR = 12  # neighbors of LLE and Isomap


@dataclass(frozen=True)
class Method:
    """One method.

    Attributes
    ----------
    title, source : str
    native : int
        Dimensions that it has where nothing asks for three.
    make : callable or None
        Of a vector method: (n_dims, seed) -> scikit-learn estimator; of a network method: a class for `train.train`, or
        None for a network that is not trained.
    labels : bool
        Whether it learns from labels.
    sees : str
        "spectrum" (mean log constant-Q), "mfcc" or "windows".
    new : str
        What placing a new sound takes: "function", "all" (a look at all sounds that it was fitted to), "refit" (transductive).
    few : bool
        Whether it is to be fitted to few sounds, for its cost grows faster than their number.
    """

    title: str
    source: str
    native: int
    make: object
    labels: bool = False
    sees: str = "spectrum"
    new: str = "function"
    few: bool = False

    @property
    def transductive(self):
        """Whether it has no function for new sounds."""
        return self.new == "refit"


def _umap(n_dims, seed):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Tensorflow not installed", ImportWarning)
        from umap import UMAP  # compiles for seconds
    return UMAP(n_components=n_dims, random_state=seed, n_jobs=1)


NETWORK = dict(native=32, labels=True, sees="windows")
METHODS = {
    "log_cqt": Method("mean log constant-Q, its principal components", "our front end", 192, lambda n, seed: PCA(n, svd_solver="full")),
    "mfcc": Method("mean MFCC, its principal components", "timbremetrics", 40, lambda n, seed: PCA(n, svd_solver="full"), sees="mfcc"),
    "pca": Method("PCA", "Pearson 1901", 32, lambda n, seed: PCA(n, svd_solver="full")),
    "pca_lda": Method(
        "PCA, then LDA", "Humphrey 2015", 23,
        lambda n, seed: make_pipeline(PCA(svd_solver="full"), LinearDiscriminantAnalysis(n_components=n)), labels=True,
    ),
    "mds": Method(
        "metric MDS", "Borg and Groenen 2005", 32,
        lambda n, seed: MDS(n, init="classical_mds", random_state=seed), new="refit", few=True,
    ),
    "lle": Method(
        "LLE", "Roweis and Saul 2000", 32,
        lambda n, seed: LocallyLinearEmbedding(n_neighbors=NEAR, n_components=n, eigen_solver="dense"), new="all", few=True,
    ),
    "isomap": Method(
        "Isomap", "Tenenbaum et al. 2000", 32, lambda n, seed: Isomap(n_neighbors=NEAR, n_components=n), new="all", few=True,
    ),
    "tsne": Method(
        "t-SNE", "van der Maaten and Hinton 2008", 2, lambda n, seed: TSNE(n, random_state=seed), new="refit", few=True,
    ),
    "umap": Method("UMAP", "McInnes et al. 2018", 2, _umap, new="all", few=True),
    "nca": Method(
        "NCA, linear", "Goldberger et al. 2004", 32,
        lambda n, seed: NeighborhoodComponentsAnalysis(n, random_state=seed), labels=True, few=True,
    ),
    "untrained": Method("our network, untrained", "our choice", **NETWORK | dict(make=None, labels=False)),
    "nca_nonlinear": Method("NCA, paper's network", "Salakhutdinov and Hinton 2007", make=learners.NcaNonlinear, **NETWORK),
    "drlim": Method("DrLIM", "Hadsell et al. 2006", make=learners.DrLIM, **NETWORK),
    "wsabie": Method("WSABIE", "Weston et al. 2011", make=learners.Wsabie, **NETWORK),
    "triplet": Method("triplet margin", "Schroff et al. 2015", make=learners.Triplet, **NETWORK),
    "supcon": Method("supervised contrast", "Khosla et al. 2020", make=learners.SupCon, **NETWORK),
    "softmax_bottleneck": Method("softmax classifier", "our choice", make=learners.Softmax, **NETWORK | dict(native=256)),
    "ours": Method("our recipe", "our choice", make=train.Ours, **NETWORK),
}


def described(dataset, cfg, run):
    """The same sounds with the vectors that methods without a network see, in columns `spectrum` and `mfcc` of their table.

    MFCC need the sounds themselves: they are rendered or decoded once, and kept in the folder of the run.

    Parameters
    ----------
    dataset : Dataset
    cfg : Config
    run : paths.Run

    Returns
    -------
    Dataset
    """
    rows = dataset.table.to_dict("records")
    path = run.root / "mean_mfcc" / f"{digest([(row['sound_id'], row['checksum']) for row in rows])}.safetensors"
    if not path.is_file():
        found = Parallel(cfg.threads)(delayed(timbre.mean_mfcc)(row) for row in tqdm(rows, desc="mfcc", unit=" sounds"))
        tensors.write(path, {"mfcc": np.stack(found)})
    vectors = {"spectrum": list(mean_spectra(dataset, cfg)), "mfcc": list(tensors.read(path, "coefficients", "delete it")[0]["mfcc"].numpy())}
    return replace(dataset, table=dataset.table.assign(**vectors))


def fit(name, learn, label, cfg, native=False, validate=None):
    """Fit a method to training sounds.

    Parameters
    ----------
    name : str
        One of `METHODS`.
    learn : Dataset
        Training sounds; for vector methods with the columns of `described`.
    label : str
        `instrument` or `pitch`: what a method that learns from labels learns.
    cfg : Config
    native : bool
        In its native size, else in `cfg.n_dims` dimensions; at most as many as its vectors or classes allow.
    validate : callable, optional
        As in `train.train`, for network methods.

    Returns
    -------
    space : callable
        Dataset -> (frames, points): (n_frames_total, n_dims) or None where the method has no frames, and (n_sounds, n_dims),
        float32.

    Raises
    ------
    ValueError
        Unknown method or label.
    """
    method = METHODS[check_name("method", name, METHODS)]
    column = learn.table[COLUMNS[check_name("label", label, COLUMNS)]]
    n_dims = method.native if native else cfg.n_dims
    if method.sees == "windows":
        return _network(method, learn, label, cfg.with_(n_dims=n_dims), validate)
    learn = learn.subset(column.notna().to_numpy()) if method.labels else learn
    x, classes = np.stack(learn.table[method.sees]), pd.factorize(column.dropna())[0]
    n_dims = min(n_dims, *x.shape, classes.max() if name == "pca_lda" else n_dims)
    model = method.make(n_dims, cfg.seed)
    if not method.transductive:
        model.fit(x, classes if method.labels else None)

    def space(dataset):
        if not method.transductive:
            return None, model.transform(np.stack(dataset.table[method.sees])).astype(np.float32)
        together = pd.concat([learn.table, dataset.table]).drop_duplicates("sound_id")
        placed = pd.DataFrame(model.fit_transform(np.stack(together[method.sees])), together["sound_id"])
        return None, placed.loc[dataset.table["sound_id"]].to_numpy(np.float32)

    return space


def _network(method, learn, label, cfg, validate):
    if method.make:
        model, _ = train.train(cfg, label, method.make, learn, validate)
    else:
        model = train.untrained(cfg, "ours")

    def space(dataset):
        frames = embed_frames(model, dataset, cfg)
        return frames, sound_points(frames, dataset)

    return space


def cost(name, x):
    """What a vector method costs in three dimensions.

    Parameters
    ----------
    name : str
    x : np.ndarray, (n_sounds, n_features)
        Vectors; it is fitted to all but the last, which is placed afterwards.

    Returns
    -------
    dict of str to float
        `fit_s` and `place_s`, seconds of one core to fit and to place one new sound, which for a transductive method is to
        fit again; `peak_mb`, the most memory that its arrays took, in MB.
    """
    method = METHODS[check_name("method", name, METHODS)]
    model, known, seconds = method.make(3, 0), x[:-1], []
    steps = (
        lambda: model.fit(known),
        lambda: model.fit(x) if method.transductive else model.transform(x[-1:]),
    )
    tracemalloc.start()
    with threadpool_limits(1):  # threads that wait for each other are counted as work
        for step in steps:
            began = time.process_time()
            step()
            seconds.append(time.process_time() - began)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {"fit_s": seconds[0], "place_s": seconds[1], "peak_mb": peak / 1e6}
