// What is said of each object: decision, label, probability, reason, and the pictures side by side.

import { button, h, icon } from "./dom.js";
import { DECISIONS, guessOf, percent, rivalOf } from "./format.js";
import { current } from "./gallery-choice.js";
import { labelField } from "./label-field.js";
import { cut } from "./photo.js";
import { thumb } from "./thumb.js";

const SOURCES = { detector: "found by the detector", given: "drawn by hand", whole: "the whole picture" };

/**
 * A form that names a thing. `onName(label)` adds it and may fail; `onCancel` and `onNegative` are optional.
 * Gives `{element, field}`.
 */
export function nameForm({ name, placeholder, confirm, onName, onCancel, onNegative }) {
  const { element: combo, field } = labelField({ name, placeholder });
  const submit = h("button", { type: "submit", class: "primary" }, confirm);
  const run = async (action) => {
    submit.disabled = true;
    await action();
    submit.disabled = false;
  };
  const element = h(
    "form",
    {
      class: "name-form",
      onsubmit: (event) => {
        event.preventDefault();
        run(() => onName(field.value));
      },
    },
    h("div", { class: "name-row" }, combo, submit),
    (onCancel || onNegative) &&
      h(
        "div",
        { class: "actions small" },
        onNegative &&
          button("It is nothing of mine", "block", {
            class: "quiet",
            onclick: () => run(onNegative),
            title: "Remember it as a thing that must not be recognised",
          }),
        onCancel && button("Cancel", null, { class: "quiet", onclick: onCancel }),
      ),
  );
  return { element, field };
}

function compare(photo, object) {
  const nearest = object.candidates[0];
  const words = object.decision === "unknown" ? "Best guess" : "Reference";
  return h(
    "div",
    { class: "compare" },
    h("figure", {}, h("span", { class: "thumb" }, cut(photo, object.box, 320)), h("figcaption", {}, "In the picture")),
    nearest &&
      h(
        "figure",
        {},
        thumb(current(), nearest.reference_id, nearest.label ?? "a negative", 320),
        h("figcaption", {}, words),
      ),
  );
}

function headline(object) {
  if (object.decision === "known") return object.label;
  if (object.decision === "ambiguous") {
    const rival = rivalOf(object);
    return rival ? `${object.label} or ${rival.label}` : object.label;
  }
  return "Not in this gallery";
}

function probability(object) {
  const guess = guessOf(object);
  if (guess === null) return null;
  const words = object.decision === "unknown" ? `Best guess: ${guess}` : "Probability of the label";
  const meter = h("meter", { min: 0, max: 1, value: object.probability, "aria-label": words });
  return h(
    "div",
    { class: "probability" },
    object.decision === "unknown" && h("p", { class: "guess" }, "Best guess ", h("b", {}, guess)),
    meter,
    h("b", {}, percent(object.probability)),
  );
}

/** The figures behind the answer, and what else in the gallery came near. */
function details(object, onOpen) {
  const row = (name, value) => (value === null ? [] : [h("dt", {}, name), h("dd", {}, value)]);
  const number = (value, digits) => (value === null ? null : value.toFixed(digits));
  return h(
    "details",
    { class: "figures" },
    h("summary", {}, "Figures and next nearest"),
    h(
      "dl",
      {},
      row("Similarity", number(object.similarity, 3)),
      row("Ahead of the next label by", number(object.margin, 3)),
      row("Unrelated things this similar", object.p_value === null ? null : percent(object.p_value)),
      row("Detection score", number(object.detection_score, 2)),
      row("Box", `${object.box.map((value) => Math.round(value)).join(", ")} (${SOURCES[object.source]})`),
    ),
    others(object, onOpen),
  );
}

function others(object, onOpen) {
  const rest = object.candidates.slice(1, 5);
  if (rest.length === 0) return null;
  return h(
    "ul",
    { class: "others", "aria-label": "Next nearest" },
    rest.map((candidate) =>
      h(
        "li",
        {},
        h(
          "button",
          { type: "button", class: "other", onclick: () => onOpen(candidate.item_id) },
          thumb(current(), candidate.reference_id, "", 96),
          h("span", { class: "other-label" }, candidate.label ?? "Negative"),
          h("span", { class: "soft" }, candidate.similarity.toFixed(2)),
        ),
      ),
    ),
  );
}

/** Ways to say what it really is: one press for a guess, a field for anything else. */
function naming(object, number, act) {
  const choices =
    object.decision === "ambiguous"
      ? [object.label, rivalOf(object)?.label].filter(Boolean)
      : object.decision === "unknown"
        ? [guessOf(object)].filter(Boolean)
        : [];
  const form = nameForm({
    name: `Right label of thing ${number}`,
    placeholder: object.decision === "unknown" ? "What is it?" : "What is it really?",
    confirm: object.decision === "unknown" ? "Add" : "Correct",
    onName: (label) => act.onName(object, label),
    onNegative: object.decision === "unknown" ? null : () => act.onNegative(object),
    onCancel: object.decision === "unknown" ? null : () => show(false),
  });
  const open = button(object.decision === "known" ? "Correct the label" : "Something else", "pencil", {
    class: "quiet",
    onclick: () => show(true),
  });
  const bar = h(
    "div",
    { class: "actions small" },
    choices.map((label) =>
      button(`It is ${label}`, "check", { class: "choice", onclick: () => act.onName(object, label) }),
    ),
    object.decision !== "unknown" && open,
    object.decision === "known" &&
      button("Show in gallery", "grid", { class: "quiet", onclick: () => act.onOpen(object.item_id) }),
  );
  const show = (shown) => {
    form.element.hidden = !shown;
    bar.hidden = shown;
    (shown ? form.field : open).focus();
  };
  form.element.hidden = object.decision !== "unknown";
  return [bar.childElementCount > 0 && bar, form.element];
}

/** The card of one object. `act`: onFocus(index), onName(object, label), onNegative(object), onOpen(itemId). */
export function objectCard(photo, object, index, act) {
  const { word, icon: sign } = DECISIONS[object.decision];
  return h(
    "li",
    {
      class: `card ${object.decision}`,
      "data-card": index,
      tabindex: "-1",
      onfocusin: () => act.onFocus(index),
      onpointerenter: () => act.onFocus(index),
    },
    h(
      "header",
      {},
      h("span", { class: "number", "aria-hidden": "true" }, String(index + 1)),
      h("span", { class: `badge ${object.decision}` }, icon(sign), word),
      object.source === "whole" && h("span", { class: "badge plain" }, "Whole picture"),
    ),
    h("h3", {}, headline(object)),
    probability(object),
    compare(photo, object),
    h("p", { class: "reason" }, object.reason),
    naming(object, index + 1, act),
    details(object, act.onOpen),
  );
}
