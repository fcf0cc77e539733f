"""The networks that ship: each with its weights in half precision, its figures, its model card, and a row in the README.

Conventions: what ships is the first network of our recipe that `paper-run` trains, on rendered training sounds alone; all
its figures are those of that trial. Files hold nothing that depends on time or place, and the command keeps to arithmetic that
all x86 processors share (`portable`): it writes the same weights on any.

Source
------
Our choice. Model cards: Mitchell et al. 2019. `python -m dml_lib train`.
"""

import copy
from functools import partial

import numpy as np
import pooch
import torch

from . import disputes, embed, evaluate, experiments, paper_scale, paths, portable, results, splits
from .config import SCHEMES, check_name
from .evaluate import COLUMNS, ENDS
from .nearest import knn_accuracy
from .sounds import sources
from .sounds.instruments import INSTRUMENTS
from .store import digest
from .weights import open_weights, save_weights

RECIPE = "ours"
TIMES = ("seconds", "cpu_seconds", "waiting")  # of a trial: they differ from run to run
ABOUT = ("float16", "agreed", "contradicted", "confirmed")  # values that the trial does not have
MARKS = "<!-- summary -->\n", "<!-- /summary -->\n"
LEVELS = {"": "a sound", ".audible": "an audible frame"}
TOGETHER = {
    "instrument": "sounds of one instrument", "pitch": "sounds of one pitch", "instrument_pitch": "sounds of one instrument and pitch",
    "instrument_pitch_2": "sounds of one instrument, at most two semitones apart",
}
TESTED_ON = {
    "random": "rendered notes of the banks that it was trained on, drawn by chance: optimistic, for notes of one sampled instrument are on all sides",
    "held_out": "notes of a sound bank of another family, never trained on", "real": "single notes that players recorded, of a few instruments, never trained on",
}


def ship(scheme, full=paper_scale.PAPER, work=paths.Run("paper"), folder=paths.WEIGHTS, say=print):
    """Train the network of a scheme, or find it trained, and write its weights, its figures and its model card.

    Parameters
    ----------
    scheme : str
    full : Config
        What the recipe changes.
    work : paths.Run
        Where features and finished trials are kept.
    folder : path
    say : callable
        Is told what is going on.

    Returns
    -------
    list of path
        `<scheme>.safetensors`, `<scheme>.json`, `<scheme>.md`.

    Raises
    ------
    ValueError
        Unknown scheme, or a trial without weights or of another device.
    sources.SourceMissing
        A sound bank is not here; says how to get it.
    """
    sounds, cfg = experiments.sounds_of(full, work), full.with_(**paper_scale.CHANGES[RECIPE])
    values, kept, trained_on = experiments.trial(cfg, check_name("scheme", scheme, SCHEMES), RECIPE, paper_scale.NEIGHBORS, "", work, sounds, say)
    if elsewhere := [machine for machine in trained_on if "device" in machine]:
        raise ValueError(f"expected a network trained on processors, as its card promises, found {elsewhere[0]}: delete {kept} and its weights first")
    if not kept.with_suffix(".safetensors").is_file():
        raise ValueError(f"expected the weights of a trial beside {kept}, found none: delete that file, and run this again")
    model = open_weights(kept.with_suffix(".safetensors"), scheme)[0]
    written = [folder / f"{scheme}.{suffix}" for suffix in ("safetensors", "json", "md")]
    save_weights(written[0], copy.deepcopy(model).half(), cfg, RECIPE, scheme=scheme)
    rounded = open_weights(written[0], scheme)[0]
    sha256 = pooch.file_hash(str(written[0]))
    about = results.kept(kept.with_suffix(f".{sha256[:12]}.about.json"), partial(_about, model, rounded, cfg, paper_scale.NEIGHBORS, sounds, say))
    content = results.save(
        written[1], {name: value for name, value in values.items() if name not in TIMES} | about.pop("values"), cfg,
        {"k": "neighbors", "shift": "root mean square distances of the sounds from their center"},
        [sources.soundfont_file(name) for name in cfg.sources], not_run=splits.not_run(about["sounds"]),
        scheme=scheme, recipe=RECIPE, arithmetic=portable.arithmetic(), weights={"sha256": sha256, "bytes": written[0].stat().st_size}, **about,
    )
    written[2].write_text(card(content))
    return written


def _about(model, rounded, cfg, neighbors, sounds, say):
    """What to say of a network beside its trial: what half precision changes, and which sounds there were."""
    say("judging the weights in half precision")
    torch.set_num_threads(cfg.threads)
    data = sounds(cfg)
    counts = {
        name: {part: rows["library"].value_counts().sort_index().to_dict() for part, rows in data.table.groupby(name) if part} for name in data.splits
    }
    rows = {name: data.table[["sound_id", "checksum", name]].sort_values("sound_id").to_numpy().tolist() for name in data.splits}
    figures = experiments.figures(rounded, data, cfg, neighbors, intervals=True)
    values = {("" if name.endswith(ENDS) else "float16.") + name: value for name, value in figures.items() if name.startswith("knn")}
    data = experiments.judged_sounds(data, neighbors, cfg.seed)
    values |= _agreed(model, data, cfg)
    tested = data.subset((data.table[data.splits] == "test").any(axis=1).to_numpy())
    one, other = (embed.sound_points(embed.embed_frames(each, tested, cfg), tested) for each in (model, rounded))
    radius = np.sqrt(np.square(one - one.mean(axis=0)).sum(axis=1).mean())
    values["float16.shift"] = float(np.linalg.norm(one - other, axis=1).max() / radius)
    return {"values": values, "sounds": counts, "splits": {name: digest(each) for name, each in rows.items()}}


def _agreed(model, data, cfg):
    """Of test sounds: the share whose name an estimate contradicts, in how many of these the network hears what the estimate
    does, and the accuracy of pitch on the others, with its interval."""
    points, heard = embed.sound_points(embed.embed_frames(model, data, cfg), data), disputes.heard_notes(data, cfg)
    wrong = disputes.contradicted(data.table, heard)
    values, agreed = {}, disputes.without(data, wrong)
    for name in data.splits:
        rows, y, notes = evaluate.labeled_sounds(data, "pitch", name)
        called = notes.astype(float)[knn_accuracy(*((points[r], y[r]) for r in rows))[2]]
        disputed = wrong[rows[2]]
        values[f"contradicted.{name}"] = float(disputed.mean())
        if disputed.any():
            values[f"confirmed.{name}"] = float((np.abs(called - heard[rows[2]]) <= disputes.APART)[disputed].mean())
        if not disputed.all():
            found = evaluate.evaluate(None, points, agreed, "pitch", name, seed=cfg.seed)
            values |= {f"agreed.knn.pitch.{name}{end}": found[f"knn{end}"] for end in ("", *ENDS)}
    return values


def _table(head, rows):
    """Markdown of a table, figures with three digits."""
    text = [[f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row] for row in [head, ["---"] * len(head), *rows]]
    return "".join(f"| {' | '.join(row)} |\n" for row in text)


def over_seeds(content):
    """Values of a network's recorded result over its seeds, by the names of its own; {} unless this network is the first of several."""
    name = f"{RECIPE}.{content['scheme']}"
    path, prefix = paths.RECORDED / "paper" / f"{name}.json", f"{name}."
    recorded = results.load(path) if path.is_file() else {"series": {}}
    series = {name.removeprefix(prefix): each for name, each in recorded["series"].items() if name.startswith(prefix)}
    own = {name: value for name, value in content["values"].items() if not name.startswith(ABOUT) and not name.endswith(ENDS)}
    same = {name: each[0] for name, each in series.items() if name not in TIMES} == own
    several = same and all(len(series[name]) > 1 for name in own)
    return results.over_seeds({name: series[name] for name in own}) if several else {}


def card(content):
    """The model card of a network that ships, in Markdown, from what its `<scheme>.json` holds.

    Source
    ------
    Parts: Mitchell et al. 2019, "Model cards for model reporting".
    """
    values, scheme, cfg, seeds = content["values"], content["scheme"], content["config"], over_seeds(content)
    names = [(label, name) for label in COLUMNS for name in content["sounds"]]

    figures = []
    for label, name in names:
        keys = [f"knn.{label}.{name}{level}" for level in LEVELS]
        among = [f"{seeds[key]:.3f} ({seeds[key + '.lo']:.3f}, {seeds[key + '.hi']:.3f})" for key in keys if f"{key}.lo" in seeds]
        own = [f"{values[key]:.3f} ({values[key + '.lo']:.3f}, {values[key + '.hi']:.3f})" for key in keys]
        figures.append((label, name, *own, *among, values[f"chance.{label}.{name}"]))
    columns = [*LEVELS.values(), *(f"{level}, all seeds" for level in LEVELS.values() if len(figures[0]) > 5), "chance"]
    rounding = [
        (label, name, *(values[f"{half}knn.{label}.{name}{level}"] for level in LEVELS for half in ("", "float16."))) for label, name in names
    ]
    libraries = sorted({library for parts in content["sounds"].values() for counts in parts.values() for library in counts})
    data = [
        (name, "trained on" if name in cfg["sources"] else "tested on only", source.licence, source.citation,
         content["inputs"].get(source.file, "of each file, in the digests of the splits"))
        for name in libraries if (source := sources.SOURCES[name])
    ]
    counts = [
        (name, *(sum(parts.get(part, {}).values()) for part in splits.FRACTIONS), ", ".join(parts.get("test", {})))
        for name, parts in content["sounds"].items()
    ]
    here = "any x86 processor with AVX2" if content["arithmetic"] == "portable" else f"a processor of the same kind ({content['arithmetic']})"
    worst = max(abs(values[name] - values[name.removeprefix("float16.")]) for name in values if name.startswith("float16.knn"))
    rate = cfg["sr"] / cfg["hop_length"]
    return "\n".join([
        f"# {scheme}\n",
        f"A network that places each frame of a sound in {cfg['n_dims']} dimensions, so that {TOGETHER[scheme]} lie together.",
        "Made by `python -m dml_lib train`, with this card; nothing here was typed by hand.\n",
        "## Use\n",
        f"```python\nimport dml_lib\nz = dml_lib.load(\"{scheme}\").embed(\"sound.wav\")  # (n_frames, {cfg['n_dims']})\n```\n",
        f"It gives {rate:g} frames a second.",
        "Meant for finding one's way among single notes of musical instruments: maps, search by example, paths played with recorded sounds.",
        "Not meant to name instruments or notes where a mistake costs something, nor for speech, noise or mixtures, which it never heard.\n",
        "## Data and licences\n",
        _table(("source", "use", "licence", "citation", "sha256"), data),
        "The weights hold no sounds, and are under the licence of this repository; the sounds keep their own.\n",
        "## Splits\n",
        _table(("split", *splits.FRACTIONS, "tested on"), counts),
        *[f"- `{name}` tests on {TESTED_ON[name]}." for name in content["sounds"]],
        f"\nAt most {experiments.JUDGED['valid']} validation and {experiments.JUDGED['test']} test sounds of each split are judged,"
        " drawn by chance; the number of neighbors is chosen on validation sounds.",
        *[f"Not run: {name}: {reason}." for name, reason in content["not_run"].items()],
        f"Digests of the splits: {', '.join(f'{name} `{each}`' for name, each in content['splits'].items())}.\n",
        "## Figures\n",
        "How often the nearest neighbors among training sounds vote for the right label, with one point for each test sound, and for each audible"
        " frame. In brackets are the ends of an interval that holds the accuracy with 95 %, as far as the choice of test sounds goes. Chance always"
        " names the label most frequent in training.",
        "Figures of all seeds are the mean over this network and others that were trained alike from other seeds, with the smallest and the largest.\n" if seeds
        else "How much they vary with the seed was not recorded.\n",
        _table(("label", "split", *columns), figures),
        "## Labels\n",
        "Not every name is right. An estimate of the note that no network has a part in contradicts a share of the names of tested sounds, and the"
        " network hears the note of the estimate in a share of those. On rendered notes, whose pitch is certain, it is the estimate that fails."
        " Accuracy of pitch on all and on the others, with its interval, a sound:\n",
        _table(("split", "contradicted", "of these, heard by both", "pitch, all", "pitch, others", "lowest", "highest"), [
            (name, values[f"contradicted.{name}"], values.get(f"confirmed.{name}", "none"), values[f"knn.pitch.{name}"],
             *(values.get(f"agreed.knn.pitch.{name}{end}", "none") for end in ("", *ENDS))) for name in content["sounds"]
        ]),
        "## Half precision\n",
        "The figures above are of the weights as they were trained, their intervals of those in the file, which keeps half of the digits."
        f" No accuracy changes by more than {worst:.4f}, and no test sound moves by more than {values['float16.shift']:.4f} of the root mean square"
        " distance of the test sounds from their center.\n",
        _table(("label", "split", *(f"{level}, {digits}" for level in LEVELS.values() for digits in ("single", "half"))), rounding),
        "## Limits\n",
        f"- It was trained on rendered notes of {len(cfg['sources'])} sound banks alone: what to expect of sounds from elsewhere is what"
        " `held_out` and `real` say, not `random`.",
        f"- It knows {len(INSTRUMENTS)} instruments: {', '.join(INSTRUMENTS)}.",
        f"- It hears {cfg['sr'] / 1000:g} kHz, {cfg['n_bins']} constant-Q bins from {cfg['fmin']:g} Hz, and {cfg['n_in'] / rate:g} s at a time.",
        "- Its seed is the first; which of its weights were kept, validation sounds said.\n",
        "## Again\n",
        f"```\npython -m dml_lib train {scheme}\n```\n",
        f"With the sources above and these versions, {', '.join(f'{name} {version}' for name, version in content['versions'].items())}, and"
        f" {here}, this writes the same bytes"
        f" ({content['weights']['bytes']:,} bytes, sha256 `{content['weights']['sha256']}`)."
        f" Seed {content['seed']}, recipe {content['recipe']}, {cfg[content['recipe'] + '_iterations']:,} iterations;"
        f" all other settings are in `{scheme}.json`.\n",
    ])


def reached():
    """What the networks that ship reach by their cards, `<scheme>.<value>`: dict of str to float. Chapter 04."""
    found = {scheme: results.load(paths.WEIGHTS / f"{scheme}.json")["values"] for scheme in SCHEMES}
    return {f"{scheme}.{name}": value for scheme, values in found.items() for name, value in values.items()}


def summary(folder=paths.WEIGHTS, recorded=paths.RECORDED / "paper"):
    """The README's table of what the networks reach, in Markdown: ours, which ship, and the paper's recipe where `paper-run` ran it."""
    found = {scheme: (folder / f"{scheme}.json", "") for scheme in SCHEMES} | {
        f"{scheme}, the paper's recipe": (recorded / f"paper.{scheme}.json", f"paper.{scheme}.") for scheme in SCHEMES
    }
    author, keys = results.author_table(), [(label, name) for label in COLUMNS for name in splits.SPLITS]
    rows = []
    for title, (path, prefix) in found.items():
        if path.is_file():
            values, scheme = results.load(path)["values"], title.split(",")[0]
            own = [values.get(f"{prefix}knn.{label}.{name}", "not run") for label, name in keys]
            rows.append((title, *own, *(float(author.loc[scheme, label]) for label in COLUMNS)))
    if not rows:
        return "No network is in `weights/` yet: `python -m dml_lib train SCHEME` makes one.\n"
    head = ("network", *(f"{label}, {name}" for label, name in keys), *(f"author, {label}" for label in COLUMNS))
    return "\n".join([
        "Share of test sounds whose nearest training sounds in three dimensions vote for the right instrument or pitch:\n",
        _table(head, rows),
        *[f"- *{name}*: {text}." for name, text in TESTED_ON.items()],
        "- *author*: frames of his test sounds, from another and commercial library: what the paper's code reached, not to be compared.",
        *_disputed(folder / "pitch.json"), "",
    ])


def _disputed(path):
    """Lines on names that are wrong, from what is known of the network of pitch."""
    values = results.load(path)["values"] if path.is_file() else {}
    return [
        f"- Of the sounds of *{name}*, {values[f'contradicted.{name}']:.1%} have a name that an estimate of the note contradicts; of the names of the others"
        f" the network of pitch finds {values[f'agreed.knn.pitch.{name}']:.3f}."
        for name in splits.SPLITS[1:] if values.get(f"contradicted.{name}") and f"agreed.knn.pitch.{name}" in values
    ]


def write_summary(path=paths.ROOT / "README.md", **places):
    """Put the `summary` between its marks in the README."""
    text = path.read_text()
    if not all(mark in text for mark in MARKS):
        raise ValueError(f"expected the marks {MARKS[0].strip()} and {MARKS[1].strip()} in {path}, found none: put them back")
    (before, rest), after = text.split(MARKS[0], 1), text.split(MARKS[1], 1)[1]
    path.write_text(before + MARKS[0] + summary(**places) + MARKS[1] + after)
