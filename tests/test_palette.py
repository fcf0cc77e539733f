"""Colors and shapes: one look for each category, the same wherever it is shown."""

from dml_lib import palette
from dml_lib.sounds.instruments import INSTRUMENTS


def test_palette_gives_each_instrument_its_own_look():
    assert list(palette.LOOKS) == list(INSTRUMENTS) and len({color for color, _ in palette.LOOKS.values()}) == len(INSTRUMENTS)


def test_looks_follow_the_palette_and_tell_all_others_apart():
    looks = palette.looks_of("instrument", ["tuba", "trumpet", "unlabeled", "theremin"])
    assert list(looks) == ["trumpet", "tuba", "theremin", "unlabeled"] and looks["tuba"][0] == palette.LOOKS["tuba"][0]
    sources = palette.looks_of("library", [f"source {i}" for i in range(18)])
    assert len(set(sources.values())) == 18
    assert list(palette.looks_of("dynamics", ["ff", "pp", "mf"])) == ["pp", "mf", "ff"]
    assert palette.looks_of("library", []) == {}


def test_stops_are_hex_colors_of_the_scale():
    assert palette.stops_of("Viridis", 3)[::2] == ["#440154", "#fde725"] and len(palette.stops_of("Magma")) == 9
