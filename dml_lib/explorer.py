"""A space to explore in a live Jupyter: menus for scheme, instrument, pitch and color, a sound, and a path to another one."""

import html
import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import ipywidgets as widgets
import numpy as np
from IPython.display import HTML

from . import disputes, figures, library, player, query, sonify
from .sounds import catalog

PATH_FRAMES = 81  # 4 s
MOST = 500  # sounds a space in a page without a kernel


def _shown(*things):
    """Figures and HTML as the outputs of a widget: they need no kernel to be made, so a test can read them."""
    bundles = [{"application/vnd.plotly.v1+json": json.loads(t.to_json())} if hasattr(t, "to_json") else {"text/html": t.data} for t in things]
    return tuple({"output_type": "display_data", "data": bundle, "metadata": {}} for bundle in bundles)


class Explorer:
    """Menus over some spaces of the same sounds.

    Parameters
    ----------
    spaces : dict of str to (np.ndarray, np.ndarray)
        Scheme: embeddings of all frames, and of all sounds.
    dataset : Dataset
    cfg : Config

    Attributes
    ----------
    scheme, instrument, pitch, color, sound, goal, play : widgets
        Setting one redraws what depends on it; `play` renders the straight path from `sound` to `goal`.
    cloud, details, heard : widgets.Output
        The cloud of the sounds chosen with the path of the sound; the sound and its constant-Q; the path played.
    widget : widgets.VBox
        All of them; what a cell ends with.
    """

    def __init__(self, spaces, dataset, cfg):
        self.spaces, self.dataset, self.cfg = spaces, dataset, cfg
        notes = dataset.table["note_number"].dropna()
        low, high = (notes.min(), notes.max()) if len(notes) else (0, 127)
        titles = catalog.titles(dataset.table)
        sounds = [(f"{title} [{i}]", i) for i, title in enumerate(titles)]
        self.scheme = widgets.Dropdown(options=list(spaces), description="scheme")
        self.instrument = widgets.Dropdown(options=["all", *dataset.table["instrument"].dropna().unique()], description="instrument")
        self.pitch = widgets.IntRangeSlider(value=(low, high), min=low, max=high, description="pitch")
        self.color = widgets.Dropdown(options=list(figures.labels_of(dataset.table)), value="instrument", description="color by")
        self.sound = widgets.Dropdown(options=sounds, description="sound")
        self.goal = widgets.Dropdown(options=sounds, value=len(sounds) - 1, description="path to")
        self.play = widgets.Button(description="play the path")
        self.cloud, self.details, self.heard = widgets.Output(), widgets.Output(), widgets.Output()
        for menu in (self.scheme, self.instrument, self.pitch, self.color, self.sound):
            menu.observe(lambda _: self._draw(), "value")
        self.sound.observe(lambda _: self._tell(), "value")
        self.play.on_click(lambda _: self._walk())
        menus = [widgets.HBox([self.scheme, self.instrument, self.color, self.pitch]), widgets.HBox([self.sound, self.goal, self.play])]
        self.widget = widgets.VBox([*menus, self.heard, self.cloud, self.details])
        self._draw()
        self._tell()

    def chosen(self):
        """Which sounds the menus leave, (n_sounds,), bool; those without a note only while the pitch is left alone."""
        table, (low, high) = self.dataset.table, self.pitch.value
        fits = table["note_number"].between(low, high).fillna((low, high) == (self.pitch.min, self.pitch.max)).to_numpy(bool)
        return fits if self.instrument.value == "all" else fits & (table["instrument"] == self.instrument.value).to_numpy(bool)

    def _draw(self):
        frames, points = self.spaces[self.scheme.value]
        rows = np.flatnonzero(self.chosen())
        if not len(rows):
            self.cloud.outputs = _shown(HTML("<p>The menus leave no sound.</p>"))
            return
        fig = figures.cloud(points[rows], self.dataset.table.iloc[rows], self.color.value)
        fig.layout.updatemenus = ()  # the menu above does it
        self.cloud.outputs = _shown(figures.add_path(fig, frames[self.dataset.where(self.sound.value)]))

    def _tell(self):
        i = self.sound.value
        title = self.sound.label
        sound = player.listen({title: catalog.audio(self.dataset.table.iloc[i])})
        self.details.outputs = _shown(sound, figures.cqt_grid({title: self.dataset.features(i)}, self.cfg))

    def _walk(self):
        frames, points = self.spaces[self.scheme.value]
        ends, keep = (self.sound.value, self.goal.value), self.chosen()
        path = np.linspace(*points[list(ends)], PATH_FRAMES)
        made = sonify.Instrument(frames, self.dataset, self.cfg, keep=keep if keep.any() else None).play(path, ends=ends)
        self.heard.outputs = _shown(player.listen({f"{self.sound.label} to {self.goal.label}": (made.y, made.sr)}))


def explore(spaces, dataset, cfg):
    """The explorer where a kernel runs; the spaces side by side, with some of the test sounds, in a page of the book, where none does.

    Parameters are those of `Explorer`.

    Returns
    -------
    ipywidgets.VBox or plotly Figure
    """
    if not os.environ.get("DML_BOOK"):
        return Explorer(spaces, dataset, cfg).widget
    test = np.flatnonzero(dataset.table["random"] == "test")
    test = np.sort(np.random.default_rng(cfg.seed).permutation(test)[:MOST])
    return figures.side_by_side({scheme: points[test] for scheme, (_, points) in spaces.items()}, dataset.table.iloc[test])


class MapExplorer(Explorer):
    """The explorer over a map of a user's folders: also takes a file as a question.

    Notes that no name tells are those estimated. Parameters are those of `open_map`.

    Attributes
    ----------
    ask : widgets.FileUpload
        A file dropped there is looked up; `heard` then shows the nearest sounds.
    """

    def __init__(self, out, k=5):
        self.library, self.k = library.Library.open(out), k
        data = self.library.dataset  # at the level that the network hears, which its table says
        told = data.table.assign(note_number=disputes.notes(data.table), instrument=data.table["instrument"].fillna("unlabeled"))
        space = np.concatenate(list(self.library.places)), self.library.points
        super().__init__({"map": space}, replace(data, table=told), self.library.network[1])
        self.ask = widgets.FileUpload(description="like a file", multiple=False)
        self.ask.observe(lambda _: self._answer(), "value")
        self.widget.children = (self.ask, *self.widget.children)

    def _answer(self):
        for file in self.ask.value:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "question").with_suffix(Path(file["name"]).suffix)  # of its name nothing else is used
                path.write_bytes(file["content"])
                try:
                    answers = query.ask(self.library, [str(path)], k=self.k)
                except ValueError as error:
                    self.heard.outputs = _shown(HTML(f"<p>{html.escape(str(error).replace(str(path), file['name']))}</p>"))
                    return
            sounds = {f"{row['rank']}. {row['sound_id']}": catalog.audio(row) for _, row in answers.iterrows()}
            self.heard.outputs = _shown(player.listen(sounds))


def open_map(out, k=5):
    """The explorer over a map, for a live Jupyter: menus, paths played, a file as a question.

    Parameters
    ----------
    out : path
        What `python -m dml_lib map` wrote.
    k : int
        Answers to a question.

    Returns
    -------
    ipywidgets.VBox
    """
    return MapExplorer(out, k).widget
