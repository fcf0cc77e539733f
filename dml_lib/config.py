"""Every choice of an experiment in one frozen object, and the three profiles of the book.

A profile says which sounds and how much training; it never changes the meaning of a number.
"""

from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches

SCHEMES = ("instrument", "pitch", "instrument_pitch", "instrument_pitch_2")
RECIPES = ("paper", "ours")
MAY_BE_ZERO = {"seed", "paper_iterations", "ours_iterations", "ours_rivals", "validations"}  # of whole numbers


def check_name(kind, name, known):
    """Return `name` if it is one of `known`; raise ValueError with the nearest known name otherwise."""
    known = list(known)
    if name in known:
        return name
    close = get_close_matches(str(name), known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"unknown {kind} {name!r}: expected one of {', '.join(map(str, known))}.{hint}")


@dataclass(frozen=True)
class Config:
    """One experiment.

    Attributes are grouped in the order of the rooms they configure.
    Defaults are the paper's values; a preset changes only amounts.

    Raises
    ------
    ValueError
        From `preset` and `with_`, when a profile or parameter is unknown or a value has the wrong type.

    Source
    ------
    Paper, sections 2 and 3; original code for what the paper leaves open (see the fidelity table of chapter 02).
    """

    profile: str = "fast"
    seed: int = 0
    threads: int = 2  # a fixed number, because sums in another order differ in the last bit

    # sounds
    sources: tuple = ("timgm6mb",)  # trained on: sound banks, rendered, and folders of recordings
    recordings: tuple = ()  # tested on, never trained on unless named above; those that are not found are shown as not run
    recordings_each: int = 1_500
    sounds_per_instrument: int = 64
    note_step: int = 2  # every second semitone keeps several sounds a note where there are few

    # front end
    sr: int = 16_000
    hop_length: int = 800  # 20 frames per second
    fmin: float = 27.5
    n_bins: int = 192
    bins_per_octave: int = 24
    filter_scale: float = 1.5  # measured on the author's feature files
    window: str = "cosine"  # square root of a Hann window
    gain: float = 50.0  # log(1 + gain X)
    level: float = 2.0  # peak magnitude that each sound is scaled to before, that of a rendered note (our choice); 0 leaves levels as they are

    # network
    n_in: int = 10  # frames a window, 0.5 s
    size: str = "xlarge"
    n_dims: int = 3

    # loss
    margin_pos: float = 0.0
    margin_neg: float = 1.0
    loss_form: str = "paper"

    # the paper's recipe
    learning_rate: float = 0.02
    batch_triplets: int = 32
    paper_iterations: int = 50_000
    same_file_positives: bool = True
    disjoint_negatives: bool = True
    noise_mean: float = 0.0  # the author's code adds N(0.1, 0.01); the paper does not say so
    noise_sd: float = 0.0
    penalize_origin: bool = True  # the author's code does, the paper does not say so
    zero_padding: bool = True  # beyond a sound's ends; else its first and last frame are repeated

    # our recipe
    ours_iterations: int = 5_000
    ours_windows: int = 96
    ours_group: int = 2  # windows of one neighborhood in a batch, more where there are few neighborhoods
    ours_rivals: int = 7  # neighborhoods that each of a batch brings with it because they lie next to it; 0 draws all by chance
    ours_pool: int = 2  # of neighboring bins, after the first two convolutions; 1 in the paper's network
    ours_deep: bool = True  # one dense layer more than the paper's network
    ours_learning_rate: float = 1e-3
    ours_loss: str = "neighbors"  # or "pairs", the paper's two costs over all pairs of a batch
    unit_gain: bool = True  # weights and steps of one scale in all layers; else the paper's weights and one rate
    weight_decay: float = 0.01

    # evaluation
    validations: int = 5  # how often a training is judged, the last time at its end
    judge_sounds: int = 450
    eval_frames: int = 20_000

    @classmethod
    def preset(cls, profile, **changes):
        """The `Config` of a profile (`fast`, `standard`, `paper`), with some parameters changed."""
        check_name("profile", profile, PRESETS)
        return cls(profile=profile, **PRESETS[profile]).with_(**changes)

    def with_(self, **changes):
        """A copy with some parameters changed; unknown names, wrong types and numbers below what makes sense are errors."""
        types = {f.name: type(getattr(self, f.name)) for f in fields(self)}
        for name, value in changes.items():
            check_name("parameter", name, types)
            wanted = types[name]
            right = isinstance(value, wanted) or (wanted is float and type(value) is int)
            if not right or (wanted is not bool and isinstance(value, bool)):
                raise ValueError(
                    f"parameter {name!r} expected {wanted.__name__}, found {type(value).__name__} ({value!r})"
                )
            least = 0 if wanted is float or name in MAY_BE_ZERO else 1
            if wanted in (int, float) and name != "noise_mean" and not value >= least:
                raise ValueError(f"parameter {name!r} expected at least {least}, found {value!r}")
        check_name("profile", changes.get("profile", self.profile), PRESETS)
        return replace(self, **changes)

    def origin_penalty(self, scheme):
        """Weight of the mean length of Z, a term that the paper does not mention; 0 unless `penalize_origin`.

        Source
        ------
        Original code: 0.001 for the instrument scheme, 0.002 for the others.
        """
        weight = 0.001 if check_name("scheme", scheme, SCHEMES) == "instrument" else 0.002
        return weight if self.penalize_origin else 0.0

    def network(self, recipe="paper"):
        """The parameters that fix a network, those of `model.Embedder` but for its seed; our recipe has layers of its own."""
        ours = check_name("recipe", recipe, RECIPES) == "ours"
        names = ("n_in", "n_bins", "size", "n_dims")
        return {name: getattr(self, name) for name in names} | ({"pool": self.ours_pool, "deep": self.ours_deep} if ours else {})

    def front_end(self):
        """The parameters that fix a feature array, and nothing else: the store is keyed by them."""
        names = ("sr", "hop_length", "fmin", "n_bins", "bins_per_octave", "filter_scale", "window")
        return {name: getattr(self, name) for name in names}

    def as_dict(self):
        """Plain values, for a results file."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


PRESETS = {
    "fast": dict(
        sounds_per_instrument=40, paper_iterations=20, ours_iterations=100, validations=2, judge_sounds=120, eval_frames=5_000,
    ),
    "standard": dict(
        sources=("timgm6mb", "fluidr3"), recordings=("generaluser_gs", "philharmonia"), recordings_each=800,
        sounds_per_instrument=160, note_step=1, paper_iterations=150, ours_iterations=3_000, validations=10, judge_sounds=240,
    ),
    "paper": dict(
        sources=("timgm6mb", "fluidr3", "musescore_general", "csound_gm"), recordings=("generaluser_gs", "philharmonia"),
        recordings_each=100_000, sounds_per_instrument=5_000, note_step=1, eval_frames=50_000,
    ),
}
