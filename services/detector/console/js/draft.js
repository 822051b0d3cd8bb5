// The box that a person draws: with mouse, pen or finger, or with the arrow keys.

import { announce, h, place } from "./dom.js";
import { boxBetween, middle, moved, resized } from "./geometry.js";

const DRAG_STARTS_AT = 6; // CSS pixels: less is a press on what lies there.
const STEP = 0.02; // Share of the picture's long side per arrow key; with Alt a fifth of it.
const LEAST = 0.02; // Least side of a box, as a share of the long side.
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const HELP =
  "New box. Arrow keys move it, with Shift they resize it, with Alt by smaller steps. Enter names it, Escape removes it.";

export class Draft {
  #photoOf;
  #onDraft;
  #frame;
  box = null;

  /** `photoOf()` gives the shown picture; `onDraft(box | null, done)` hears every change, `done` when it is final. */
  constructor(frame, photoOf, onDraft) {
    this.#frame = frame;
    this.#photoOf = photoOf;
    this.#onDraft = onDraft;
    const corners = ["nw", "ne", "sw", "se"].map((corner) =>
      h("span", { class: `corner ${corner}`, "data-corner": corner }),
    );
    this.element = h(
      "div",
      {
        class: "draft",
        role: "application",
        "aria-roledescription": "box",
        "aria-label": HELP,
        tabindex: "0",
        hidden: true,
      },
      corners,
    );
    this.element.addEventListener("keydown", (event) => this.#key(event));
    frame.addEventListener("pointerdown", (event) => this.#press(event));
  }

  /** Begin a box in the middle, ready for the arrow keys, and let a finger draw over the picture. */
  begin() {
    const { width, height } = this.#photoOf();
    this.#frame.classList.add("drawing");
    this.#set(middle(width, height), false);
    this.element.focus({ preventScroll: true });
    announce(HELP);
  }

  clear() {
    this.#frame.classList.remove("drawing");
    this.box = null;
    this.element.hidden = true;
  }

  #set(box, done) {
    this.box = box.map((value) => Math.round(value * 10) / 10);
    place(this.element, this.box, this.#photoOf());
    this.element.hidden = false;
    this.#onDraft(this.box, done);
  }

  #key(event) {
    const { width, height } = this.#photoOf();
    const direction = ARROWS[event.key];
    if (direction) {
      const step = Math.max(width, height) * STEP * (event.altKey ? 0.2 : 1);
      const [dx, dy] = direction.map((sign) => sign * step);
      const change = event.shiftKey ? resized : moved;
      this.#set(change(this.box, dx, dy, width, height, LEAST * Math.max(width, height)), false);
    } else if (event.key === "Enter") this.#onDraft(this.box, true);
    else if (event.key === "Escape") {
      this.clear();
      this.#onDraft(null, true);
    } else return;
    event.preventDefault();
  }

  #pointOf(event) {
    const area = this.#frame.getBoundingClientRect();
    const { width, height } = this.#photoOf();
    return [((event.clientX - area.left) / area.width) * width, ((event.clientY - area.top) / area.height) * height];
  }

  #press(event) {
    const photo = this.#photoOf();
    const isTouch = event.pointerType === "touch";
    const onDraft = this.element.contains(event.target);
    // A finger scrolls the page unless drawing was asked for.
    if (!photo || event.button !== 0 || (isTouch && !this.#frame.classList.contains("drawing") && !onDraft)) return;
    const grip = this.#gripOf(event, onDraft);
    let dragging = false;
    const move = (now) => {
      if (!dragging && Math.hypot(now.clientX - event.clientX, now.clientY - event.clientY) < DRAG_STARTS_AT) return;
      dragging = true;
      this.#set(grip(this.#pointOf(now)), false);
    };
    const end = (now) => {
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", end);
      removeEventListener("pointercancel", end);
      if (dragging && now.type === "pointerup") this.#finish(now);
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", end);
    addEventListener("pointercancel", end);
  }

  /** What a drag from here does to the box: draw a new one, pull a corner, or move it. */
  #gripOf(event, onDraft) {
    const { width, height } = this.#photoOf();
    const least = LEAST * Math.max(width, height);
    const from = this.#pointOf(event);
    const corner = event.target.dataset?.corner;
    if (!onDraft) return (to) => boxBetween(from, to, width, height, least);
    const start = this.box;
    if (!corner) return (to) => moved(start, to[0] - from[0], to[1] - from[1], width, height);
    const fixed = [corner.endsWith("w") ? start[2] : start[0], corner.startsWith("n") ? start[3] : start[1]];
    return (to) => boxBetween(fixed, to, width, height, least);
  }

  #finish(event) {
    // The drag ended over a box: without this, that box would take the press that follows.
    const swallow = (click) => click.stopPropagation();
    addEventListener("click", swallow, { capture: true, once: true });
    setTimeout(() => removeEventListener("click", swallow, { capture: true }));
    event.preventDefault();
    // A finger may want to pull at the corners next: a keyboard popping up would hide them.
    this.#onDraft(this.box, event.pointerType !== "touch");
  }
}
