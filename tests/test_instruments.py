"""The 24 instruments: whole, distinct, and within the keys of a piano."""

from dml_lib.sounds.instruments import FAMILIES, INSTRUMENTS


def test_24_instruments_17_of_them_in_the_paper():
    assert len(INSTRUMENTS) == 24
    assert sum(i.in_paper for i in INSTRUMENTS.values()) == 17
    assert len({i.program for i in INSTRUMENTS.values()}) == 24
    assert all(slug == i.slug and slug == slug.lower() and " " not in slug for slug, i in INSTRUMENTS.items())
    assert set(FAMILIES) == {i.family for i in INSTRUMENTS.values()}
    assert len(FAMILIES) == len(set(FAMILIES))


def test_ranges_are_sane():
    for i in INSTRUMENTS.values():
        assert 21 <= i.low < i.high <= 108, i  # a piano's keys
        assert i.high - i.low >= 24, i  # two octaves at least
        assert 0 <= i.program < 128
    assert (INSTRUMENTS["piano"].low, INSTRUMENTS["piano"].high) == (21, 108)
    assert (INSTRUMENTS["violin"].low, INSTRUMENTS["violin"].program) == (55, 40)
    assert (INSTRUMENTS["tuba"].program, INSTRUMENTS["flute"].program) == (58, 73)
