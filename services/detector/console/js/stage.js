// The picture with its boxes: one button per object, and the box that a person draws.

import { h, icon, place, svg } from "./dom.js";
import { Draft } from "./draft.js";
import { DECISIONS, guessOf, percent } from "./format.js";
import { area } from "./geometry.js";

// Ways to place a tag, best first: whole, as wide as its box, number and sign alone; above or at the foot of the box.
const FITS = [[], ["narrow"], ["low"], ["low", "narrow"], ["short"], ["low", "short"]];

export class Stage {
  #shown = null;
  #boxes = [];
  #onSelect;

  /** `onSelect(index)` on a press of a box; `onDraft(box | null, done)` as a box is drawn. */
  constructor({ onSelect, onDraft }) {
    this.#onSelect = onSelect;
    this.lines = svg("svg", { class: "lines", preserveAspectRatio: "none", "aria-hidden": "true" });
    this.layer = h("div", { class: "boxes" });
    this.frame = h("div", { class: "frame" });
    this.element = h("div", { class: "stage" }, this.frame);
    this.draft = new Draft(this.frame, () => this.#shown, onDraft);
    new ResizeObserver(() => this.#declutter()).observe(this.frame);
  }

  /** Show a picture without boxes. */
  show(photo) {
    this.#shown = photo;
    this.draft.clear();
    photo.canvas.setAttribute("aria-hidden", "true");
    this.lines.setAttribute("viewBox", `0 0 ${photo.width} ${photo.height}`);
    this.frame.style.setProperty("--ratio", photo.width / photo.height);
    this.frame.replaceChildren(photo.canvas, this.lines, this.layer, this.draft.element);
    this.setObjects([]);
  }

  setBusy(busy) {
    this.element.classList.toggle("busy", busy);
  }

  /** Draw the boxes of recognised objects; smaller ones lie on top, so that each can be pressed. */
  setObjects(objects) {
    this.lines.replaceChildren(...objects.flatMap((object, index) => outline(object, index)));
    this.#boxes = objects.map((object, index) => this.#button(object, index));
    const bySize = objects.map((object, index) => index).sort((a, b) => area(objects[b].box) - area(objects[a].box));
    bySize.forEach((index, rank) => this.#boxes[index].style.setProperty("z-index", rank + 1));
    this.layer.replaceChildren(...this.#boxes);
    this.#declutter();
  }

  /** Mark one object; null for none. */
  mark(index) {
    for (const element of this.frame.querySelectorAll("[data-object]")) {
      const isIt = Number(element.dataset.object) === index;
      element.classList.toggle("marked", isIt);
      element.classList.toggle("faded", index !== null && !isIt);
    }
  }

  #button(object, index) {
    const { word, icon: sign } = DECISIONS[object.decision];
    const guess = guessOf(object);
    const words = object.decision === "unknown" ? "Unknown" : object.label;
    const spoken = `${index + 1}: ${word}${guess ? `, ${guess}, ${percent(object.probability)}` : ""}`;
    const tag = h(
      "span",
      { class: "tag", "aria-hidden": "true" },
      h("b", {}, String(index + 1)),
      icon(sign),
      h("span", { class: "tag-label" }, words),
    );
    const button = h(
      "button",
      {
        type: "button",
        class: `object ${object.decision}`,
        "data-object": index,
        "aria-label": spoken,
        onclick: () => this.#onSelect(index),
      },
      tag,
    );
    place(button, object.box, this.#shown);
    return button;
  }

  /** A tag that would lie on another one becomes narrower, or goes to the foot of its box. */
  #declutter() {
    const taken = [];
    const frame = this.frame.getBoundingClientRect();
    for (const button of this.#boxes) {
      const tag = button.firstElementChild;
      const top = button.getBoundingClientRect().top - frame.top;
      for (const fit of FITS) {
        tag.className = ["tag", ...fit, !fit.includes("low") && top < tag.offsetHeight + 6 && "inside"]
          .filter(Boolean)
          .join(" ");
        tag.classList.toggle("to-left", tag.getBoundingClientRect().right > frame.right);
        const own = tag.getBoundingClientRect();
        if (!taken.some((r) => own.left < r.right && r.left < own.right && own.top < r.bottom && r.top < own.bottom))
          break;
      }
      taken.push(tag.getBoundingClientRect());
    }
  }
}

function outline(object, index) {
  const [x0, y0, x1, y1] = object.box;
  const shape = { x: x0, y: y0, width: x1 - x0, height: y1 - y0, "data-object": index };
  return [svg("rect", { ...shape, class: "halo" }), svg("rect", { ...shape, class: `edge ${object.decision}` })];
}
