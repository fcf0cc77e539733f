"""Labels out of file names: instrument, note, dynamics, articulation.

Conventions: instruments are slugs, the 24 of our soundfonts and further ones for whatever is not the same instrument
(`bass-clarinet` is no `clarinet`; `saxophone` and `guitar` are what a name says that does not say which).
Note numbers are MIDI, A4 = 69. None means unlabelled: a name that says two things says nothing, and nothing is guessed.

Source
------
Our choice. The schemes of Philharmonia, NSynth, TinySOL and General MIDI are their publishers'; the note in the names
of the paper's feature files is MIDI - 12 (measured on their spectra).
Used by the chapters `01_sounds` and `07_your_library`.
"""

import re
import unicodedata
from dataclasses import dataclass
from pathlib import PurePath

# slug: its further names, split at "|"; a space stands for any separators or none. The slug itself is always a name.
INSTRUMENTS = {  # the 24
    "alto-sax": "alto saxophone|sax alto|saxophone alto", "bassoon": "fagott|basson",
    "baritone-sax": "baritone saxophone|bari sax|sax baritone|saxophone baritone", "cello": "violoncello|violoncelle",
    "clarinet": "klarinette|clarinette|clarinet in bb|bb clarinet",
    "distorted-guitar": "distortion guitar|guitar distorted|electric guitar distorted|distorted electric guitar",
    "double-bass": "contrabass|kontrabass|contrebasse|upright bass|string bass|acoustic bass",
    "english-horn": "cor anglais|englischhorn", "flute": "concert flute|querflöte|querfloete",
    "french-horn": "horn in f|f horn|waldhorn", "harp": "orchestral harp|concert harp",
    "nylon-guitar": "classical guitar|spanish guitar|acoustic guitar nylon|nylon string guitar|guitar nylon",
    "oboe": "hautbois", "piano": "grand piano|acoustic grand piano|upright piano|pianoforte",
    "piccolo": "piccolo flute", "recorder": "alto recorder|tenor recorder|soprano recorder|blockflöte|blockfloete",
    "soprano-sax": "soprano saxophone|sax soprano|saxophone soprano", "trombone": "tenor trombone|posaune",
    "tenor-sax": "tenor saxophone|sax tenor|saxophone tenor", "tuba": "bass tuba", "vibraphone": "vibraphon|vibes",
    "trumpet": "trumpet in c|trumpet in bb|c trumpet|bb trumpet|trompete|trompette", "viola": "bratsche",
    "violin": "violine|violon",
} | {  # not the same, so not squeezed into the 24
    "acoustic-guitar": "guitar acoustic", "alto-flute": "flute alto", "bass-clarinet": "clarinet bass",
    "bass-flute": "flute bass", "bass-sax": "bass saxophone", "bass-trombone": "trombone bass",
    "bass-trumpet": "trumpet bass", "contrabassoon": "contra bassoon|kontrafagott",
    "eb-clarinet": "clarinet in eb|clarinet eb|e flat clarinet", "electric-piano": "rhodes|wurlitzer",
    "electric-bass": "bass guitar|electric bass guitar|fretless bass|slap bass", "saxophone": "sax",
    "electric-guitar": "guitar electric|clean electric guitar|electric guitar clean|electric guitar jazz",
    "organ": "church organ|pipe organ|reed organ|drawbar organ|rock organ", "harpsichord": "cembalo",
    "steel-drum": "steel drums|steel pan", "steel-guitar": "acoustic guitar steel|steel string guitar",
} | dict.fromkeys("""accordion alto-horn bagpipe banjo baritone-horn basset-horn celesta cimbasso clavinet contrabass-clarinet cornet crumhorn
    dulcimer euphonium flugelhorn glockenspiel guitar harmonica kalimba mandolin marimba melodica music-box oboe-d-amore ocarina
    overdriven-guitar pan-flute piccolo-trumpet post-horn shakuhachi sitar synth-bass tenor-horn timpani tubular-bells ukulele
    wagner-tuba xylophone""".split(), "")
PERCUSSION = {  # unpitched
    "bass-drum": "kick drum|kick", "bongo": "bongos", "clap": "hand clap|hand claps|claps", "conga": "congas",
    "cymbal": "cymbals|crash cymbal|ride cymbal", "hi-hat": "hi hats", "snare-drum": "snare", "tom-toms": "tom tom|tom",
} | dict.fromkeys("""castanets cowbell djembe gong guiro maracas rimshot shaker tabla tam-tam tambourine tenor-drum
    woodblock""".split(), "")
# Codes of TinySOL, of the paper's features and of scores: trusted at the start of a name that also says a note.
CODES = {
    "acc": "accordion", "afl": "alto-flute", "akg": "acoustic-guitar", "asax": "alto-sax", "bkl": "bass-clarinet",
    "bn": "bassoon", "bsn": "bassoon", "btb": "tuba", "cb": "double-bass", "cl": "clarinet", "clbb": "clarinet",
    "eg": "distorted-guitar", "eh": "english-horn", "fl": "flute", "gtr": "guitar", "hn": "french-horn",
    "ho": "french-horn", "hp": "harp", "kb": "double-bass", "kfa": "contrabassoon", "klb": "clarinet", "ob": "oboe",
    "picc": "piccolo", "pno": "piano", "tbn": "trombone", "tpc": "trumpet", "tpt": "trumpet", "trc": "trumpet",
    "tu": "tuba", "va": "viola", "vc": "cello", "vi": "violin", "vla": "viola", "vlc": "cello", "vln": "violin",
    "vn": "violin",
}
EVERYDAY = {"horn": "french-horn", "recorder": "recorder"}  # or of a car, or of voices: need a note beside them
NSYNTH = {"flute_acoustic": "flute", "guitar_acoustic": "acoustic-guitar", "guitar_electronic": "electric-guitar",
          "organ_acoustic": "organ", "organ_electronic": "organ"}  # the other families are no instruments
DYNAMICS = {
    "ppp": "pianississimo|molto pianissimo", "pp": "pianissimo", "p": "piano", "mp": "mezzo piano", "mf": "mezzo forte",
    "f": "forte", "ff": "fortissimo", "fff": "fortississimo|molto fortissimo", "fp": "", "sfz": "sforzando",
    "crescendo": "cresc", "decrescendo": "decresc|diminuendo", "cresc-decresc": "",
}
ARTICULATIONS = {
    "normal": "ord|ordinario|arco normal|arco", "non-vibrato": "nonvib|no vib|no vibe|senza vibrato",
    "vibrato": "vib", "pizzicato": "pizz|pizz normal", "snap-pizzicato": "snap pizz|bartok pizz",
    "tremolo": "trem|arco tremolo", "flutter-tongue": "flutter tonguing|flutter tongued|flutter|flatterzunge|flatt",
    "mute": "muted|con sord|con sordino|sordino|sord", "staccato": "stac|arco staccato", "legato": "arco legato",
    "detache": "arco detache", "spiccato": "arco spiccato", "tenuto": "arco tenuto", "martele": "arco martele",
    "portato": "arco portato", "glissando": "gliss|arco glissando", "major-trill": "arco major trill",
    "minor-trill": "arco minor trill", "harmonic": "harmonics|arco harmonic|natural harmonic",
    "sul-ponticello": "arco sul ponticello|sul pont", "sul-tasto": "arco sul tasto",
    "col-legno-battuto": "arco col legno battuto", "col-legno-tratto": "arco col legno tratto",
    "sustain": "sus|sustained", "staccatissimo": "", "marcato": "", "trill": "",
}

UNSAID = {"", "n-a", "na", "nan", "none", "null", "unknown"}  # what tables say where they say nothing

PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
START, END = r"(?<![^\W_])", r"(?![^\W_])"  # no letter and no digit next to it
# No "s" after E and B: "Es4" is German for E flat.
NOTE = re.compile(START + r"([a-g])(?:((?<=[acdfg])s|[#♯]|[\W_]?sharp[\W_]?)|([b♭]|[\W_]?flat[\W_]?))?(-1|\d)(?![#♯])"
                  + END, re.I)
MIDI = re.compile(START + r"(?:midi[\W_]?(?:note[\W_]?)?(\d{1,3})|m(\d{2,3}))" + END, re.I)
PHRASE = re.compile(START + r"(?:phrases?|loops?|melody|riff|lick|scale|arpeggio|chords?|\d+[\W_]?bpm)" + END, re.I)
DRUMS = re.compile(START + r"(?:percussion|drums?|drum[\W_]?kits?)" + END, re.I)
PERC = re.compile(START + "perc" + END, re.I)
PHILHARMONIA = re.compile(r"([^_\s]+)_([A-G]s?\d)?_(\d+|long|very-long|phrase)?_([a-z-]+)_([a-z-]+)", re.I)
NSYNTH_NAME = re.compile(r"([a-z]+(?:_lead)?_(?:acoustic|electronic|synthetic))_\d{3}-(\d{3})-\d{3}")
FEATURE_NAME = re.compile(r"([a-z]+)\d?_(\d{1,3})_[0-9a-f]{32}")


@dataclass(frozen=True)
class Labels:
    """What a name says, None where it says nothing; `kind` is "note", "phrase" or (unpitched) "percussion"."""

    instrument: str | None = None
    note_number: int | None = None
    dynamics: str | None = None
    articulation: str | None = None
    kind: str = "note"


def _finder(table, before=START, after=END, skip=()):
    """A function from text to the slugs of `table` in it, in order, and the text without their names."""
    slugs = {name: slug for slug, names in table.items() for name in (slug.replace("-", " "), *names.split("|"))
             if name and name not in skip}
    # The longest name first. A single letter is a dynamic only in lower case: "horn in F".
    parts = [f"(?-i:{name})" if len(name) == 1 else name.replace(" ", r"[\W_]*")
             for name in sorted(slugs, key=len, reverse=True)]
    pattern = re.compile(f"{before}(?:{'|'.join(parts)}){after}", re.I)
    packed = {name.replace(" ", ""): slug for name, slug in slugs.items()}
    return lambda text: ([packed[re.sub(r"[\W_]", "", name).lower()] for name in pattern.findall(text)],
                         pattern.sub(" ", text))


# "flute2" is a flute, but the "ff" of "1ff63a" is no fortissimo.
_instruments = _finder(INSTRUMENTS | PERCUSSION, r"(?<![^\W\d_])", r"(?![^\W\d_])", EVERYDAY)
_everyday = _finder({slug: name for name, slug in EVERYDAY.items()})
_dynamics = _finder(DYNAMICS)
_articulations = _finder(ARTICULATIONS)


def _one(found):
    """The one thing found; None for nothing, and for several."""
    return next(iter(found)) if len(set(found)) == 1 else None


def _number(match):
    """MIDI number of a match of `NOTE` or `MIDI`, None outside 0..127."""
    if match.re is NOTE:
        letter, sharp, flat, octave = match.groups()
        number = 12 * int(octave) + 12 + PITCH_CLASSES.index(letter.upper()) + bool(sharp) - bool(flat)
    else:
        number = int(match[1] or match[2])
    return number if 0 <= number <= 127 else None


def slug_of(word):
    """The slug of an instrument by any of its names, and of what is no instrument that we know, such as `my-oud`; None for nothing.

    Parameters
    ----------
    word : str
    """
    word = word.replace("/", " ")
    known = parse_name(f"{word} A4.wav").instrument  # beside a note, short names count
    if known or _instruments(word)[0]:  # two say nothing
        return known
    own = re.sub(r"[\W_]+", "-", unicodedata.normalize("NFKC", word).lower()).strip("-")
    return own if own not in UNSAID else None


def parse_note(text):
    """MIDI number of a note written alone: "A4", "As4", "A#4", "Bb3", "a-sharp-4", "C-1", "midi 69", "m69".

    Parameters
    ----------
    text : str

    Returns
    -------
    int or None
        None for anything else, and outside 0..127.
    """
    text = unicodedata.normalize("NFKC", text).strip()
    match = NOTE.fullmatch(text) or MIDI.fullmatch(text)
    return match and _number(match)


def note_name(midi):
    """Name of a MIDI number: 69 -> "A4", 61 -> "C#4", 0 -> "C-1".

    Parameters
    ----------
    midi : int

    Returns
    -------
    str

    Raises
    ------
    ValueError
        Outside 0..127.
    """
    if midi not in range(128):
        raise ValueError(f"expected a MIDI number in 0..127, got {midi}")
    return f"{PITCH_CLASSES[midi % 12]}{midi // 12 - 1}"


def _field(finder, text):
    """A field that holds one thing: its slug where the whole field names it, else the field itself."""
    found, rest = finder(text)
    return found[0] if len(found) == 1 and not rest.strip(" -") else re.sub(r"\W+", "-", text).lower()


def _search(stem, folders):
    """Labels of a name in no known scheme, by the words in it; `folders` from the nearest on."""
    stem = re.sub(r"(?<=[A-Za-z][a-z][a-z])(?=[A-Z])", " ", stem)  # AltoSax, violinA4
    stem = re.sub(r"mezzo[\W_]*piano", "mp", stem, flags=re.I)
    # After a hyphen "-1" is as likely a take as an octave: "horn-C-1".
    matches = [match for pattern in (NOTE, MIDI) for match in pattern.finditer(stem)
               if not (match[0].endswith("-1") and stem[:match.start()].endswith("-"))]
    notes = {_number(match) for match in matches} - {None}
    said, text = _instruments(re.sub("|".join(re.escape(match[0]) for match in matches) or "(?!)", " ", stem))
    dynamics, text = _dynamics(text)
    if notes and "piano" in said[1:] and set(said) != {"piano"}:  # "violin_A4_piano": soft, not a duo
        said, dynamics = [slug for slug in said if slug != "piano"], dynamics + ["p"]
    if notes and not said:
        code = re.match(r"[\W\d_]*([a-z]+)", stem, re.I)
        said = [CODES[code[1].lower()]] if code and code[1].lower() in CODES else _everyday(text)[0]
    around = [_instruments(name)[0] or (_everyday(name)[0] if notes else []) for name in folders]
    instrument = _one(said or around[0] or around[1])
    if instrument == "piano" and set(sum(around, said)) != {"piano"}:  # "violin/piano/A4": soft, or an instrument
        instrument = None
    articulations = _articulations(text)[0]
    if len(set(articulations)) > 1:  # "ord" and "arco" add nothing to another
        articulations = [slug for slug in articulations if slug != "normal"]
    where = "/".join([stem, *folders])
    drums = DRUMS.search(where) or (not notes and PERC.search(where))  # "perc bass C2"
    percussion = instrument in PERCUSSION or (instrument is None and drums)
    kind = "percussion" if percussion else "phrase" if PHRASE.search(stem) else "note"
    if instrument is None and not notes:  # dynamics of what? "MF Doom"
        return Labels(kind=kind)
    return Labels(instrument, None if percussion else _one(notes), _one(dynamics), _one(articulations), kind)


def parse_name(path):
    """Labels from the name of a file, and from its two nearest folders where the name says no instrument.

    Parameters
    ----------
    path : str or PathLike
        Need not exist.

    Returns
    -------
    Labels
        Percussion has no note, even where the name gives the key that plays it.

    Notes
    -----
    Three schemes are read field by field: Philharmonia's (instrument_note_length_dynamics_articulation; what has no
    note and is no instrument of ours is percussion), NSynth's (its velocity is no dynamic marking) and that of the
    paper's feature files. Any other name is searched for words.
    """
    path = PurePath(path)
    stem, *folders = (unicodedata.normalize("NFKC", text) for text in (
        path.stem if parse_note(path.suffix[1:]) is None else path.name, path.parent.name, path.parent.parent.name))
    if match := NSYNTH_NAME.fullmatch(stem):
        return Labels(NSYNTH.get(match[1]), parse_note(f"midi {match[2]}"))
    if match := FEATURE_NAME.fullmatch(stem):
        return Labels(CODES.get(match[1]), parse_note(f"midi {int(match[2]) + 12}"))
    if (match := PHILHARMONIA.fullmatch(stem)) and _dynamics(match[4])[0]:
        instrument, dynamics, articulation = (
            _field(finder, match[i]) for finder, i in ((_instruments, 1), (_dynamics, 4), (_articulations, 5)))
        if not match[2] and instrument not in INSTRUMENTS:
            return Labels(instrument, None, dynamics, articulation, "percussion")
        kind = "phrase" if match[3] == "phrase" else "note"
        return Labels(instrument, parse_note(match[2] or ""), dynamics, articulation, kind)
    return _search(stem, folders)
