"""Trained networks in files, each with a card that says what it is, and refused where it does not fit."""

from . import tensors
from .config import SCHEMES, Config
from .model import Embedder
from .paths import whole

ADVICE = "run chapter 03_train for this scheme"


class WeightsMismatch(ValueError):
    """Weights were trained with another front end or network."""


def _shape(cfg, recipe):
    """What weights depend on: the front end they saw, and the network they fill."""
    return {"front_end": cfg.front_end() | {"gain": cfg.gain, "level": cfg.level}, "network": cfg.network(recipe)}


def save_weights(path, model, cfg, recipe, **card):
    """Write the weights of a network with a card; `card` holds what else to say of them, such as data and figures.

    Raises
    ------
    WeightsMismatch
        The network is not that of `cfg` and `recipe`: nobody could open the file.
    """
    state, wanted = model.state_dict(), Embedder(**cfg.network(recipe)).state_dict()
    if {name: each.shape for name, each in state.items()} != {name: each.shape for name, each in wanted.items()}:
        raise WeightsMismatch(f"expected the network of recipe {recipe!r} with these settings, found another: give those that it was made with")
    tensors.write(path, state, **_shape(cfg, recipe), config=cfg.as_dict(), recipe=recipe, **card)


def opened(path):
    """A network in evaluation mode, the settings that it was trained with, and its card, from a file of `save_weights`: (model, cfg, card).

    Raises
    ------
    FileNotFoundError
        No such file; says to train first.
    Damaged
        The file is not whole.
    """
    state, card = tensors.read(path, "weights", ADVICE)

    def fill(path):
        cfg = Config(**{name: tuple(value) if isinstance(value, list) else value for name, value in card["config"].items()})
        model = Embedder(**cfg.network(card["recipe"]))
        model.load_state_dict(state)
        return model.eval(), cfg, card

    return whole(fill, path, "a whole file of weights of this project", ADVICE)


def load_weights(path, cfg, recipe):
    """The network of a file and its card; raises as `opened`, and WeightsMismatch where its front end or network is not that of `cfg`."""
    model, own, card = opened(path)
    file, here = _shape(own, card["recipe"]), _shape(cfg, recipe)
    differing = [
        f"{part} {k}: file {file[part].get(k)!r}, here {here[part].get(k)!r}"
        for part in here for k in here[part] | file[part] if file[part].get(k) != here[part].get(k)
    ]
    if differing:
        raise WeightsMismatch(f"{path} was trained otherwise ({'; '.join(differing)}): choose the same settings or train again")
    return model, card


def open_weights(file, scheme=None):
    """A network and the settings that it was trained with; raises as `opened`, and WeightsMismatch where it is another scheme's."""
    model, cfg, card = opened(file)
    if scheme in SCHEMES and card.get("scheme") != scheme:
        raise WeightsMismatch(f"{file} is no network of the scheme {scheme}, found {card.get('scheme')}: get it again, or name another file")
    return model, cfg
