// The view where a picture is recognised and things are named.

import * as api from "./api.js";
import { nameForm, objectCard } from "./cards.js";
import { announce, attempt, button, h, icon } from "./dom.js";
import { chooserButtons, emblem, steps } from "./empty.js";
import { count, sentenceOf } from "./format.js";
import { changes, current } from "./gallery-choice.js";
import { overlap } from "./geometry.js";
import { openItem } from "./item.js";
import { blank, cut, decode } from "./photo.js";
import { Stage } from "./stage.js";
import { teach } from "./teach.js";

const SAME_BOX = 0.6;
const FEW = 5; // Objects asked for at first: what stands out.
const MANY = 20;

class Recognise {
  #file = null;
  #photo = null;
  #objects = [];
  #drawn = []; // Boxes drawn by hand for this picture: the detector may not find them by itself.
  #asked = null;
  #most = FEW;
  #draftForm = null;

  constructor(root) {
    this.root = root;
    this.stage = new Stage({
      onSelect: (index) => this.#focusCard(index),
      onDraft: (box, done) => this.#draftChanged(box, done),
    });
    this.summary = h("h1", { class: "summary", tabindex: "-1" });
    this.draftSlot = h("div", { class: "slot" });
    this.cards = h("ol", {
      class: "cards",
      "aria-label": "Things in the picture",
      onpointerleave: () => this.stage.mark(null),
    });
    this.drawButton = button("Draw a box", "box", {
      title: "Draw a box around a thing (B)",
      onclick: () => this.stage.draft.begin(),
    });
    this.work = h(
      "div",
      { class: "work", hidden: true },
      h(
        "div",
        { class: "work-stage" },
        this.stage.element,
        h(
          "div",
          { class: "tools" },
          this.drawButton,
          chooserButtons((files) => this.open(files[0]), { words: "Another picture", main: false }),
        ),
      ),
      h("div", { class: "work-results" }, this.summary, this.draftSlot, this.cards),
    );
    this.start = h(
      "div",
      { class: "start" },
      h(
        "div",
        { class: "drop" },
        emblem(),
        h("h1", {}, "Show it a thing once."),
        h("p", { class: "lead" }, "From then on Kenspeckle knows the thing when it sees it."),
        h(
          "div",
          { class: "tools" },
          chooserButtons((files) => this.open(files[0])),
        ),
        h(
          "p",
          { class: "soft pointer-only" },
          "or drop a picture anywhere, or paste one with ",
          h("kbd", {}, "Ctrl"),
          " ",
          h("kbd", {}, "V"),
        ),
      ),
      steps(),
    );
    root.append(this.start, this.work);
    changes.addEventListener("change", () => this.#file && this.#run());
  }

  /** Show a picture and recognise it. */
  async open(file) {
    this.#asked?.abort();
    this.#file = file;
    this.#drawn = [];
    this.#most = FEW;
    this.start.hidden = true;
    this.work.hidden = false;
    this.#clearDraft();
    const photo = await decode(file);
    if (this.#file !== file) return;
    this.#photo = photo;
    if (photo) this.stage.show(photo);
    await this.#run();
    // The field that chose the picture may be hidden by now, and the focus with it.
    if (document.activeElement === document.body) this.summary.focus({ preventScroll: true });
  }

  async #run(minRevision) {
    this.#asked?.abort();
    this.#asked = new AbortController();
    const { signal } = this.#asked;
    this.#showBusy();
    const began = performance.now();
    const well = await attempt(async () => {
      const answer = await this.#ask({ minRevision, signal });
      this.#photo ??= blank(answer.image.width, answer.image.height);
      if (!this.#photo.canvas.isConnected) this.stage.show(this.#photo);
      this.#showObjects(answer.objects, performance.now() - began);
    });
    if (signal.aborted) return;
    this.stage.setBusy(false);
    if (!well) this.#showFailure();
  }

  /** Recognise what the detector finds, and what was drawn by hand. */
  async #ask(options) {
    const file = this.#file;
    try {
      const [found, drawn] = await Promise.all([
        api.recognize(file, current(), { ...options, most: this.#most }),
        this.#drawn.length > 0 ? api.recognize(file, current(), { ...options, boxes: this.#drawn }) : null,
      ]);
      const own = drawn?.objects ?? [];
      const isOwn = (object) => own.some((other) => overlap(object.box, other.box) > SAME_BOX);
      return { image: found.image, objects: [...own, ...found.objects.filter((object) => !isOwn(object))] };
    } catch (error) {
      if (error.status !== 404) throw error;
      return this.#askWithoutGallery(options.signal);
    }
  }

  /** A gallery that is only named so far knows nothing, but the things in the picture can be shown. */
  async #askWithoutGallery(signal) {
    const { image, objects } = await api.detect(this.#file, this.#most, signal);
    const whole = { box: [0, 0, image.width, image.height], score: null };
    const unknown = (object) => ({
      box: object.box,
      source: object === whole ? "whole" : "detector",
      detection_score: object.score,
      decision: "unknown",
      label: null,
      item_id: null,
      probability: 0,
      similarity: null,
      margin: null,
      p_value: null,
      candidates: [],
      reason: "This gallery has no things yet.",
    });
    return { image, objects: (objects.length > 0 ? objects : [whole]).map(unknown) };
  }

  #showBusy() {
    this.stage.setBusy(true);
    this.drawButton.disabled = this.#photo === null;
    if (this.#objects.length > 0) return;
    this.summary.textContent = "Looking…";
    this.cards.replaceChildren(
      h("li", { class: "card skeleton", "aria-hidden": "true" }),
      h("li", { class: "card skeleton", "aria-hidden": "true" }),
    );
  }

  #showFailure() {
    this.#objects = [];
    this.stage.setObjects([]);
    this.summary.textContent = "This picture was not recognised.";
    this.cards.replaceChildren(h("li", { class: "hint" }, button("Try again", null, { onclick: () => this.#run() })));
  }

  #showObjects(objects, milliseconds) {
    this.#objects = objects;
    this.drawButton.disabled = false;
    this.stage.setObjects(objects);
    const act = {
      onFocus: (index) => this.stage.mark(index),
      onName: (object, label) => this.#teach({ label, box: object.box }),
      onNegative: (object) => this.#teach({ negative: true, box: object.box }),
      onOpen: (itemId) => attempt(() => openItem(itemId)),
    };
    this.cards.replaceChildren(...objects.map((object, index) => objectCard(this.#photo, object, index, act)));
    const known = objects.filter((object) => object.decision === "known").length;
    this.summary.replaceChildren(
      h("b", {}, count(objects.length, "thing")),
      objects.length > 0 ? `, ${known} known` : "",
      h("span", { class: "soft" }, ` in ${(milliseconds / 1000).toFixed(2)} s`),
    );
    const full = objects.filter((object) => object.source === "detector").length >= FEW;
    if (full && this.#most === FEW)
      this.cards.append(h("li", {}, button("Look for more things", "search", { onclick: () => this.#lookForMore() })));
    if (objects.length === 0)
      this.cards.append(h("li", { class: "hint" }, "Nothing stood out. Draw a box around a thing to name it."));
    announce(sentenceOf(objects));
  }

  async #lookForMore() {
    this.#most = MANY;
    await this.#run();
    this.#focusCard(Math.min(FEW, this.#objects.length - 1));
  }

  #focusCard(index) {
    const card = this.cards.querySelector(`[data-card="${index}"]`);
    card.focus({ preventScroll: true });
    card.scrollIntoView({
      block: "nearest",
      behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth",
    });
  }

  #clearDraft() {
    this.#draftForm = null;
    this.draftSlot.replaceChildren();
    this.stage.draft.clear();
  }

  #draftChanged(box, done) {
    if (box === null) {
      this.#clearDraft();
      this.drawButton.focus();
      return;
    }
    if (!this.#draftForm) this.#openDraftCard();
    this.draftPreview.replaceChildren(cut(this.#photo, box, 320));
    if (done) this.#draftForm.field.focus({ preventScroll: matchMedia("(min-width: 60rem)").matches });
  }

  #openDraftCard() {
    this.draftPreview = h("span", { class: "thumb" });
    this.#draftForm = nameForm({
      name: "Label of the boxed thing",
      placeholder: "What is it?",
      confirm: "Add",
      onName: (label) => this.#teach({ label, box: this.stage.draft.box, drawn: true }),
      onCancel: () => this.#draftChanged(null, true),
    });
    this.draftSlot.replaceChildren(
      h(
        "section",
        { class: "card new", "aria-label": "New thing" },
        h("header", {}, h("span", { class: "badge plain" }, icon("plus"), "New thing")),
        h(
          "div",
          { class: "new-thing" },
          this.draftPreview,
          h(
            "div",
            {},
            h("h3", {}, "What is in the box?"),
            h("p", { class: "soft" }, "One picture is enough to begin with."),
          ),
        ),
        this.#draftForm.element,
      ),
    );
    this.draftSlot.firstElementChild.scrollIntoView({ block: "nearest" });
  }

  async #teach({ label, negative, box, drawn = false }) {
    const file = this.#file;
    await attempt(async () => {
      const { revision } = await teach({ files: [file], label, negative, box });
      if (drawn) {
        this.#drawn.push(box);
        this.#clearDraft();
      }
      await this.#run(revision);
      this.#showLearnt(box);
    });
  }

  #showLearnt(box) {
    const overlaps = this.#objects.map((object) => overlap(object.box, box));
    const index = overlaps.indexOf(Math.max(...overlaps));
    if (!(overlaps[index] > SAME_BOX)) return;
    this.#focusCard(index);
    this.cards.querySelector(`[data-card="${index}"]`).classList.add("learnt");
  }
}

/** Files of a drop or a paste, pictures only. */
function pictureOf(transfer) {
  return [...(transfer?.files ?? [])].find((file) => file.type.startsWith("image/"));
}

export function startRecognise(root) {
  const view = new Recognise(root);
  const open = (file) => {
    location.hash = "#recognise";
    view.open(file);
  };
  addEventListener("paste", (event) => {
    const file = pictureOf(event.clipboardData);
    if (file) open(file);
  });
  let depth = 0;
  const setDropping = (change) => {
    depth = change === 0 ? 0 : depth + change;
    document.body.classList.toggle("dropping", depth > 0);
  };
  addEventListener("dragenter", () => setDropping(1));
  addEventListener("dragleave", () => setDropping(-1));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    setDropping(0);
    const file = pictureOf(event.dataTransfer);
    if (file) open(file);
  });
  addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input, select, textarea, dialog");
    if (
      event.key === "b" &&
      !isTyping &&
      !event.ctrlKey &&
      !event.metaKey &&
      !event.altKey &&
      !root.hidden &&
      !view.work.hidden &&
      !view.drawButton.disabled
    ) {
      event.preventDefault();
      view.stage.draft.begin();
    }
  });
}
