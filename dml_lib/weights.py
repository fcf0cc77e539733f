"""Trained networks in files, each with a card that says what it is, and refused where it does not fit."""

from . import tensors
from .config import SCHEMES, Config
from .model import Embedder
from .paths import Damaged, find_weights as find  # from there, since it needs no torch

ADVICE = "run chapter 03_train for this scheme"


class WeightsMismatch(ValueError):
    """Weights were trained with another front end or network."""


def _shape(cfg, recipe):
    """What weights depend on: the front end they saw, and the network they fill."""
    return {"front_end": cfg.front_end() | {"gain": cfg.gain, "level": cfg.level}, "network": cfg.network(recipe)}


def save_weights(path, model, cfg, recipe, **card):
    """Write the weights of a network with a card; `card` holds what else to say of them, such as data and figures."""
    tensors.write(path, model.state_dict(), **_shape(cfg, recipe), config=cfg.as_dict(), recipe=recipe, **card)


def load_weights(path, cfg, recipe):
    """Read weights written by `save_weights`.

    Returns
    -------
    model : Embedder
        In evaluation mode.
    card : dict

    Raises
    ------
    FileNotFoundError
        No such file; says to train first.
    Damaged
        The file is not whole.
    WeightsMismatch
        Its front end or network is not that of `cfg`.
    """
    state, card = tensors.read(path, "weights", ADVICE)
    try:
        differing = [
            f"{part} {k}: file {card[part].get(k)!r}, here {v!r}"
            for part, here in _shape(cfg, recipe).items()
            for k in here | card[part] if card[part].get(k) != (v := here.get(k))
        ]
    except (KeyError, AttributeError, TypeError) as error:
        raise Damaged(f"{path} is not a whole file of weights of this project ({error!r}): {ADVICE}") from None
    if differing:
        raise WeightsMismatch(f"{path} was trained otherwise ({'; '.join(differing)}): choose the same settings or train again")
    model = Embedder(**cfg.network(recipe))
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise Damaged(f"{path} does not hold the layers of the network ({error}): {ADVICE}") from None
    return model.eval(), card


def open_weights(file, scheme=None):
    """A network and the settings that it was trained with, from the card of its file: (model, cfg).

    Raises
    ------
    Damaged
        The file is not whole.
    WeightsMismatch
        `scheme` is one of `SCHEMES`, and the file is another's.
    """
    card = tensors.read(file, "weights", ADVICE)[1]
    try:
        cfg = Config(**{name: tuple(value) if isinstance(value, list) else value for name, value in card["config"].items()})
        recipe = card["recipe"]
    except (KeyError, AttributeError, TypeError) as error:
        raise Damaged(f"{file} is not a whole file of weights of this project ({error!r}): {ADVICE}") from None
    if scheme in SCHEMES and card.get("scheme") != scheme:
        raise WeightsMismatch(f"{file} is no network of the scheme {scheme}, found {card.get('scheme')}: get it again, or name another file")
    return load_weights(file, cfg, recipe)[0], cfg
