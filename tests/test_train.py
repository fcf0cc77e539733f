"""Training is repeatable bit for bit, learns, reports, and stops when it is lost."""

import numpy as np
import pytest
import torch

from dml_lib import tensors, train as training
from dml_lib.config import RECIPES, SCHEMES
from dml_lib.loss import triplet_loss
from dml_lib.model import Embedder
from dml_lib.neighborhoods import Neighborhoods
from dml_lib.paths import Damaged
from dml_lib.sampler import TripletSampler
from dml_lib.train import Diverged, History, Ours, series, train, untrained

recipes = pytest.mark.parametrize("recipe", RECIPES)
on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@recipes
def test_the_same_seed_gives_the_same_bits(recipe, dataset, cfg):
    first, history = train(cfg, "instrument_pitch_2", recipe, dataset, progress=False)
    torch.rand(3), np.random.random(3)  # global generators play no part
    second, again = train(cfg, "instrument_pitch_2", recipe, dataset, progress=False)
    assert torch.equal(weights(first), weights(second)) and history.loss == again.loss
    other, _ = train(cfg.with_(seed=4), "instrument_pitch_2", recipe, dataset, progress=False)
    assert not torch.equal(weights(first), weights(other))
    untrained = Embedder(n_bins=40, size="small", seed=cfg.seed)
    assert not torch.equal(weights(first), weights(untrained))
    assert not first.training


@recipes
@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_trains(recipe, scheme, dataset, cfg):
    model, history = train(cfg, scheme, recipe, dataset, progress=False)
    assert [iteration for iteration, _ in history.loss] == [1, 2, 3]
    assert all(np.isfinite(value) and 0 < value < 6 for _, value in history.loss)
    with torch.no_grad():
        assert model(torch.zeros(2, 10, 40)).shape == (2, 3)


def test_loss_falls_on_easy_data(make_dataset, cfg):
    cfg = cfg.with_(ours_iterations=30, ours_learning_rate=0.01)
    _, history = train(cfg, "instrument", "ours", make_dataset(easy=True), progress=False)
    loss = [value for _, value in history.loss]
    assert len(loss) == 30
    assert loss[0] == pytest.approx(np.log(31 / 7), abs=0.3)  # about as if all points were in one place: 7 of 31 are right
    assert np.mean(loss[-5:]) < 0.3


@pytest.mark.parametrize("scheme", ["instrument", "pitch"])
def test_the_papers_recipe_is_plain_gradient_descent(scheme, dataset, cfg):
    """Weights minus rate times gradient, written out: no momentum, no decay, no schedule."""
    cfg = cfg.with_(paper_iterations=5, learning_rate=1.0)
    trained, history = train(cfg, scheme, "paper", dataset, progress=False)
    model, losses = untrained(cfg), []
    sampler = TripletSampler(dataset, Neighborhoods(dataset.table, scheme), cfg)
    for _ in range(5):
        anchor, positive, negative = (model(torch.from_numpy(x)) for x in sampler.batch())
        penalty = 0.001 if scheme == "instrument" else 0.002
        losses.append(triplet_loss(anchor, positive, negative, 0.0, 1.0, "paper", penalty))
        gradients = torch.autograd.grad(losses[-1], list(model.parameters()))
        with torch.no_grad():
            for p, gradient in zip(model.parameters(), gradients):
                p -= gradient
    assert (weights(trained) - weights(untrained(cfg))).abs().max() > 1e-3
    torch.testing.assert_close(weights(trained), weights(model), atol=1e-6, rtol=0)
    assert [value for _, value in history.loss] == pytest.approx([loss.item() for loss in losses], rel=1e-5)


def test_our_recipe_warms_up_and_cools_down(dataset, cfg):
    """A step of AdamW is about as long as its learning rate, which rises and falls."""
    seen = []

    def validate(model):
        seen.append(weights(model))
        return 0.5

    cfg = cfg.with_(ours_iterations=21, validations=21, ours_loss="pairs", unit_gain=False)  # whose gradients hardly turn
    train(cfg, "pitch", "ours", dataset, validate, progress=False)
    steps = [(b - a).abs().median().item() for a, b in zip(seen, seen[1:])]  # from the second iteration on
    peak = int(np.argmax(steps))
    assert len(steps) == 20 and 2 <= peak <= 10
    assert steps[peak] > 5 * steps[0] and steps[peak] > 20 * steps[-1]
    assert steps[peak] == pytest.approx(cfg.ours_learning_rate, rel=0.5)


def test_our_recipe_starts_with_weights_of_unit_gain(dataset, cfg):
    """With a learning rate of nothing they are the first weights, scaled layer by layer, or as the paper's."""
    cfg = cfg.with_(ours_iterations=1, ours_learning_rate=0.0)
    first, started = untrained(cfg, "ours"), train(cfg, "pitch", "ours", dataset, progress=False)[0]
    for (name, a), b in zip(first.named_parameters(), started.parameters()):
        if a.ndim > 1:
            torch.testing.assert_close(b, a / 0.01 / a[0].numel() ** 0.5)
    as_paper, _ = train(cfg.with_(unit_gain=False), "pitch", "ours", dataset, progress=False)
    assert torch.equal(weights(as_paper), weights(first))


def test_our_recipe_by_pairs_is_the_papers_two_costs(dataset, cfg):
    cfg = cfg.with_(ours_iterations=1, ours_loss="pairs")
    _, history = train(cfg.with_(unit_gain=False), "pitch", "ours", dataset, progress=False)
    assert history.loss[0][1] == pytest.approx(1, abs=0.01)  # all points in one place: only the margin costs
    with pytest.raises(ValueError, match="unknown loss of our recipe 'pair'"):
        train(cfg.with_(ours_loss="pair"), "pitch", "ours", dataset, progress=False)


def test_the_origin_penalty_of_the_scheme_is_part_of_the_papers_loss(make_dataset, cfg):
    """With margins that nothing reaches, only the penalty is left to move the weights."""
    start = weights(Embedder(n_bins=40, size="small", seed=cfg.seed))
    dataset = make_dataset()
    dataset.table["note_number"] = 60 + np.arange(40) % 4  # as the instruments: both schemes draw the same triplets
    change = {}
    for scheme in ("instrument", "pitch"):
        settings = cfg.with_(paper_iterations=1, margin_pos=100.0, margin_neg=0.0, learning_rate=1.0)
        model, history = train(settings, scheme, "paper", dataset, progress=False)
        change[scheme] = (weights(model) - start).double()
        assert 0 < history.loss[0][1] < 1e-4
    torch.testing.assert_close(change["pitch"], 2 * change["instrument"], atol=1e-8, rtol=0.01)


@recipes
def test_validate_is_called_when_due_and_at_the_end(recipe, dataset, cfg):
    seen = []

    def validate(model):
        seen.append((model.training, weights(model)))
        return len(seen) / 10

    cfg = cfg.with_(validations=3, paper_iterations=7, ours_iterations=7)
    model, history = train(cfg, "instrument", recipe, dataset, validate, progress=False)
    assert history.val_knn_by_iteration == [(2, 0.1), (5, 0.2), (7, 0.3)]
    assert [value for _, value in history.val_knn_by_second] == [0.1, 0.2, 0.3]
    seconds = [second for second, _ in history.val_knn_by_second]
    assert 0 < seconds[0] < seconds[1] < seconds[2] < 60
    assert not any(training for training, _ in seen)
    assert torch.equal(seen[-1][1], weights(model)) and not torch.equal(seen[0][1], seen[1][1])


@recipes
def test_validation_changes_nothing(recipe, dataset, cfg):
    plain, _ = train(cfg, "pitch", recipe, dataset, progress=False)
    watched, history = train(cfg.with_(validations=3), "pitch", recipe, dataset, lambda model: 0.5, progress=False)
    assert torch.equal(weights(plain), weights(watched))
    assert [iteration for iteration, _ in history.val_knn_by_iteration] == [1, 2, 3]


def test_validation_is_last_at_the_end_and_never_twice_at_one_iteration(dataset, cfg):
    for validations, expected in ((1, [3]), (2, [2, 3]), (50, [1, 2, 3])):
        _, history = train(cfg.with_(validations=validations), "pitch", "ours", dataset, lambda model: 0.5, progress=False)
        assert [iteration for iteration, _ in history.val_knn_by_iteration] == expected
    _, history = train(cfg, "pitch", "ours", dataset, progress=False)
    assert history.val_knn_by_iteration == history.val_knn_by_second == []


def test_history_has_about_a_hundred_means(dataset, cfg):
    _, history = train(cfg.with_(paper_iterations=200), "pitch", "paper", dataset, progress=False)
    assert [iteration for iteration, _ in history.loss] == list(range(2, 201, 2))


def test_series_names_each_curve_by_recipe(dataset, cfg):
    histories = {r: train(cfg, "pitch", r, dataset, lambda model: 0.5, progress=False)[1] for r in RECIPES}
    curves = series(histories)
    assert set(curves) == {f"{r}.{c}" for r in RECIPES for c in ("loss", "val_knn_by_iteration", "val_knn_by_second")}
    assert curves["paper.loss"] == histories["paper"].loss != curves["ours.loss"]
    assert series({"ours": History()}) == {"ours.loss": [], "ours.val_knn_by_iteration": [], "ours.val_knn_by_second": []}


def test_untrained_is_where_training_starts(dataset, cfg):
    assert torch.equal(weights(untrained(cfg)), weights(untrained(cfg))) and not untrained(cfg).training
    model, _ = train(cfg.with_(paper_iterations=1, learning_rate=0.0), "pitch", "paper", dataset, progress=False)
    assert torch.equal(weights(model), weights(untrained(cfg)))


@recipes
def test_features_that_are_not_numbers_stop_the_training(recipe, dataset, cfg):
    dataset.frames[:] = np.nan
    with pytest.raises(Diverged, match=f"loss is nan at iteration 1 of pitch, recipe {recipe}: lower the learning rate"):
        with np.errstate(invalid="ignore"):
            train(cfg, "pitch", recipe, dataset, progress=False)


class Killed(Exception):
    pass


@on_gpu
@pytest.mark.parametrize("recipe, near", [("paper", 1e-3), ("ours", 3e-2)])  # ours computes with 8 bits there
def test_a_gpu_learns_what_the_processor_learns(recipe, near, dataset, cfg):
    cfg = cfg.with_(learning_rate=0.3, paper_iterations=10, ours_iterations=20)  # far enough that schemes differ by .7 and .15

    def learned(device):
        model, history = train(cfg, "pitch", recipe, dataset, progress=False, device=device)
        assert model.device.type == device and len(history.trained_on) == 1 and (device == "cuda") == ("device" in [*history.trained_on][0])
        return weights(model).cpu() - weights(untrained(cfg, recipe))

    here, there = learned("cpu"), learned("cuda")
    assert (there - here).norm() < near * here.norm()


@recipes
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=on_gpu)])
@pytest.mark.parametrize("last", [1, 4, 6])
def test_killed_and_resumed_is_the_uninterrupted_run_bit_for_bit(recipe, last, device, dataset, cfg, tmp_path, monkeypatch):
    """A checkpoint after each step, and an end without warning after one of them."""
    cfg = cfg.with_(paper_iterations=7, ours_iterations=7, validations=7)
    accuracies = {n: 0.5 - abs(n - 3) / 10 for n in range(1, 8)}  # the third weights are the best

    def validate(model):
        validate.calls += 1
        return accuracies[validate.calls]

    validate.calls = 0
    whole, history = train(cfg, "instrument_pitch_2", recipe, dataset, validate, progress=False, device=device)
    monkeypatch.setattr(training, "CHECKPOINT_S", 0.0)
    path, write = tmp_path / "run" / "c.safetensors", tensors.write

    def dies(*args, **card):
        write(*args, **card)
        if card["iteration"] == last:
            raise Killed

    validate.calls = 0
    with monkeypatch.context() as mortal, pytest.raises(Killed):
        mortal.setattr(tensors, "write", dies)
        train(cfg, "instrument_pitch_2", recipe, dataset, validate, progress=False, checkpoint=path, device=device)
    assert validate.calls == last
    resumed, again = train(cfg, "instrument_pitch_2", recipe, dataset, validate, progress=False, checkpoint=path, device=device)
    assert validate.calls == 7 and torch.equal(weights(resumed), weights(whole))
    assert [tuple(x) for x in again.loss] == history.loss
    assert [tuple(x) for x in again.val_knn_by_iteration] == history.val_knn_by_iteration
    assert list(again.trained_on.values()) == [7] and again.trained_on == history.trained_on
    assert not path.exists()


def test_what_began_elsewhere_is_told_apart(dataset, cfg, tmp_path, monkeypatch):
    cfg, path, write = cfg.with_(paper_iterations=5), tmp_path / "c.safetensors", tensors.write

    def dies(*args, **card):
        write(*args, **card)
        if card["iteration"] == 2:
            raise Killed

    monkeypatch.setattr(training, "CHECKPOINT_S", 0.0)
    with monkeypatch.context() as there, pytest.raises(Killed):
        there.setattr(tensors, "write", dies)
        there.setattr(training, "machine", lambda device: {"device": "another"})
        train(cfg, "pitch", "paper", dataset, progress=False, checkpoint=path)
    _, history = train(cfg, "pitch", "paper", dataset, progress=False, checkpoint=path)
    assert history.trained_on.pop("another device") == 2 and list(history.trained_on.values()) == [3]


def test_the_best_weights_of_our_recipe_and_the_last_of_the_papers_are_kept(dataset, cfg):
    for recipe, kept in (("ours", 1), ("paper", 3)):
        seen = []

        def validate(model):
            seen.append(weights(model))
            return [0.2, 0.9, 0.1, 0.3][len(seen) - 1]

        cfg = cfg.with_(paper_iterations=4, ours_iterations=4, validations=4)
        model, _ = train(cfg, "pitch", recipe, dataset, validate, progress=False)
        assert torch.equal(weights(model), seen[kept]) and not torch.equal(seen[1], seen[3])
    start, seen = model, []
    moved, _ = train(cfg, "pitch", "paper", dataset, lambda model: 0.1, progress=False, start=start)
    assert not torch.equal(weights(moved), weights(start))


@pytest.mark.parametrize("accuracy, judged, n_sounds, kept", [
    (0.0, [], 100, True),
    (0.5, [(1, 0.54)], 100, True),  # 0.54 of 100 sounds is known to 0.05
    (0.5, [(1, 0.54)], 10_000, False),
    (0.48, [(1, 0.54), (2, 0.5)], 100, False),  # below the best, not only below the last, by more than that
    (0.6, [(1, 0.54)], 10_000, True),
    (0.5, [(0, 0.54)], 100, False),  # what it began with is reached, or stays
    (0.54, [(0, 0.54), (1, 0.56)], 100, True),
])
def test_the_last_weights_are_kept_unless_others_were_better_than_a_judgement_can_err(accuracy, judged, n_sounds, kept):
    assert training.worth_keeping(accuracy, judged, n_sounds) is kept


def test_a_checkpoint_of_another_training_is_refused(dataset, cfg, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "CHECKPOINT_S", 0.0)
    with monkeypatch.context() as mortal, pytest.raises(FileNotFoundError):
        mortal.setattr(training.Path, "unlink", lambda *a, **k: (_ for _ in ()).throw(FileNotFoundError))
        train(cfg, "pitch", "ours", dataset, progress=False, checkpoint=tmp_path / "c.safetensors")
    with pytest.raises(ValueError, match="belongs to another training .*: delete it, or choose another file"):
        train(cfg.with_(seed=9), "pitch", "ours", dataset, progress=False, checkpoint=tmp_path / "c.safetensors")
    (tmp_path / "c.safetensors").write_bytes(b"half")
    with pytest.raises(Damaged, match="not a whole file of checkpoint"):
        train(cfg, "pitch", "ours", dataset, progress=False, checkpoint=tmp_path / "c.safetensors")


@recipes
def test_time_is_accounted_for(recipe, dataset, cfg):
    _, history = train(cfg, "pitch", recipe, dataset, progress=False)
    assert 0 < history.waiting < 1 and 0 < history.seconds < 60


def test_unknown_recipe_and_scheme(dataset, cfg):
    with pytest.raises(ValueError, match=r"unknown recipe 'our'.*Did you mean 'ours'\?"):
        train(cfg, "pitch", "our", dataset, progress=False)
    with pytest.raises(ValueError, match="unknown scheme 'timbre'"):
        train(cfg, "timbre", "ours", dataset, progress=False)


def test_another_learner_than_the_two_recipes(dataset, cfg):
    class Narrow(Ours):
        network = "paper"

        def loss(self, z, sounds):
            return z.square().mean() * (sounds < 40).all()

    model, history = train(cfg.with_(ours_deep=True), "pitch", Narrow, dataset, progress=False)
    assert model.deep is None and len(history.loss) == 3
    assert not torch.equal(weights(model), weights(train(cfg, "pitch", "ours", dataset, progress=False)[0]))
