"""The colors and shapes of categories and numbers, the same in figures and in the map.

Hue tells the family of an instrument, lightness and marker the member, so that no reader depends on color alone.

Source
------
Our choice.
"""

import numpy as np
from plotly.colors import sample_colorscale

from .sounds.instruments import FAMILIES, INSTRUMENTS
from .sounds.soundfont import DYNAMICS

HUES = ("#d55e00", "#0072b2", "#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#999999")  # Okabe and Ito, safe for the color-blind
SYMBOLS = ("circle", "diamond", "square", "cross")


def _lighter(color, amount):
    """Mix a hex color with white (amount > 0) or black (amount < 0)."""
    rgb = np.array([int(color[i:i + 2], 16) for i in (1, 3, 5)])
    target = 255 if amount > 0 else 0
    return "#%02x%02x%02x" % tuple(np.rint(rgb + (target - rgb) * abs(amount)).astype(int))


LOOKS = {  # of each instrument: color, and place in `SYMBOLS`
    inst.slug: (_lighter(hue, (-0.35, 0.0, 0.3, 0.55)[place]), place)
    for family, hue in zip(FAMILIES, HUES) for place, inst in enumerate(i for i in INSTRUMENTS.values() if i.family == family)
}


def looks_of(column, names):
    """Color and shape of each category of a column, in the order to list them.

    Parameters
    ----------
    column : str
        Of the table of sounds: instruments, families and dynamics have looks and an order of their own.
    names : list of str
        Others keep the order given.

    Returns
    -------
    dict of str to (str, int)
        Hex color, and place in `SYMBOLS`.
    """
    own = {
        "instrument": LOOKS,
        "family": {family: (HUES[i], i % len(SYMBOLS)) for i, family in enumerate(FAMILIES)},
        "dynamics": {name: (color, 0) for name, color in zip(DYNAMICS, stops_of("Viridis", len(DYNAMICS)))},
    }.get(column, {})
    free = [(_lighter(hue, amount), (i + j) % len(SYMBOLS)) for j, amount in enumerate((0, -0.35, 0.4)) for i, hue in enumerate(HUES[:6])]
    others = {name: free[i % len(free)] for i, name in enumerate(name for name in names if name not in own and name != "unlabeled")}
    return {name: look for name, look in (own | others | {"unlabeled": ("#888888", 0)}).items() if name in names}


def coded(column, values):
    """Categories of a column as numbers, with the look of each; what is empty is `unlabeled`.

    Parameters
    ----------
    column : str
    values : pandas.Series, (n,)

    Returns
    -------
    codes : np.ndarray, (n,), int64
    looks : dict of str to (str, int)
        See `looks_of`, in the order of the codes.
    """
    text = values.astype(object).where(values.notna() & (values != ""), "unlabeled").astype(str)
    looks = looks_of(column, list(text.value_counts().index))
    return text.map({name: i for i, name in enumerate(looks)}).to_numpy(np.int64), looks


def stops_of(scale, n=9):
    """A Plotly color scale as `n` hex colors."""
    colors = sample_colorscale(scale, n, colortype="tuple")
    return ["#%02x%02x%02x" % tuple(round(255 * v) for v in color) for color in colors]
