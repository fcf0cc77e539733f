import os
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from dml_lib.sounds.labels import (CODES, EVERYDAY, INSTRUMENTS, NSYNTH, PERCUSSION, Labels, note_name, parse_name, slug_of,
                                   parse_note)

SLUGS = set("""alto-sax baritone-sax bassoon cello clarinet distorted-guitar double-bass english-horn flute french-horn
    harp nylon-guitar oboe piano piccolo recorder soprano-sax tenor-sax trombone trumpet tuba vibraphone viola
    violin""".split())


@pytest.fixture(scope="module")
def data():
    if "DML_DATA" not in os.environ:
        pytest.skip("set DML_DATA to the folder of recordings")
    return Path(os.environ["DML_DATA"])


@given(st.integers(0, 127))
def test_note_name_and_parse_note_are_inverse(midi):
    assert parse_note(note_name(midi)) == midi
    assert parse_note(f"midi {midi}") == midi
    assert parse_name(f"violin_{note_name(midi)}_x.wav").note_number == midi


@given(st.sampled_from("ACDFG"), st.integers(0, 8))
def test_spellings_of_one_sharp_agree(letter, octave):
    sharp = parse_note(f"{letter}{octave}") + 1
    following = "ABCDEFG"["ABCDEFG".index(letter) - 6]
    for text in (f"{letter}#{octave}", f"{letter}s{octave}", f"{letter.lower()}s{octave}", f"{letter}♯{octave}",
                 f"{letter}-sharp-{octave}", f"{letter}_Sharp_{octave}", f"{letter} sharp {octave}",
                 f"{following}b{octave}", f"{following}♭{octave}", f"{following.lower()}-flat-{octave}"):
        assert parse_note(text) == sharp, text


@pytest.mark.parametrize("text, midi", [
    ("A4", 69), ("a4", 69), ("As4", 70), ("A#4", 70), ("Bb3", 58), ("bb3", 58), ("b3", 59), ("a-sharp-4", 70),
    ("C-1", 0), ("C#-1", 1), ("G9", 127), ("Cb4", 59), ("B#3", 60), ("midi 69", 69), ("MIDI_069", 69), ("m69", 69),
    ("midinote 60", 60), (" A4 ", 69), ("Ａ４", 69)])
def test_parse_note(text, midi):
    assert parse_note(text) == midi


@pytest.mark.parametrize("text", [
    "", "A", "4", "69", "H4", "A10", "A#9", "Cb-1", "Es4", "Bs4", "A-4", "A 4", "A4x", "m4", "midi 128", "m200", "A##4",
    "take 4", "A4 B4"])
def test_parse_note_refuses(text):
    assert parse_note(text) is None


@pytest.mark.parametrize("name", [
    "copy of cello_Gs2_1_fortissimo_arco-normal", "Kopie von cello_Gs2_1_fortissimo_arco-normal", "cello_Gs2_1_fortissimo_arco-normal (1)",
    "cello_Gs2_1_fortissimo_arco-normal - Copy",
])
def test_a_copy_is_called_as_what_it_was_made_of(name):
    assert parse_name(f"{name}.mp3") == parse_name("cello_Gs2_1_fortissimo_arco-normal.mp3")


@pytest.mark.parametrize("midi", [-1, 128, 60.5])
def test_note_name_refuses(midi):
    with pytest.raises(ValueError, match="expected a MIDI number in 0..127, got"):
        note_name(midi)


@given(st.text(max_size=60))
def test_any_text_gives_valid_labels(text):
    labels = parse_name(text.replace("\0", "") or "x")
    assert labels.note_number is None or 0 <= labels.note_number <= 127
    assert labels.kind in {"note", "phrase", "percussion"}


def test_tables_are_sound():
    assert SLUGS < set(INSTRUMENTS)
    assert not set(INSTRUMENTS) & set(PERCUSSION)
    assert set(CODES.values()) | set(EVERYDAY.values()) | set(NSYNTH.values()) <= set(INSTRUMENTS)
    pairs = {(re.sub(r"\W", "", name), slug) for slug, more in (INSTRUMENTS | PERCUSSION).items()
             for name in {slug, *more.split("|")} - {""}}
    names = Counter(name for name, _ in pairs)
    assert [name for name, n in names.items() if n > 1] == []  # no name means two instruments


@pytest.mark.parametrize("slug", sorted(SLUGS))
@pytest.mark.parametrize("name", ["{}_A4_b5a942", "{}-A4", "{} a4 mf", "01 {}.A4", "A4_{}"])
def test_each_of_the_24_in_each_order(slug, name):
    for spelling in (slug, slug.replace("-", " ").title(), slug.replace("-", "_").upper(), slug.replace("-", "")):
        labels = parse_name(name.format(spelling) + ".wav")
        assert (labels.instrument, labels.note_number) == (slug, 69)


@pytest.mark.parametrize("name, expected", [
    # Philharmonia
    ("flute_A4_1_forte_normal.mp3", Labels("flute", 69, "f", "normal")),
    ("french-horn_As2_025_molto-pianissimo_mute.mp3", Labels("french-horn", 46, "ppp", "mute")),
    ("cello_C3_15_piano_arco-normal.mp3", Labels("cello", 48, "p", "normal")),
    ("guitar_A2_very-long_piano_harmonics.mp3", Labels("guitar", 45, "p", "harmonic")),
    ("cor-anglais_A3_05_fortissimo_normal.mp3", Labels("english-horn", 57, "ff", "normal")),
    ("saxophone_Fs3_05_mezzo-piano_subtone.mp3", Labels("saxophone", 54, "mp", "subtone")),
    ("double-bass_E1_phrase_forte_pizz-tremolo.mp3", Labels("double-bass", 28, "f", "pizz-tremolo", "phrase")),
    ("snare-drum__phrase_mezzo-forte_rhythm.mp3", Labels("snare-drum", None, "mf", "rhythm", "percussion")),
    ("Thai-gong__long_forte_undamped.mp3", Labels("thai-gong", None, "f", "undamped", "percussion")),
    ("motor-horn__05_forte_squeezed.mp3", Labels("motor-horn", None, "f", "squeezed", "percussion")),
    # NSynth
    ("guitar_acoustic_001-069-100.wav", Labels("acoustic-guitar", 69)),
    ("bass_electronic_018-036-127.wav", Labels(None, 36)),
    ("synth_lead_synthetic_001-069-100.wav", Labels(None, 69)),
    # TinySOL and its relatives
    ("TpC-ord-A4-mf.wav", Labels("trumpet", 69, "mf", "normal")),
    ("ASax-ord-B3-ff-N-N.wav", Labels("alto-sax", 59, "ff", "normal")),
    ("BTb-ord-F#1-pp-N-N.wav", Labels("tuba", 30, "pp", "normal")),
    ("Vn-ord-A4-mf-2c-T12d.wav", Labels("violin", 69, "mf", "normal")),
    ("Cb-pizz-C#2-mf.wav", Labels("double-bass", 37, "mf", "pizzicato")),
    ("KFA_flatt_p_C3.wav", Labels("contrabassoon", 48, "p", "flutter-tongue")),
    # the paper's features: MIDI - 12
    ("kb_21_365234f0e07311e81d6be37eb106b2d7.npz", Labels("double-bass", 33)),
    ("fl1_82_1380439da0ee823a804c2ba3ce55171c.npz", Labels("flute", 94)),
    ("pt_64_0f612a6d780aa6bef37350e05606f28d.npz", Labels(None, 76)),
    # soundfonts as folders of files, university collections, hand-made names
    ("acoustic_guitar_nylon-mp3/Gb3.mp3", Labels("nylon-guitar", 54)),
    ("AltoSax.NoVib.ff.Db4.aif", Labels("alto-sax", 61, "ff", "non-vibrato")),
    ("Piano.ff.A4", Labels("piano", 69, "ff")),
    ("EbClarinet.mf.D4.aiff", Labels("eb-clarinet", 62, "mf")),
    ("violin-a-sharp-4_arco_pizz.wav", Labels("violin", 70, None, "pizzicato")),
    ("Horn in F - A3 - f.wav", Labels("french-horn", 57, "f")),
    ("hn_a3.wav", Labels("french-horn", 57)),
    ("ho A3.wav", Labels("french-horn", 57)),
    ("Bass Clarinet C3 stac.wav", Labels("bass-clarinet", 48, None, "staccato")),
    ("violinA4.wav", Labels("violin", 69)),
    ("trumpet_A4_midi69.wav", Labels("trumpet", 69)),
    ("piano_C-1_ff.wav", Labels("piano", 0, "ff")),
    ("violin_A4_piano.wav", Labels("violin", 69, "p")),
    ("violin_A4_mezzo-piano.wav", Labels("violin", 69, "mp")),
    ("A4 paper.wav", Labels(None, 69)),
])
def test_known_schemes(name, expected):
    assert parse_name(name) == expected


@pytest.mark.parametrize("name, expected", [
    ("viola/A4.wav", Labels("viola", 69)),
    ("horn/A4.wav", Labels("french-horn", 69)),
    ("cello/take 1/A4.wav", Labels("cello", 69)),
    ("harp/oboe_A4.wav", Labels("oboe", 69)),  # the file's own name comes first
    ("cello/a/b/A4.wav", Labels(None, 69)),  # too far up to be about this file
    ("violin/piano/A4.wav", Labels(None, 69)),  # soft violins, or a piano
    ("drums/one shot 3.wav", Labels(kind="percussion")),
    ("percussion/marimba_A4.wav", Labels("marimba", 69)),
])
def test_folders_help(name, expected):
    assert parse_name(name) == expected


@pytest.mark.parametrize("name, expected", [
    ("flute and violin A4.wav", Labels(None, 69)),
    ("flute_A4_B4.wav", Labels("flute")),
    ("flute_A4_midi70.wav", Labels("flute")),
    ("flute_A4_pp_ff.wav", Labels("flute", 69)),
    ("flute_A4_staccato_legato.wav", Labels("flute", 69)),
    ("piano-C-1.wav", Labels("piano")),  # first take of a C?
    ("violin Es4.wav", Labels("violin")),
    ("perc_bass_C2.wav", Labels(None, 36)), ("PERC_09_hard.wav", Labels(kind="percussion")),
    ("Basset Horn C4.wav", Labels("basset-horn", 60)), ("tenor-horn_C4.wav", Labels("tenor-horn", 60)),
])
def test_two_meanings_are_none(name, expected):
    assert parse_name(name) == expected


@pytest.mark.parametrize("name", [
    "take 4.wav", "ab5f.wav", "C4D_render.wav", "vol2.wav", "e2set1.wav", "2019-04-05 12.30.wav", "b5a942.wav", "xkA4.wav",
    "1ff63a.wav", "MF Doom.wav", "car horn.wav", "voice recorder 3.wav", "va.wav", "cb radio.wav", "violins.wav", ".wav",
    "harpoon.wav", "Sim01_BCL.aiff", "3f2a-b4c1-00e4aa.wav", "m4.wav"])
def test_traps_say_nothing(name):
    assert parse_name(name) == Labels()


@pytest.mark.parametrize("name, expected", [
    ("Bass 2 loop 120bpm.wav", Labels(kind="phrase")),
    ("cello melody A3.wav", Labels("cello", 57, kind="phrase")),
    ("kick_C1.wav", Labels("bass-drum", kind="percussion")),
    ("Drum loop.wav", Labels(kind="percussion")),
    ("steel drum A4.wav", Labels("steel-drum", 69)),
])
def test_kinds(name, expected):
    assert parse_name(name) == expected


def test_philharmonia_against_its_fields(data):
    """Independent oracle: the fields split at the underscore."""
    paths = sorted((data / "philharmonia").rglob("*.mp3"))
    assert paths
    for path in paths:
        instrument, note, length, _, _ = path.stem.split("_")
        labels = parse_name(path)
        assert labels.instrument == instrument.lower()
        assert labels.note_number == parse_note(note)
        assert labels.dynamics and labels.articulation
        assert labels.kind == ("percussion" if "percussion" in path.parts else "phrase" if length == "phrase" else "note")


def test_generaluser_is_fully_labeled(data):
    paths = sorted((data / "generaluser_gs").glob("*.flac"))
    assert paths
    for path in paths:
        instrument, note, _ = path.stem.split("_")
        assert parse_name(path) == Labels(instrument, parse_note(note))


@pytest.mark.parametrize("word, slug", [
    ("Violoncello", "cello"), ("vln.", "violin"), ("My Oud", "my-oud"), ("kazoo", "kazoo"), ("flute/oboe", None), ("", None), ("N/A", None),
    ("unknown", None), ("?", None),
])
def test_an_instrument_that_is_unknown_keeps_its_name(word, slug):
    assert slug_of(word) == slug
