"""Browsing a gallery and changing its items."""

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from tests.fixtures.bundles import thing
from tests.services.detector.console.stack import Stack
from tests.services.detector.console.steps import enrol, items, upload

pytestmark = pytest.mark.browser


def test_an_empty_gallery_tells_the_first_step(page: Page, stack: Stack, gallery: str) -> None:
    page.goto("/#gallery")
    expect(page.get_by_role("heading", name="Nothing here yet.")).to_be_visible()
    page.locator(".empty").get_by_role("button", name="Add a thing").click()
    dialog = page.get_by_role("dialog", name="Add a thing")
    dialog.locator("input[type=file]").first.set_input_files([upload("a.png", thing(20)), upload("b.png", thing(21))])
    dialog.get_by_role("combobox").fill("Two sides")
    dialog.get_by_role("checkbox", name="It fills the whole picture").check()
    dialog.get_by_role("button", name="Add to the gallery").click()
    expect(page.locator(".tile")).to_contain_text(["Two sides"])
    expect(page.locator(".tile")).to_contain_text(["2 pictures"])
    sources = [reference["source"] for reference in items(stack.url, gallery)[0]["references"]]
    assert sources == ["whole", "whole"]


def test_items_are_searched_and_paged(page: Page, stack: Stack, gallery: str) -> None:
    for number in range(26):
        enrol(stack.url, gallery, f"Thing {number:02}", thing(100 + number, side=64))
    page.goto("/#gallery")
    expect(page.locator(".tile")).to_have_count(24)
    page.get_by_role("button", name="Show more").click()
    expect(page.locator(".tile")).to_have_count(26)
    expect(page.get_by_role("button", name="Show more")).to_be_hidden()
    page.get_by_role("searchbox").fill("thing 07")
    expect(page.locator(".tile")).to_have_count(1)
    expect(page.locator(".tile")).to_contain_text("Thing 07")
    page.get_by_role("searchbox").fill("nowhere")
    expect(page.get_by_role("heading", name="Nothing here is called “nowhere”.")).to_be_visible()


def test_an_item_is_renamed(page: Page, stack: Stack, gallery: str) -> None:
    enrol(stack.url, gallery, "Old name", thing(22))
    page.goto("/#gallery")
    page.get_by_role("button", name="Old name").click()
    page.get_by_role("dialog").get_by_label("Label").fill("New name")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_role("dialog", name="New name")).to_be_visible()
    assert [item["label"] for item in items(stack.url, gallery)] == ["New name"]


def test_a_change_by_somebody_else_is_not_overwritten(page: Page, stack: Stack, gallery: str) -> None:
    item_id = enrol(stack.url, gallery, "Old name", thing(23))["item_id"]
    page.goto("/#gallery")
    page.get_by_role("button", name="Old name").click()
    address = f"{stack.url}/galleries/{gallery}/items/{item_id}"
    etag = httpx.get(address).headers["etag"]
    assert httpx.patch(address, json={"label": "Their name"}, headers={"If-Match": etag}).status_code == 200
    page.get_by_role("dialog").get_by_label("Label").fill("My name")
    page.get_by_role("button", name="Rename").click()
    expect(page.locator(".notice")).to_contain_text("Somebody else changed this item")
    expect(page.get_by_role("dialog").get_by_label("Label")).to_have_value("Their name")


def test_a_picture_and_then_the_item_are_deleted_after_asking(page: Page, stack: Stack, gallery: str) -> None:
    item_id = enrol(stack.url, gallery, "Doomed", thing(24))["item_id"]
    enrol(stack.url, gallery, "Doomed", thing(25), item_id=item_id)
    page.goto("/#gallery")
    page.get_by_role("button", name="Doomed").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Delete picture 1 of Doomed").click()
    dialog.get_by_role("group", name="Delete picture 1").get_by_role("button", name="Delete").click()
    expect(dialog.get_by_role("heading", name="1 picture")).to_be_visible()
    dialog.get_by_role("button", name="Delete this item").click()
    assert len(items(stack.url, gallery)) == 1
    dialog.get_by_role("button", name="Delete", exact=True).click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("heading", name="Nothing here yet.")).to_be_visible()
    assert items(stack.url, gallery) == []


def test_a_gallery_is_made_and_chosen(page: Page, gallery: str) -> None:
    page.goto("/#status")
    page.get_by_role("combobox", name="Gallery").select_option(label="New gallery…")
    page.get_by_role("textbox", name="Name").fill(f"{gallery}.new")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name=f"Gallery {gallery}.new")).to_be_visible()


def test_status_shows_counts_revision_and_models(page: Page, stack: Stack, gallery: str) -> None:
    revision = enrol(stack.url, gallery, "One", thing(26))["revision"]
    page.goto("/#status")
    stats = page.locator(".stat")
    expect(stats).to_contain_text(["1", "1", "1", str(revision)])
    expect(page.get_by_text("Ready", exact=True)).to_be_visible()
    expect(page.locator(".kicker")).to_have_text(["detector", "extractor"])


def test_embeddings_of_another_extractor_are_made_anew_on_demand(page: Page, stack: Stack, gallery: str) -> None:
    enrol(stack.url, gallery, "One", thing(27))
    page.route("**/models", answer_with_another_extractor)
    page.goto("/#status")
    expect(page.locator(".warning")).to_contain_text("made by another extractor")
    page.unroute("**/models")
    with page.expect_response(f"**/galleries/{gallery}/reembed") as begun:
        page.get_by_role("button", name="Embed anew").click()
    assert begun.value.status == 202
    expect(page.locator(".warning")).to_have_count(0)


def answer_with_another_extractor(route: Route) -> None:
    response = route.fetch()
    models = [{**model, "fingerprint": "sha256:other"} for model in response.json()]
    route.fulfill(response=response, json=models)


def test_a_view_begins_at_its_top(page: Page) -> None:
    page.set_viewport_size({"width": 800, "height": 300})
    page.goto("/#status")
    expect(page.get_by_role("heading", name="Readiness")).to_be_visible()
    assert page.evaluate("scrollY") == 0
