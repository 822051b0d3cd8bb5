"""The page as a whole: hostile text, keys, phone, theme."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.fixtures.bundles import scene
from tests.services.detector.console.conftest import watched_page
from tests.services.detector.console.stack import Stack, running
from tests.services.detector.console.steps import card, enrol_left_of_scene, show

pytestmark = pytest.mark.browser

HOSTILE = '<img src=x onerror="window.pwned=1">'
LONG = "Wholegrainoatyoghurtwithoutanysugar" * 5


def test_a_hostile_label_is_only_text(page: Page, stack: Stack, gallery: str) -> None:
    enrol_left_of_scene(stack.url, gallery, HOSTILE, 30, metadata='{"<b>key</b>": "<script>window.pwned=1</script>"}')
    show(page, scene(30, 31))
    expect(page.get_by_role("heading", name=HOSTILE)).to_be_visible()
    expect(page.locator(".object.known .tag")).to_contain_text(HOSTILE)
    page.locator(".card.unknown").get_by_role("combobox").press("ArrowDown")
    expect(page.get_by_role("option", name=HOSTILE)).to_be_visible()
    page.goto("/#gallery")
    page.get_by_role("button", name=HOSTILE).click()
    expect(page.get_by_role("dialog")).to_contain_text("<script>window.pwned=1</script>")
    assert page.locator("img[src=x]").count() == 0
    assert page.evaluate("window.pwned") is None


def test_a_key_is_asked_for_kept_for_the_tab_and_refused_if_wrong(browser: Browser, tmp_path: Path) -> None:
    with (
        running(tmp_path, admin_key="right-key-0123456789") as locked,
        watched_page(browser, locked.url, "locked") as page,
    ):
        page.goto("/#gallery")
        dialog = page.get_by_role("dialog", name="This service asks for a key")
        dialog.get_by_label("Key").fill("wrong")
        page.keyboard.press("Enter")
        expect(dialog.get_by_text("That key was not accepted.")).to_be_visible()
        dialog.get_by_label("Key").fill("right-key-0123456789")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Nothing here yet.")).to_be_visible()
        page.reload()
        expect(page.get_by_role("heading", name="Nothing here yet.")).to_be_visible()
        assert page.evaluate("sessionStorage.getItem('kenspeckle.key')") == "right-key-0123456789"
        assert "right-key" not in page.evaluate("JSON.stringify(localStorage)")


def test_a_phone_needs_no_sideways_scrolling(browser: Browser, stack: Stack, gallery: str) -> None:
    enrol_left_of_scene(stack.url, gallery, LONG, 32)
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    with watched_page(browser, stack.url, gallery, **phone) as page:
        fits = "document.documentElement.scrollWidth <= innerWidth && innerWidth === 360"
        page.goto("/")
        expect(page.get_by_text("Take a photo").first).to_be_visible()
        assert page.evaluate(fits), "start"
        brand, chooser = page.locator(".brand").bounding_box(), page.locator(".chooser").bounding_box()
        assert brand
        assert chooser
        assert brand["x"] + brand["width"] <= chooser["x"]
        show(page, scene(32, 33))
        assert page.evaluate(fits), "results"
        page.get_by_text("Figures and next nearest").first.click()
        page.get_by_role("button", name="Draw a box").click()
        assert page.evaluate(fits), "drawing"
        for view in ("gallery", "status"):
            page.goto(f"/#{view}")
            expect(page.locator(f"#view-{view} h1")).to_be_visible()
            assert page.evaluate(fits), view
        page.goto("/#gallery")
        page.locator(".tile").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert page.get_by_role("dialog").evaluate("(dialog) => dialog.scrollWidth <= dialog.clientWidth")


def test_the_chosen_theme_stays(page: Page) -> None:
    page.emulate_media(color_scheme="light")
    page.goto("/")
    page.get_by_role("button", name="Switch to dark").click()
    page.reload()
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    expect(page.get_by_role("button", name="Switch to light")).to_be_visible()


def test_only_the_own_host_is_asked(page: Page, stack: Stack, gallery: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    enrol_left_of_scene(stack.url, gallery, "Here", 34)
    show(page, scene(34, None))
    expect(card(page, 1).get_by_role("img", name="Here")).to_be_visible()
    assert all(url.startswith((stack.url, "blob:")) for url in asked)


def test_a_policy_violation_would_be_seen(browser: Browser, stack: Stack, gallery: str) -> None:
    with pytest.raises(AssertionError, match="script-src"):
        add_inline_script(browser, stack.url, gallery)


def add_inline_script(browser: Browser, url: str, gallery: str) -> None:
    script = "Object.assign(document.createElement('script'), { textContent: 'window.ran = 1' })"
    with watched_page(browser, url, gallery) as page:
        page.goto("/")
        page.evaluate(f"document.body.append({script})")
        page.wait_for_function("window.violations.length === 1")
        assert page.evaluate("window.ran") is None
