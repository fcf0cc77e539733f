"""Sounds played faster or slower: what is heard of them, where they lie, what is kept."""

import numpy as np
import pytest

from dml_lib import embed, features, tensors, transposition as T
from dml_lib.config import Config
from dml_lib.dataset import Dataset
from dml_lib.paths import Damaged
from dml_lib.sounds import decode, soundfont, sources


@pytest.mark.parametrize("by", [-2, 1, 2])
def test_it_is_what_would_be_heard_of_the_sound_played_so(by):
    cfg, table = Config(), soundfont.recipes("timgm6mb", 3, 1, 0, ("flute", "cello"))
    for row in table.to_dict("records"):
        y = soundfont.render_row(sources.soundfont_file("timgm6mb"), row)
        played = T.audio(y, soundfont.SR, by)
        assert len(played) == pytest.approx(len(y) / 2 ** (by / 12), abs=2)
        x, wanted = features.cqt_many([decode.resample(each, soundfont.SR, cfg.sr) for each in (y, played)], features.ConstantQ(**cfg.front_end()))
        found = T.transposed(Dataset.single(x), by, cfg.bins_per_octave)
        assert found.n_frames.tolist() == [len(found.frames)] and 0 <= len(wanted) - len(found.frames) <= 1
        n = min(len(x), len(found.frames))
        moved, still = (np.linalg.norm(each[:n] - wanted[:n]) / np.linalg.norm(wanted[:n]) for each in (found.frames, x))
        assert moved < 0.2 < 1 < still  # most of it where a sound begins


def test_an_octave_up_is_every_second_frame_and_an_octave_down_comes_back(dataset):
    up = T.transposed(dataset, 12, 8)
    assert up.n_frames.tolist() == (1 + (dataset.n_frames - 1) // 2).tolist()
    for i in range(len(dataset)):
        assert np.array_equal(up.features(i)[:, 8:], dataset.features(i)[::2, :-8]) and not up.features(i)[:, :8].any()
    down = T.transposed(dataset, -12, 8)
    for i in range(len(dataset)):
        assert np.array_equal(down.features(i)[::2, :-8], dataset.features(i)[:, 8:]) and not down.features(i)[:, -8:].any()
        between = (dataset.features(i)[1:, 8:].astype(np.float32) + dataset.features(i)[:-1, 8:]) / 2
        assert np.allclose(down.features(i)[1::2, :-8], between, rtol=1e-3)


def test_blocks_do_not_show(dataset, monkeypatch):
    whole = T.transposed(dataset, 1, 24)
    monkeypatch.setattr(T, "BLOCK_FRAMES", 7)
    assert np.array_equal(T.transposed(dataset, 1, 24).frames, whole.frames)


def test_copies_come_behind_all_sounds_and_lie_where_they_are_heard(dataset, model, cfg):
    z = embed.embed_frames(model, dataset, cfg)
    data, places = T.with_copies(dataset, z, 2, model, cfg)
    n = len(dataset)
    assert len(data) == 5 * n and len(places) == len(data.frames) == data.n_frames.sum()
    assert data.table["transpose"].tolist() == np.repeat([0, -1, 1, -2, 2], n).tolist()
    assert data.table["copy_of"].tolist() == list(range(n)) * 5 and data.table["sound_id"].tolist() == dataset.table["sound_id"].tolist() * 5
    assert np.array_equal(places[:len(z)], z) and np.array_equal(data.frames[:len(z)], dataset.frames)
    assert np.allclose(places, embed.embed_frames(model, data, cfg), atol=1e-5)
    assert "transpose" not in dataset.table


def test_places_are_kept_until_others_are_asked_for(dataset, model, cfg, tmp_path, monkeypatch):
    z, file, heard = embed.embed_frames(model, dataset, cfg), tmp_path / ".places", []
    real = embed.embed_frames
    monkeypatch.setattr(embed, "embed_frames", lambda *these: heard.append(1) or real(*these))
    first = T.with_copies(dataset, z, 1, model, cfg, file)
    again = T.with_copies(dataset, z, 1, model, cfg, file)
    assert len(heard) == 2 and all(np.array_equal(a, b) for a, b in ((first[1], again[1]), (first[0].frames, again[0].frames)))
    for places, by, more in ((z, 2, 2), (z, 1, 0), (z, 2, 0), (z + 1, 1, 2), (z, 0, 0)):  # only what was not heard yet is heard
        before = len(heard)
        T.with_copies(dataset, places, by, model, cfg, file)
        assert len(heard) == before + more
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(Damaged, match="delete it"):
        T.with_copies(dataset, z, 1, model, cfg, file)
    tensors.write(file, {}, of=0)
    assert np.array_equal(T.with_copies(dataset, z, 1, model, cfg, file)[1], first[1])
    assert np.array_equal(T.with_copies(dataset, z, 1, model, cfg, tmp_path / "no" / "such" / "folder" / "x")[1], first[1])  # not to be kept


@pytest.mark.parametrize("by", [-1, 13])
def test_not_more_than_an_octave(dataset, model, cfg, by):
    with pytest.raises(ValueError, match="expected 0 to 12 semitones"):
        T.with_copies(dataset, embed.embed_frames(model, dataset, cfg), by, model, cfg)


def test_a_large_corpus_is_transposed_less():
    assert [T.fitting(n) for n in (0, 142_857, 142_858, 200_000, 200_001, 333_333, 333_334, 10**7)] == [3, 3, 2, 2, 1, 1, 0, 0]
