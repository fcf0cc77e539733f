"""The built book in a real browser, opened from its files with the network cut off."""

import io
import re

import pytest
from PIL import Image

from test_book import PAGES

FIGURES = {"01_sounds": 4, "02_method": 3, "03_train_pitch": 3, "04_evaluate": 5, "05_explore": 4, "06_sonify": 1, "07_your_library": 1}
SOUNDS = {"01_sounds": 4, "05_explore": 19, "06_sonify": 13, "07_your_library": 17}


def open_page(page, html, name):
    page.goto((html / "chapters" / f"{name}.html").as_uri())


def colors(element):
    """How many colors a screenshot of an element has."""
    image = Image.open(io.BytesIO(element.screenshot())).convert("RGB")
    return len(image.getcolors(image.width * image.height))


@pytest.mark.parametrize("name", PAGES)
def test_page_opens_offline_without_errors(page, built_book, name):
    open_page(page, built_book[0], name)
    assert page.locator("h1").first.inner_text()
    assert page.errors == []
    assert [url for url in page.requests if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.mark.parametrize("name", FIGURES)
def test_plots_are_drawn(page, built_book, name):
    open_page(page, built_book[0], name)
    plots = page.locator(".plotly-graph-div")
    assert plots.count() == FIGURES[name]
    for i in range(plots.count()):
        plot = plots.nth(i)
        plot.scroll_into_view_if_needed()
        plot.locator(".main-svg").first.wait_for()
        assert colors(plot) > 20
        assert len(plot.locator("xpath=ancestor::*[@role='img']").get_attribute("aria-label")) > 20


def test_cloud_is_not_blank_and_its_menu_recolors_it(page, built_book):
    open_page(page, built_book[0], "03_train_pitch")
    cloud = page.locator(".plotly-graph-div").last
    cloud.scroll_into_view_if_needed()
    canvas = cloud.locator("canvas").first
    canvas.wait_for()
    assert colors(canvas) > 100
    for label in ("pitch", "family"):
        cloud.locator(".updatemenu-header").click()
        cloud.locator(".updatemenu-dropdown-button", has_text=label).click()
        cloud.locator(f".infolayer .cbtitle:has-text('{label}')").wait_for()
        assert cloud.locator(".updatemenu-header").text_content() == f"color by {label}"
    codes = cloud.evaluate("g => [...new Set(g._fullData[0].marker.color)].sort()")
    assert codes == list(range(7)) and colors(canvas) > 50


def test_turning_one_of_the_four_spaces_turns_all(page, built_book):
    open_page(page, built_book[0], "05_explore")
    spaces = page.locator(".plotly-graph-div").nth(3)
    spaces.scroll_into_view_if_needed()
    spaces.locator("canvas").nth(3).wait_for()
    eye = {"x": 0.3, "y": -2, "z": 0.5}
    spaces.evaluate("(g, eye) => Plotly.relayout(g, {'scene2.camera': {eye}})", eye)
    page.wait_for_timeout(3000)
    assert spaces.evaluate("g => ['scene', 'scene2', 'scene3', 'scene4'].map(s => g.layout[s].camera.eye)") == [eye] * 4


def test_map_in_the_page_plays_what_is_pressed_and_follows_the_theme(page, built_book):
    open_page(page, built_book[0], "05_explore")
    frame = page.locator("iframe.sound-map")
    frame.scroll_into_view_if_needed()
    inner = frame.element_handle().content_frame()
    inner.locator("#count").wait_for()
    assert colors(page.locator("iframe.sound-map")) > 100
    inner.evaluate("() => soundMap.press(5)")
    inner.locator("#nearest li").nth(9).wait_for()
    played = "() => new Promise(done => { const f = () => soundMap.state().time > 0.05 ? done(soundMap.state().playing) : setTimeout(f, 10); f(); })"
    assert inner.evaluate(played) == 5
    page.evaluate("() => { document.documentElement.dataset.theme = 'dark'; }")
    inner.locator(":root[data-theme=dark]").wait_for(state="attached")
    assert page.errors == [] and all(url.startswith(("file:", "data:", "blob:")) for url in page.requests)


def test_chapter_of_the_map_is_light(built_book):
    text = (built_book[0] / "chapters" / "05_explore.html").read_text()
    sounds = sum(map(len, re.findall(r"data:audio/mpeg;base64,[^\"]+", text)))
    assert len(text) - sounds < 400_000


@pytest.mark.parametrize("name", ["05_explore"])
def test_phone_width_scrolls_in_one_direction(browser, built_book, name):
    context = browser.new_context(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True, offline=True)
    page = context.new_page()
    open_page(page, built_book[0], name)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    cloud = page.locator(".plotly-graph-div").nth(2)
    cloud.scroll_into_view_if_needed()
    cloud.locator(".modebar-btn").first.wait_for(state="attached")
    menu, bar = (cloud.locator(part).bounding_box() for part in (".updatemenu-header", ".modebar"))
    assert menu["x"] + menu["width"] <= bar["x"]  # nothing lies on the menu
    context.close()


@pytest.mark.parametrize("name", SOUNDS)
def test_sounds_load_and_play(page, built_book, name):
    open_page(page, built_book[0], name)
    audio = page.locator("audio")
    assert audio.count() == SOUNDS[name]
    for i in range(audio.count()):
        played = audio.nth(i).evaluate(
            "a => new Promise((done, fail) => { a.ontimeupdate = () => a.currentTime > 0.05 && (a.pause(), done(a.duration));"
            " a.onerror = () => fail(a.error.message); a.play().catch(fail) })"
        )
        assert 0.3 < played < 6


def test_maths_is_typeset_offline(page, built_book):
    open_page(page, built_book[0], "02_method")
    page.locator("mjx-container svg").first.wait_for()
    assert page.locator("mjx-container").count() > 10 and page.locator("mjx-merror").count() == 0
