"""Named tensors and a card in one file: how weights, embeddings and checkpoints are kept.

Files are safetensors: nothing is ever unpickled. A file is written beside its place and renamed into it, so it is there
whole or not at all.
"""

import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save

from .paths import replace_file, whole


def write(path, tensors, **card):
    """Write tensors by name, and a card of anything JSON can write."""
    tensors = {name: torch.as_tensor(tensor).detach().contiguous() for name, tensor in tensors.items()}
    body = save(tensors, {"card": json.dumps(card)})
    replace_file(path, lambda part: part.write_bytes(body))


def read(path, what, advice):
    """Read what `write` wrote.

    Parameters
    ----------
    path : path
    what, advice : str
        What the file is, and what to do where there is none or it is damaged: for the message.

    Returns
    -------
    tensors : dict of str to torch.Tensor
    card : dict

    Raises
    ------
    FileNotFoundError
        No such file.
    Damaged
        The file is not whole.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no {what} at {path}: {advice}")
    return whole(_read, path, f"a whole file of {what} of this project", advice)


def _read(path):
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["card"])
