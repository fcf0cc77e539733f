"""The built book in a real browser, opened from its files with the network cut off."""

import io

import pytest
from PIL import Image

from test_book import PAGES

FIGURES = {"01_sounds": 4, "02_method": 3, "03_train_pitch": 3, "04_evaluate": 3, "05_explore": 3, "06_sonify": 2}
SOUNDS = {"01_sounds": 4, "05_explore": 4, "06_sonify": 12}


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1200, "height": 900}, offline=True)
    page = context.new_page()
    page.errors, page.requests = [], []
    page.on("console", lambda m: page.errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: page.errors.append(str(e)))
    page.on("request", lambda r: page.requests.append(r.url))
    yield page
    context.close()


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
    open_page(page, built_book[0], "05_explore")
    cloud = page.locator(".plotly-graph-div").nth(2)
    cloud.scroll_into_view_if_needed()
    canvas = cloud.locator("canvas").first
    canvas.wait_for()
    assert colors(canvas) > 100
    cloud.locator(".updatemenu-header").click()
    cloud.locator(".updatemenu-dropdown-button").nth(1).click()
    visible = cloud.evaluate("g => g._fullData.map(t => t.visible)")
    assert visible[-1] is True and not any(v is True for v in visible[:-1])


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
