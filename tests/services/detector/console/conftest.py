"""A headless Chromium on the real stack, with toy models."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.services.detector.console.stack import Stack, running

CHROMIUM = os.environ.get("KENSPECKLE_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
ACTION_MS = 20_000
WATCH = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for the tests of one module: its event loop occupies the thread that other tests need."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"NO BROWSER: {CHROMIUM} is missing; install Chromium or set KENSPECKLE_CHROMIUM")
    expect.set_options(timeout=ACTION_MS)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("stack")) as started:
        yield started


@pytest.fixture
def gallery(request: pytest.FixtureRequest) -> str:
    """A gallery of the test's own."""
    name: str = request.node.name
    return name.lower().replace("test_", "").replace("[", ".").replace("]", "")[:60]


@pytest.fixture
def page(browser: Browser, stack: Stack, gallery: str) -> Iterator[Page]:
    """A desktop page on the test's gallery."""
    with watched_page(browser, stack.url, gallery) as opened:
        yield opened


@contextmanager
def watched_page(browser: Browser, url: str, gallery: str, **context: Any) -> Iterator[Page]:
    """A page that must end without a script error and without a policy violation."""
    errors: list[str] = []
    opened = browser.new_context(base_url=url, **context)
    page = opened.new_page()
    page.set_default_timeout(ACTION_MS)
    page.add_init_script(WATCH)
    page.add_init_script(f"localStorage['kenspeckle.gallery'] ??= '{gallery}'")
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    try:
        yield page
        violations = page.evaluate("window.violations ?? []")
    finally:
        opened.close()
    # A refusal that the page turns into a sentence is also logged by the browser itself.
    script_errors = [error for error in errors if not error.startswith("Failed to load resource")]
    assert (script_errors, violations) == ([], [])
