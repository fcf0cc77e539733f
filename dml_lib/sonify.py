"""Paths through the space become sound: a corpus that can be played, the methods that play it, and the files they leave."""

import tempfile
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from . import player, selection, soundcheck, synthesis, transposition
from .config import check_name
from .paths import replace_file
from .sounds import catalog
from .units import AudioCache, Units

METHODS = ("author", "random", "ours")
SUBTYPES = {"16": "PCM_16", "24": "PCM_24", "float": "FLOAT"}


@dataclass(frozen=True)
class Sonification:
    """A path made sound.

    Attributes
    ----------
    y : np.ndarray, (n_samples,), float32
        Mono.
    sr : int
        Hz.
    path : np.ndarray, (n_frames, n_dims), float32
        What was meant, one point a frame.
    chosen : np.ndarray, (n_steps,), int64
        The unit played in each step of 0.25 s.
    method : str
    moved : np.ndarray, (n_runs,), int64, or 0
        For "ours", what `synthesis.splice` says of the runs, in samples.
    """

    y: np.ndarray
    sr: int
    path: np.ndarray
    chosen: np.ndarray
    method: str
    moved: np.ndarray | int = 0


class Instrument:
    """A corpus that plays paths: its units, its audio and, where it is given, the network that hears it.

    Parameters
    ----------
    z : np.ndarray, (n_frames_total, n_dims)
        Places of all frames of the dataset.
    dataset : Dataset
    cfg : Config
    model : Embedder, optional
        Hears what is chosen, so that our method can choose again, what is played, for measures, and files from outside.
    keep : np.ndarray, (n_sounds,), bool, optional
        Sounds that may be played.
    transpose : int
        Up to how many semitones higher and lower each sound may be played as well, which needs the network.
    file : path, optional
        Keeps what that takes long to find out: see `transposition.with_copies`.

    Raises
    ------
    ValueError
        Nothing to play: see `Units`; more than an octave, or no network.
    """

    def __init__(self, z, dataset, cfg, model=None, keep=None, transpose=0, file=None):
        if transpose:
            if model is None:
                raise ValueError("expected the network, which hears transposed sounds, found none: give it, or do not transpose")
            dataset, z = transposition.with_copies(dataset, z, transpose, model, cfg, file)
            keep = None if keep is None else keep[dataset.table["copy_of"]]
        self.units, self.audio = Units(z, dataset, cfg, keep), AudioCache(dataset.table)
        self.hear = (lambda x: soundcheck.reembed(x, model, cfg)) if model is not None else None

    def play(self, path, method="ours", banned=(), seed=0, seconds=None, ends=(None, None)):
        """Make sound of a path.

        Parameters
        ----------
        path : np.ndarray, (n_frames, n_dims)
            One point a frame, two or more.
        method : str
            "ours": stretches chosen by `selection.viterbi`, by ear where there is a network, joined by `synthesis.splice`; not
            from several threads at once. "author": the nearest units in `synthesis.grains`, which lasts 0.25 s for each step
            and one more. "random": grains of units from the right region.
        banned : sequence of int
            Rows of the table of sounds that may not be played, such as the one that the path is taken from.
        seed : int
            Of "random", the only method that draws.
        seconds : float, optional
            How long our method plays, up to the sample; from the first point to the last if not given.
        ends : pair of int or None
            Rows of the sounds that the path leads from and to: our method begins and ends with them.

        Returns
        -------
        Sonification

        Raises
        ------
        ValueError
            Unknown method, banned sounds that are no rows, no time, or a path that does not lead through the corpus.
        units.SourceChanged
            The source of a sound is not there any more, or another one.
        """
        check_name("method", method, METHODS)
        if not all(isinstance(row, (int, np.integer)) and 0 <= row < len(self.audio.table) for row in banned):
            raise ValueError(f"expected rows of the table of sounds that may not be played, found {banned}")
        if seconds is not None and seconds <= 0:
            raise ValueError(f"expected a duration above 0 s, found {seconds}")
        moved = 0
        path, units, audio = self.units.check(path, 2), self.units, self.audio
        if method == "ours":
            short = len(path) > selection.STEP_FRAMES and len(path) % selection.STEP_FRAMES == 1  # one frame more is no step
            chosen = selection.viterbi(path[:len(path) - short], units, banned, ends, self.hear)
            seconds = (len(path) - 1) * units.frame_s if seconds is None else seconds
            y, moved = synthesis.splice(chosen, units, audio, round(seconds * audio.sr))
        else:
            pick = {"author": selection.nearest_units, "random": selection.random_units}[method]
            chosen = pick(path, units, banned, *([seed] if method == "random" else []))
            y = synthesis.grains(chosen, units, audio)
        return Sonification(y, audio.sr, path, chosen, method, moved)

    def cues(self, made):
        """What was played when, one row a run of one sound: enough to build the sound again elsewhere.

        Returns
        -------
        pandas.DataFrame
            `start_s, length_s` in the sound made; `sound_id`, `file` (empty for a rendered sound), `source_s` (time in that
            sound that `start_s` corresponds to); `gain_db`, by which the file is played louder than the others; `transpose`,
            by how many semitones higher, as it is played faster; `instrument, note_number` of the file where labeled; `sound`
            (row of the table of sounds, where copies come last) and `distance` (mean from the path).
        """
        units, table, step_s = self.units, self.units.dataset.table, selection.STEP_FRAMES * self.units.frame_s
        far = np.linalg.norm(units.z[made.chosen] - made.path[::selection.STEP_FRAMES][:len(made.chosen)], axis=1)
        if made.method == "ours":
            found = selection.runs(made.chosen, units)
            start, first = np.maximum(found[:, 0] * step_s - units.frame_s / 2, 0), found[:, 0]
            length = np.diff(np.append(start, len(made.y) / made.sr))
            source = units.frame[found[:, 1]] * units.frame_s + start - found[:, 0] * step_s + made.moved / made.sr
            heard = length > 0  # a last step may begin after the end
            first, start, length, source = first[heard], start[heard], length[heard], source[heard]
        else:
            first = np.arange(len(made.chosen))
            start, length = first * step_s, np.full(len(first), synthesis.GRAIN_S)
            source = units.frame[made.chosen] * units.frame_s - synthesis.GRAIN_S / 2
        rows = table.iloc[units.sound[made.chosen[first]]]
        transpose = rows["transpose"].to_numpy() if "transpose" in rows else np.zeros(len(rows), int)
        found = pd.DataFrame({
            "start_s": start, "length_s": length, "sound_id": rows["sound_id"].to_numpy(),
            "file": rows["path"].fillna("").to_numpy() if "path" in rows else "",
            "source_s": source * transposition.speed(transpose),
            "gain_db": 20 * np.log10(self.audio.gain(units.sound[made.chosen[first]])), "transpose": transpose,
            "sound": units.sound[made.chosen[first]], "distance": np.add.reduceat(far, first) / np.diff(np.append(first, len(far))),
        })
        for label, dtype in (("instrument", object), ("note_number", "Int64")):
            found[label] = pd.array(rows[label], dtype) if label in rows else None
        return found


def picture(out, made, instrument, cfg, title="A path and what plays it"):
    """A page of a path and the stretches that play it: pressed, each moves a dot along its way and a bar through its spectrum.

    Parameters
    ----------
    out : path
        A folder for the page and its parts, or a file that ends with .html, which holds everything.
    made : Sonification
        In three dimensions.
    instrument : Instrument
    cfg : Config
    title : str

    Returns
    -------
    Path
        The page. The path plays all that was made, and each stretch its own part of its sound.
    """
    out, units, cues = Path(out), instrument.units, instrument.cues(made)
    data, sounds, step = units.dataset, cues["sound"].to_numpy(), units.frame_s
    played_s = cues["source_s"] / transposition.speed(cues["transpose"])  # in the copy, which lasts as long as it is heard
    first = np.maximum(np.round(played_s / step + 1e-6).astype(int), 0).to_numpy()
    last = np.round((played_s + cues["length_s"]) / step + 1e-6).astype(int).to_numpy()
    spans = [slice(a, max(min(b, n), a + 1)) for a, b, n in zip(first, last, data.n_frames[sounds])]
    lead = 0 if made.method == "ours" else round(synthesis.GRAIN_S / 2 / step)  # a grain is heard around its middle
    path = np.concatenate([np.repeat(made.path[:1], lead, axis=0), made.path])
    first_unit = np.searchsorted(units.sound, sounds)
    ways = [path] + [units.z[unit + span.start:unit + span.stop] for unit, span in zip(first_unit, spans)]
    pictures = [soundcheck.analyze(made.y, made.sr, cfg)] + [data.features(sound)[span] for sound, span in zip(sounds, spans)]
    names = [
        f"{start:.2f} s: {name}" + f", {by:+d} semitones" * (by != 0)
        for start, by, name in zip(cues["start_s"], cues["transpose"], catalog.titles(data.table.iloc[sounds]))
    ]
    table = pd.DataFrame({
        "name": ["the path, played", *names], "part": ["path", *["stretch"] * len(cues)],
        "instrument": [None, *cues["instrument"]],
        "note_number": pd.array([pd.NA, *(cues["note_number"].astype("Int64") + cues["transpose"])], "Int64"),
        "start_s": [0.0, *cues["start_s"]], "seconds": [len(made.y) / made.sr, *cues["length_s"]], "cue": range(-1, len(cues)),
    })

    def audio(row):
        if row["cue"] < 0:
            return made.y, made.sr
        span = spans[row["cue"]]
        edges = [round(frame * step * made.sr) for frame in (span.start, span.stop)]
        return synthesis.cut(instrument.audio(sounds[row["cue"]]), edges[0], edges[1] - edges[0]), made.sr

    titles = {"part": "part", "start_s": "start, s", "instrument": "instrument", "note_number": "pitch", "seconds": "seconds"}
    alone = out.suffix.lower() == ".html"
    with tempfile.TemporaryDirectory(dir=out.parent) if alone else nullcontext(out) as folder:
        player.write_map(
            folder, table, np.stack([way[0] for way in ways]), ways, pictures, audio, title, columns=titles, frame_s=step, gain=cfg.gain,
            embed=alone, progress=False, say=lambda text: None, max_seconds=table["seconds"].max(), first=0,
        )
        return (Path(folder) / "index.html").replace(out) if alone else out / "index.html"


def page_of(wav):
    """Where the page that plays a path lies, beside its WAV file."""
    return Path(wav).with_suffix(".path.html")


def check(path, bits="24"):
    """Whether `write` can write there: (WAV file, cue list), and the subtype of the samples.

    Raises
    ------
    OSError
        The folder cannot be written to.
    ValueError
        Another ending, unknown bits, no such folder, a CSV of that name that is no cue list, or a sound or page without one.
    """
    path = Path(path)
    if path.suffix.lower() != ".wav" or not path.parent.is_dir():
        raise ValueError(f"expected a name that ends with .wav in a folder that is there, found {path}: choose another one")
    subtype = SUBTYPES[check_name("sample format", bits, SUBTYPES)]
    files = path, path.with_suffix(".csv")
    if files[1].exists() and files[1].read_text("utf-8", "replace").partition(",sound_id,")[0] != "start_s,length_s":
        raise ValueError(f"expected no other table in the place of the cue list, found one at {files[1]}: choose another name")
    for file in (files[0], page_of(path)):
        if file.exists() and not files[1].exists():
            raise ValueError(f"expected nothing else in the place of the result, found {file} without a cue list: choose another name")
    part = path.with_name(f".{path.name}.part")
    part.open("wb").close()  # the library that writes sound would not say why it cannot
    part.unlink()
    return files, subtype


def write(path, made, cues, bits="24"):
    """Write a WAV file and, beside it, its cue list as CSV; both whole or not at all.

    Parameters
    ----------
    path : path
        Ends with .wav; the cue list has the same name with .csv.
    made : Sonification
    cues : pandas.DataFrame
        From `Instrument.cues`.
    bits : str
        "16", "24" or "float".

    Returns
    -------
    tuple of Path
        The two files.

    Raises
    ------
    OSError, ValueError
        See `check`.
    """
    files, subtype = check(path, bits)

    def both(part):
        soundfile.write(part, made.y, made.sr, subtype=subtype, format="WAV")
        replace_file(files[1], lambda table: cues.to_csv(table, index=False, float_format="%.6f"))  # a sound beside a list is known as ours

    replace_file(files[0], both)
    return files
