"""The command line: `python -m dml_lib COMMAND`.

Exit codes: 0 done, 2 bad arguments or nothing usable, 1 anything else, a damaged file of ours included.
"""

import errno
import json
import sys

import click

from .config import RECIPES, SCHEMES, check_name

EXAMPLES = """\b
Examples:
  python -m dml_lib book --profile fast    run all chapters, build _build/html
  python -m dml_lib sources                which sounds are here, and how to get the others
  python -m dml_lib fetch fluidr3          get one of them without touching the system
  python -m dml_lib report --profile fast  the report card of that run, also as CSV and LaTeX
  python -m dml_lib train pitch            make weights/pitch.safetensors and its model card again
  python -m dml_lib map ~/Samples -o map   an audible map of a folder of sounds, map/index.html
  python -m dml_lib query map my.wav       the sounds of that map nearest to a file from anywhere
  python -m dml_lib train map -o my.safetensors   a network that knows the sounds of that map better
  python -m dml_lib sonify _run/standard --from trumpet --to flute -o glide.wav
"""


UNUSABLE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EEXIST, errno.EROFS, errno.ENAMETOOLONG)  # what a user named


@click.group(epilog=EXAMPLES, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def commands(context):
    """Find your way in large sound libraries by ear and by map."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@commands.command()
@click.option("--profile", default="standard", show_default=True, help="fast, standard or paper.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option("--run-dir", default="", help="Working folder; _run/<profile> if not given.")
@click.option("--output", default=None, type=click.Path(file_okay=False), help="Where _build/html is made; the repository if not given.")
def book(profile, seed, run_dir, output):
    """Run all chapters and build the HTML book."""
    from . import book, paths

    book.build(profile, seed, run_dir, output or paths.ROOT, click.echo)


@commands.command()
def sources():
    """List the sources of sound: found or not, where, size, licence, how to get them."""
    from .sounds.sources import status

    click.echo(status().to_string(index=False))


@commands.command()
@click.argument("name")
def fetch(name):
    """Get a source of sound into data/."""
    from .sounds import sources

    click.echo(sources.fetch(name))


@commands.command()
@click.option("--profile", default="standard", show_default=True, help="Whose results to print.")
@click.option("--run-dir", default="", help="Working folder of the run; _run/<profile> if not given.")
@click.option("--full", is_flag=True, help="Run the recorded experiments instead, or what is left of them; hours.")
@click.option("--only", default=None, metavar="NAME", help="One experiment.")
@click.option("--seeds", type=click.IntRange(min=1), help="How many; by default those of the experiment.")
def report(profile, run_dir, full, only, seeds):
    """Print the report card of a run, write it as CSV and LaTeX beside its results; with --full, make the figures in results/."""
    from . import card, config, experiments, paths, results

    if only and not full:
        raise click.UsageError("--only names a recorded experiment: add --full")
    if seeds and not full:
        raise click.UsageError("--seeds are those of recorded experiments: add --full")
    if seeds and only == "leaks":
        raise click.UsageError("--seeds are those of networks, and leaks compares sounds: leave it out")
    if full:
        from . import auditions, comparison

        own = {
            "leaks": experiments.record_leaks, "baselines": lambda: comparison.record(seeds),
            "sonify": lambda: auditions.record(seeds, say=click.echo),
        }
        known = [*own, *experiments.EXPERIMENTS]
        for name in [config.check_name("experiment", only, known)] if only else known:
            values = own[name]() if name in own else experiments.run(name, seeds, say=click.echo)
            click.echo(f"results/{name}.json: {len(values)} values")
        return
    config.check_name("profile", profile, config.PRESETS)
    path = paths.Run(profile, run_dir).result("evaluate")
    content = results.load(path)
    click.echo(card.text(content) + "\n")
    for written in card.write(content, path.parent):
        click.echo(f"written: {written}")


@commands.command("map")
@click.argument("folders", nargs=-1, required=True, type=click.Path(), metavar="FOLDER...")
@click.option("-o", "--out", required=True, type=click.Path(file_okay=False), help="Folder of the map; made, or brought up to date.")
@click.option("--weights", default="instrument_pitch_2", show_default=True, help="A scheme, or a file of weights.")
@click.option("--labels", type=click.Path(exists=True, dir_okay=False), help="CSV with path and instrument, note, ... of files; words of your own are kept.")
@click.option("--audio/--no-audio", default=True, show_default=True, help="Previews of at most 5 s, so that the map can be heard.")
@click.option("--scheduler", metavar="tcp://...", help="Dask scheduler whose workers listen to the files.")
def map_(folders, out, weights, labels, audio, scheduler):
    """Map folders of sounds: OUT/index.html opens in any browser and plays."""
    from pathlib import Path

    from . import intake, library, paths

    file = paths.find_weights(weights)
    executor = intake.cluster(scheduler) if scheduler else None
    library.update(folders, out, file, labels, audio, executor, say=click.echo)
    click.echo(f"{Path(out, 'index.html')}: open it in a browser; {Path(out, 'report.html')} says what is in it")


@commands.command()
@click.argument("out", type=click.Path())
@click.argument("sounds", nargs=-1, metavar="[FILE]...")
@click.option("--like", "like", multiple=True, metavar="FILE", help="The same as FILE.")
@click.option("--unlike", multiple=True, metavar="FILE", help="With --plus: as that one is to this one.")
@click.option("--plus", multiple=True, metavar="FILE")
@click.option("--at", help="A moment of the sound, such as 0.3s or 0:05, of its first minute; answers are moments too.")
@click.option("-k", "k", default=10, show_default=True, type=click.IntRange(min=1), help="How many sounds.")
@click.option("--note", help="Only this note, such as C4.")
@click.option("--instrument", help="Only this instrument.")
@click.option("--source", help="Only this library of the map.")
@click.option("--max-seconds", type=click.FloatRange(min=0), help="Only sounds as short as this.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list and nothing else.")
@click.option("--play", type=click.Path(dir_okay=False), metavar="LIST.m3u", help="Write the answers as a playlist.")
def query(out, sounds, like, unlike, plus, at, k, note, instrument, source, max_seconds, as_json, play):
    """Find the sounds of the map OUT that are nearest to a FILE, which may come from anywhere."""
    from . import library, query

    try:
        moment = None if at is None else sum(float(part) * 60**i for i, part in enumerate(reversed(at.removesuffix("s").split(":"))))
        int(moment or 0)  # neither infinite nor no number at all
    except (ValueError, OverflowError):
        raise click.UsageError(f"expected a moment such as 0.3s or 0:05, found --at {at}") from None
    filters = {"note": note, "instrument": instrument, "source": source, "max_seconds": max_seconds}
    answers = query.ask(library.Library.open(out), (*sounds, *like), moment, unlike, plus, k, **filters)
    if play:
        query.write_playlist(play, answers)
    click.echo(query.as_json(answers) if as_json else query.text(answers))


@commands.command()
@click.argument("what", metavar="SCHEME|FOLDER")
@click.option("-o", "--output", type=click.Path(), help="Of a scheme the folder to write into, weights/ if not given; of a folder the file to write.")
@click.option("--weights", default="instrument_pitch_2", show_default=True, help="Of a folder: the scheme or file of weights to start from.")
def train(what, output, weights):
    """Make the network of a SCHEME that ships, or go on training one on the sounds of a FOLDER or of a map."""
    from pathlib import Path

    from . import portable

    if what in SCHEMES:
        portable.hold()
    from . import adapt, paths, shipping

    if what not in SCHEMES:
        if not Path(what).is_dir():
            check_name("scheme or folder", what, SCHEMES)
        if not output:
            raise click.UsageError(f"expected a file to write the network of {what} to: add -o my.safetensors, then map with --weights my.safetensors")
        return click.echo(adapt.train_on(what, paths.find_weights(weights), output))
    for written in shipping.ship(what, folder=Path(output or paths.WEIGHTS), say=click.echo):
        click.echo(f"written: {written}")
    if not output:
        shipping.write_summary()


@commands.command("paper-run")
@click.option("--seeds", default=1, show_default=True, type=click.IntRange(min=1))
@click.option("--recipe", "recipes", multiple=True, default=RECIPES, show_default=True, type=click.Choice(RECIPES), help="Only this one.")
@click.option("--scheme", "schemes", multiple=True, default=SCHEMES, show_default=True, type=click.Choice(SCHEMES), help="Only this one.")
@click.option("--device", default="cpu", show_default=True, help="Where the networks learn, such as cuda.")
def paper_run(seeds, recipes, schemes, device):
    """Run the method at the paper's size, or what is left of it, into results/paper/; days without pause, resumable."""
    from . import portable

    portable.hold()
    from . import paper_scale, shipping

    paper_scale.run(seeds, recipes, schemes, say=click.echo, device=device)
    shipping.write_summary()
    click.echo(paper_scale.recorded().to_string())


@commands.command()
@click.argument("out", type=click.Path())
@click.option("--from", "start", required=True, help="A sound id, an audio file, or an instrument of the corpus.")
@click.option("--to", "end", help="The same, for a path from sound to sound.")
@click.option("-o", "--output", default="out.wav", show_default=True, type=click.Path(dir_okay=False), help="WAV file; a cue list and a page that plays it are put beside it.")
@click.option("--path", "way", help="trajectory, line, spline, geodesic, walk or graph-walk.")
@click.option("--seconds", type=click.FloatRange(0.1, 600), help="How long; 4 s, or its own time for a trajectory. Other methods end later.")
@click.option("--via", multiple=True, help="A sound to pass on the way; may be given again.")
@click.option("--scheme", help="Whose space, instrument_pitch if not given; that of a map is its own.")
@click.option("--weights", type=click.Path(), help="File of the network; that of the run or the map, or the one that ships.")
@click.option(
    "--transpose", type=click.IntRange(0, 12),
    help="By how many semitones sounds may also be played higher and lower; each takes time and memory. 3 for ours, less of a large corpus.",
)
@click.option("--method", default="ours", show_default=True, help="ours, author or random.")
@click.option("--bits", default="24", show_default=True, help="16, 24 or float.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
def sonify(out, start, end, output, way, seconds, via, scheme, weights, transpose, method, bits, seed):
    """Play a path through the space with the sounds of OUT, a map, the folder of a run of the book, or a folder of sounds."""
    from . import performance, sonify

    sonify.check(output, bits)
    by = 0 if transpose is None and method != "ours" else transpose  # the author's method plays sounds as they are
    instrument, cfg = performance.open_corpus(out, scheme, weights, by)
    made = performance.perform(instrument, cfg, start, end, way, seconds, method, seed, via)
    cues = instrument.cues(made)
    wav, csv = sonify.write(output, made, cues, bits)
    click.echo(f"{wav}: {len(made.y) / made.sr:.2f} s from {cues['sound_id'].nunique()} sounds, listed in {csv}")
    if made.path.shape[1] == 3:
        click.echo(f"{sonify.picture(sonify.page_of(wav), made, instrument, cfg)}: open it in a browser to see and hear the path")


@commands.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option("--only", default=None, metavar="NAME", help="One group: cqt, decode, train, embed, knn, map or sonify.")
@click.option("--threads", default=2, show_default=True, type=click.IntRange(min=1))
def benchmark(as_json, only, threads):
    """Measure how fast and how exact the library is on this machine."""
    from . import benchmark

    values = benchmark.run(only, threads, lambda text: click.echo(text, err=True))
    if as_json:
        return click.echo(json.dumps(values, allow_nan=False))
    for name, value in values.items():
        click.echo(f"{name:26} {f'{value:,.6g}' if isinstance(value, float) else value}")


def main():
    """Run a command; a user's mistake ends with one sentence, never with a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # it may be closed, or another kind
            stream.reconfigure(errors="backslashreplace")  # a terminal or pipe may lack letters that file names have
    try:
        from .paths import Damaged, ResultMissing
        from .sounds.sources import SourceMissing

        sys.exit(commands.main(standalone_mode=False) or 0)
    except (KeyboardInterrupt, click.exceptions.Abort):
        sys.exit("interrupted: what is done is kept where a command keeps it; run the same command to go on")
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (Damaged, RuntimeError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    except UnicodeEncodeError as error:
        click.echo(f"error: expected a name in UTF-8, found {error.object!r}: rename it", err=True)
        sys.exit(2)
    except (SourceMissing, ResultMissing, ValueError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    except OSError as error:
        if not error.filename or error.errno not in UNUSABLE:
            sys.exit(f"error: {error}")
        click.echo(f"error: expected a file or folder that can be used, found {error.filename}: {error.strerror}; choose another", err=True)
        sys.exit(2)
