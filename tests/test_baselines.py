"""Baselines: a row for every name, spaces of the right shape that separate what is easy to separate, the same every time."""

import numpy as np
import pytest

from dml_lib import baselines, paths, tensors, timbre
from dml_lib.baselines import METHODS, fit
from dml_lib.config import Config
from dml_lib.dataset import analyze
from dml_lib.embed import sound_points
from dml_lib.nearest import knn_predict
from dml_lib.sounds import catalog

NAMES = {
    "pca", "pca_lda", "mds", "lle", "isomap", "nca", "nca_nonlinear", "drlim", "wsabie", "triplet", "supcon", "softmax_bottleneck", "untrained",
    "tsne", "umap", "mfcc", "log_cqt",
}
NETWORKS = {name for name, method in METHODS.items() if method.sees == "windows"}
pytestmark = [  # Isomap, where classes are so far apart that no neighbor is in another
    pytest.mark.filterwarnings("ignore:The number of connected components of the neighbors graph:UserWarning"),
    pytest.mark.filterwarnings("ignore:Changing the sparsity structure:scipy.sparse.SparseEfficiencyWarning"),
]
every = pytest.mark.parametrize("name", sorted(METHODS))


@pytest.fixture
def easy(make_dataset):
    """120 sounds that are easy to tell apart, with vectors of two kinds: (training sounds, others)."""
    dataset = make_dataset(120, easy=True)
    rng = np.random.default_rng(0)
    dataset.table["spectrum"] = [dataset.features(i).mean(axis=0, dtype=np.float32) for i in range(120)]
    place = dataset.table["instrument"].map({"cello": 0, "flute": 1, "oboe": 2, "tuba": 3}).to_numpy()
    dataset.table["mfcc"] = list(rng.normal(size=(120, 40)) + 8 * np.eye(4, 40)[place])
    learn = (dataset.table["random"] == "train").to_numpy()
    return dataset.subset(learn), dataset.subset(~learn), dataset


@pytest.fixture
def cfg(cfg):
    """Enough training for what is easy."""
    return cfg.with_(ours_iterations=40, ours_learning_rate=0.01)


def test_every_method_that_the_paper_sets_itself_against_has_its_row():
    assert NAMES | {"ours"} == set(METHODS)
    assert all(method.title and method.source and method.native > 1 for method in METHODS.values())
    assert {name for name, method in METHODS.items() if method.transductive} == {"mds", "tsne"}
    assert {name for name, method in METHODS.items() if method.labels} == (NETWORKS - {"untrained"}) | {"pca_lda", "nca"}


@every
@pytest.mark.parametrize("native", [False, True])
def test_every_method_sets_apart_what_is_easy(name, native, easy, cfg):
    learn, others, dataset = easy
    space = fit(name, learn, "instrument", cfg, native)
    frames, points = space(dataset)
    method = METHODS[name]
    most = min(method.native if native else 3, 3 if name == "pca_lda" else 72 if name in NETWORKS else 40)
    assert points.shape == (120, 256 if native and name == "softmax_bottleneck" else most)
    assert points.dtype == np.float32 and np.isfinite(points).all()
    if name in NETWORKS:
        np.testing.assert_array_equal(points, sound_points(frames, dataset))
    else:
        assert frames is None
    y = dataset.table["instrument"].astype("category").cat.codes.to_numpy(int)
    known = np.isin(dataset.table["sound_id"], learn.table["sound_id"])
    right = knn_predict(points[known], y[known], points[~known], (5,))[0] == y[~known]
    assert right.mean() > 0.9


@every
def test_the_same_seed_makes_the_same_space(name, easy, cfg):
    learn, others, _ = easy
    cfg = cfg.with_(ours_iterations=3)
    first, second = (fit(name, learn, "pitch", cfg)(others)[1] for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", sorted(name for name, method in METHODS.items() if not method.transductive))
def test_a_sound_lies_where_it_lies_whoever_is_with_it(name, easy, cfg):
    learn, others, dataset = easy
    space = fit(name, learn, "instrument", cfg.with_(ours_iterations=3))
    alone = space(others.subset(np.arange(len(others)) < 20))[1]
    if name != "umap":  # which optimizes the places of new sounds together
        np.testing.assert_allclose(space(others)[1][:20], alone, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("name", ["mds", "tsne"])
def test_transductive_methods_place_training_sounds_and_others_together(name, easy, cfg):
    learn, others, dataset = easy
    space = fit(name, learn, "instrument", cfg)
    assert space(others)[1].shape == (len(others), 3)
    together, again = space(dataset)[1], space(dataset.subset(np.ones(120, bool)))[1]
    np.testing.assert_array_equal(together, again)
    known = np.isin(dataset.table["sound_id"], learn.table["sound_id"])
    inside = [np.linalg.norm(together[known] - point, axis=1).min() for point in together[~known]]
    assert np.median(inside) < np.ptp(together, axis=0).max() / 4  # in one frame of reference


def test_labels_are_seen_by_those_who_learn_from_them_only(easy, cfg):
    learn, others, _ = easy
    cfg = cfg.with_(ours_iterations=3)
    shuffled = learn.table.assign(instrument=np.random.default_rng(0).permutation(learn.table["instrument"]))
    other = type(learn)(shuffled, learn.frames, learn.n_frames)
    for name, method in METHODS.items():
        a, b = (fit(name, train, "instrument", cfg)(others)[1] for train in (learn, other))
        assert np.array_equal(a, b) == (not method.labels), name


def test_sounds_without_a_label_are_left_out(easy, cfg):
    learn, others, _ = easy
    learn.table["instrument"] = learn.table["instrument"].astype(object)
    learn.table.loc[[0, 5, 9], "instrument"] = None
    rest = learn.subset(learn.table["instrument"].notna().to_numpy())
    for name in ("pca_lda", "nca"):
        np.testing.assert_array_equal(*(fit(name, train, "instrument", cfg)(others)[1] for train in (learn, rest)))
    for name in ("wsabie", "softmax_bottleneck", "triplet"):
        assert np.isfinite(fit(name, learn, "instrument", cfg.with_(ours_iterations=2))(others)[1]).all()


def test_unknown_names(easy, cfg):
    with pytest.raises(ValueError, match=r"unknown method 'isomop'.*Did you mean 'isomap'\?"):
        fit("isomop", easy[0], "instrument", cfg)
    with pytest.raises(ValueError, match=r"unknown label 'pich'.*Did you mean 'pitch'\?"):
        fit("pca", easy[0], "pich", cfg)


def test_mfcc_and_spectra_of_files_and_of_rendered_notes(tmp_path, tone):
    cfg, run = Config(threads=1, sounds_per_instrument=1), paths.Run("t", str(tmp_path / "run"))
    table = catalog.table(cfg).iloc[:3]
    dataset, _ = analyze(table, cfg, run, progress=False)
    described = baselines.described(dataset, cfg, run)
    assert "mfcc" not in dataset.table and np.stack(described.table["spectrum"]).shape == (3, 192)
    for row, mfcc in zip(table.to_dict("records"), described.table["mfcc"]):
        np.testing.assert_allclose(mfcc, timbre.mean_mfcc(row))
    kept = list((tmp_path / "run" / "mean_mfcc").iterdir())
    assert len(kept) == 1
    tensors.write(kept[0], {"mfcc": np.zeros((3, 40))})
    assert not np.stack(baselines.described(dataset, cfg, run).table["mfcc"]).any()  # read, not computed again


def test_cost_grows_with_the_number_of_sounds():
    x = np.random.default_rng(0).normal(size=(401, 20))
    for name in ("mds", "isomap"):
        few, many = baselines.cost(name, x[:101]), baselines.cost(name, x)
        assert set(few) == {"fit_s", "place_s", "peak_mb"} and all(value > 0 for value in few.values())
        assert many["peak_mb"] > 400 ** 2 * 8 / 1e6 > 2 * few["peak_mb"] - 1  # at least one matrix of all pairs
