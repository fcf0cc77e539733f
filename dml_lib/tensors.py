"""Named tensors and a card in one file: how weights, embeddings and checkpoints are kept.

Files are safetensors: nothing is ever unpickled. A file is written beside its place and renamed into it, so it is there
whole or not at all.
"""

import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from .paths import Damaged


def write(path, tensors, **card):
    """Write tensors by name, and a card of anything JSON can write."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    tensors = {name: torch.as_tensor(tensor).detach().contiguous() for name, tensor in tensors.items()}
    save_file(tensors, temporary, metadata={"card": json.dumps(card)})
    temporary.replace(path)


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
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["card"])
    except Exception as error:  # safetensors raises its own bare types for each kind of damage
        raise Damaged(f"{path} is not a whole file of {what} of this project ({error!r}): {advice}") from error
