"""Tensors and a card come back as they were; what is not whole is refused."""

import numpy as np
import pytest
import torch

from dml_lib.paths import Damaged
from dml_lib.tensors import read, write


def test_round_trip_of_any_layout_and_type(tmp_path):
    rng = np.random.default_rng(0)
    given = {
        "last": torch.rand(3, 4, 5, 6).to(memory_format=torch.channels_last), "half": torch.rand(7).half(),
        "whole": torch.arange(5), "array": rng.random((4, 2)), "one": torch.tensor(2.5), "none": torch.empty(0, 3),
    }
    write(tmp_path / "new" / "x.safetensors", given, seed=3, words=["a", "b"], big=2**100)
    found, card = read(tmp_path / "new" / "x.safetensors", "things", "make them")
    assert card == {"seed": 3, "words": ["a", "b"], "big": 2**100}
    assert set(found) == set(given)
    for name, tensor in given.items():
        torch.testing.assert_close(found[name], torch.as_tensor(tensor), rtol=0, atol=0)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["x.safetensors"]  # no temporary file is left


def test_what_cannot_be_written_leaves_the_old_file(tmp_path):
    write(tmp_path / "x.safetensors", {"a": torch.ones(2)}, n=1)
    with pytest.raises(TypeError):
        write(tmp_path / "x.safetensors", {"a": torch.zeros(2)}, n=object())
    assert read(tmp_path / "x.safetensors", "things", "")[1] == {"n": 1}


def test_others_may_read_what_they_may_read_of_other_files(tmp_path):
    (tmp_path / "plain").write_text("")
    write(tmp_path / "x", {"a": np.zeros(2)})
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_messages_say_what_and_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="no things at .*x.safetensors: make them"):
        read(tmp_path / "x.safetensors", "things", "make them")
    (tmp_path / "x.safetensors").write_bytes(b"half")
    with pytest.raises(Damaged, match="x.safetensors is not a whole file of things of this project .*: make them"):
        read(tmp_path / "x.safetensors", "things", "make them")


def test_no_other_file_is_touched(tmp_path):
    (tmp_path / "x.tmp").write_text("mine")
    write(tmp_path / "x.safetensors", {"a": torch.ones(2)})
    assert (tmp_path / "x.tmp").read_text() == "mine" and len(list(tmp_path.iterdir())) == 2
