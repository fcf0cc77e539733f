"""The 24 instruments of the book: General MIDI program, sounding range, family.

Seventeen are classes of the paper that General MIDI has; of the other seven, four are relatives of these.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Instrument:
    """One instrument.

    Attributes
    ----------
    slug : str
        Canonical name, as in the file names of a labelled folder.
    program : int
        General MIDI program, counted from 0.
    low, high : int
        Sounding range as MIDI note numbers, both ends included.
    family : str
        Group that shares a hue in figures.
    in_paper : bool
        True when the class is one of the paper's 24.

    Source
    ------
    Ranges: common orchestration ranges. Classes: paper, section 3. The seven others: our choice.
    """

    slug: str
    program: int
    low: int
    high: int
    family: str
    in_paper: bool = True


INSTRUMENTS = {
    i.slug: i
    for i in (
        Instrument("trumpet", 56, 54, 86, "brass"),
        Instrument("trombone", 57, 40, 72, "brass"),
        Instrument("french-horn", 60, 34, 77, "brass"),
        Instrument("tuba", 58, 26, 65, "brass"),
        Instrument("clarinet", 71, 50, 91, "reeds"),
        Instrument("oboe", 68, 58, 91, "reeds"),
        Instrument("english-horn", 69, 52, 81, "reeds"),
        Instrument("bassoon", 70, 34, 75, "reeds"),
        Instrument("soprano-sax", 64, 56, 88, "saxophones"),
        Instrument("alto-sax", 65, 49, 80, "saxophones", False),
        Instrument("tenor-sax", 66, 44, 76, "saxophones"),
        Instrument("baritone-sax", 67, 36, 69, "saxophones", False),
        Instrument("flute", 73, 60, 96, "flutes"),
        Instrument("piccolo", 72, 74, 108, "flutes"),
        Instrument("recorder", 74, 65, 98, "flutes", False),
        Instrument("violin", 40, 55, 100, "bowed strings"),
        Instrument("viola", 41, 48, 91, "bowed strings", False),
        Instrument("cello", 42, 36, 81, "bowed strings"),
        Instrument("double-bass", 43, 28, 67, "bowed strings"),
        Instrument("nylon-guitar", 24, 40, 83, "plucked strings"),
        Instrument("distorted-guitar", 30, 40, 86, "plucked strings"),
        Instrument("harp", 46, 24, 103, "plucked strings", False),
        Instrument("piano", 0, 21, 108, "struck", False),
        Instrument("vibraphone", 11, 53, 89, "struck", False),
    )
}
FAMILIES = tuple(dict.fromkeys(i.family for i in INSTRUMENTS.values()))
