"""Recognising a picture, naming what is unknown, and correcting what is wrong."""

import base64

import pytest
from playwright.sync_api import FilePayload, Page, Route, expect

from tests.fixtures.bundles import scene, thing
from tests.services.detector.console.stack import Stack
from tests.services.detector.console.steps import card, encoded, enrol, enrol_left_of_scene, items, show

pytestmark = pytest.mark.browser

KEEP_FORMS = """
window.forms = [];
const send = window.fetch;
window.fetch = (address, options) => {
  if (options?.body instanceof FormData) forms.push(Object.fromEntries(options.body));
  return send(address, options);
};
"""


def test_an_unknown_thing_that_is_named_becomes_known(page: Page, stack: Stack, gallery: str) -> None:
    page.add_init_script(KEEP_FORMS)
    show(page, scene(1, 2))
    expect(page.locator(".badge.unknown")).to_have_count(2)
    card(page, 1).get_by_role("combobox").fill("Brass lamp")
    card(page, 1).get_by_role("button", name="Add", exact=True).click()
    learnt = page.locator(".card.learnt")
    expect(learnt.locator(".badge")).to_have_text("Known")
    expect(learnt.get_by_role("heading")).to_have_text("Brass lamp")
    expect(page.locator(".badge.unknown")).to_have_count(1)
    expect(page.locator("#live")).to_contain_text("Brass lamp")
    assert page.evaluate("forms.at(-1).min_revision") == "1"
    assert [item["label"] for item in items(stack.url, gallery)] == ["Brass lamp"]


def test_the_object_and_its_reference_stand_side_by_side(page: Page, stack: Stack, gallery: str) -> None:
    enrol_left_of_scene(stack.url, gallery, "Tin box", 3)
    show(page, scene(3, None))
    expect(card(page, 1).locator(".compare canvas")).to_be_visible()
    expect(card(page, 1).get_by_role("img", name="Tin box")).to_be_visible()
    expect(card(page, 1).locator(".reason")).to_contain_text("unrelated things")


def test_decisions_differ_in_form_not_only_in_colour(page: Page, stack: Stack, gallery: str) -> None:
    enrol_left_of_scene(stack.url, gallery, "Tin box", 4)
    show(page, scene(4, 5))
    dashes = "(edge) => getComputedStyle(edge).strokeDasharray"
    assert page.locator(".edge.known").evaluate(dashes) != page.locator(".edge.unknown").evaluate(dashes)
    sign = "(use) => use.href.baseVal"
    assert page.locator(".object.known use").evaluate(sign) != page.locator(".object.unknown use").evaluate(sign)


def test_pressing_a_box_focuses_its_card(page: Page) -> None:
    show(page, scene(6, 7))
    page.get_by_role("button", name="2: Unknown").click()
    expect(card(page, 2)).to_be_focused()


def test_a_correction_goes_to_the_item_that_has_the_right_label(page: Page, stack: Stack, gallery: str) -> None:
    enrol_left_of_scene(stack.url, gallery, "Wrong", 8)
    right = enrol(stack.url, gallery, "Right one", thing(9))
    show(page, scene(8, None))
    expect(card(page, 1).get_by_role("heading")).to_have_text("Wrong")
    card(page, 1).get_by_role("button", name="Correct the label").click()
    card(page, 1).get_by_role("combobox").fill("righ")
    page.get_by_role("option", name="Right one").click()
    card(page, 1).get_by_role("button", name="Correct", exact=True).click()
    expect(page.locator(".notice.good")).to_contain_text("Right one")
    found = {item["id"]: len(item["references"]) for item in items(stack.url, gallery)}
    assert found[right["item_id"]] == 2
    assert len(found) == 2


def test_a_thing_of_no_interest_is_never_recognised_again(page: Page, stack: Stack, gallery: str) -> None:
    enrol_left_of_scene(stack.url, gallery, "Mine", 10)
    show(page, scene(10, None))
    card(page, 1).get_by_role("button", name="Correct the label").click()
    card(page, 1).get_by_role("button", name="It is nothing of mine").click()
    expect(page.locator(".notice.good")).to_contain_text("will not be recognised")
    assert [item["negative"] for item in items(stack.url, gallery)].count(True) == 1


def test_a_box_drawn_with_the_mouse_is_named(page: Page, stack: Stack, gallery: str) -> None:
    show(page, scene(11, None))
    frame = page.locator(".frame").bounding_box()
    assert frame is not None
    x, y, width, height = frame["x"], frame["y"], frame["width"], frame["height"]
    page.mouse.move(x + width * 0.55, y + height * 0.2)
    page.mouse.down()
    page.mouse.move(x + width * 0.9, y + height * 0.7, steps=4)
    page.mouse.up()
    page.get_by_role("combobox", name="Label of the boxed thing").fill("Dark corner")
    page.keyboard.press("Enter")
    expect(page.locator(".card.learnt").get_by_role("heading")).to_have_text("Dark corner")
    box = items(stack.url, gallery)[0]["references"][0]["box"]
    assert box == pytest.approx([352, 80, 576, 280], abs=3)
    expect(page.locator(".card.unknown")).to_have_count(1)


def test_everything_can_be_done_with_the_keyboard_alone(page: Page, stack: Stack, gallery: str) -> None:
    show(page, scene(12, None))
    page.locator("#main").focus()
    page.keyboard.press("b")
    expect(page.locator(".draft")).to_be_focused()
    for key in ("ArrowRight", "ArrowDown", "Shift+ArrowLeft", "Alt+ArrowUp"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    expect(page.get_by_role("combobox", name="Label of the boxed thing")).to_be_focused()
    page.keyboard.type("Middle")
    page.keyboard.press("Enter")
    expect(page.locator(".card.learnt")).to_be_focused()
    expect(page.locator(".card.learnt").get_by_role("heading")).to_have_text("Middle")
    box = items(stack.url, gallery)[0]["references"][0]["box"]
    step = 640 * 0.02
    expected = [192 + step, 120 + step * 0.8, 448, 280 + step * 0.8]
    assert box == pytest.approx(expected, abs=0.2)


def test_more_things_are_looked_for_on_demand(page: Page) -> None:
    answered = [5, 8]
    page.add_init_script(KEEP_FORMS)
    page.route("**/recognize", lambda route: answer_with_things(route, answered.pop(0)))
    show(page, scene(18, 19))
    expect(page.locator(".card[data-card]")).to_have_count(5)
    page.get_by_role("button", name="Look for more things").click()
    expect(page.locator(".card[data-card]")).to_have_count(8)
    assert page.evaluate("forms.map((form) => form.max_objects)") == ["5", "20"]
    expect(page.get_by_role("button", name="Look for more things")).to_have_count(0)


def answer_with_things(route: Route, count: int) -> None:
    """Answer in place of the service with this many unknown things."""
    thing_at = [[60 * number, 40, 60 * number + 50, 90] for number in range(count)]
    nothing = dict.fromkeys(("label", "item_id", "similarity", "margin", "p_value"))
    unknown = {"source": "detector", "detection_score": 0.5, "decision": "unknown", "probability": 0.0, "reason": "."}
    objects = [{"box": box, "candidates": [], **unknown, **nothing} for box in thing_at]
    route.fulfill(json={"image": {"width": 640, "height": 400, "sha256": ""}, "objects": objects})


def test_escape_removes_a_drawn_box(page: Page) -> None:
    show(page, scene(13, None))
    page.get_by_role("button", name="Draw a box").click()
    expect(page.get_by_role("region", name="New thing")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("region", name="New thing")).to_have_count(0)
    expect(page.locator(".draft")).to_be_hidden()


@pytest.mark.parametrize("way", ["paste", "drop"])
def test_a_picture_can_be_pasted_and_dropped(page: Page, way: str) -> None:
    page.goto("/#status")
    page.evaluate(
        """([way, data]) => {
            const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], "photo.png", { type: "image/png" }));
            const event = way === "paste"
                ? new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true })
                : new DragEvent("drop", { dataTransfer: transfer, bubbles: true });
            document.body.dispatchEvent(event);
        }""",
        [way, base64.b64encode(encoded(scene(14, 15))).decode()],
    )
    expect(page.locator(".card[data-card]")).to_have_count(2)


def test_a_picture_that_the_browser_cannot_show_is_recognised_all_the_same(page: Page) -> None:
    show(page, scene(16, 17), kind="TIFF")
    expect(page.locator(".object")).to_have_count(2)


def test_what_is_not_a_picture_gets_a_sentence(page: Page) -> None:
    page.goto("/")
    file: FilePayload = {"name": "photo.png", "mimeType": "image/png", "buffer": b"not a picture"}
    page.locator("#view-recognise input[type=file]").first.set_input_files(file)
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
