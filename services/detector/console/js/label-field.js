// A text field that completes labels from the gallery (the ARIA combobox pattern).

import * as api from "./api.js";
import { h, once, uniqueId } from "./dom.js";
import { asLabel } from "./format.js";
import { current } from "./gallery-choice.js";
import { thumb } from "./thumb.js";

const SHOWN = 6;

/** Items whose label holds the text, one per label. */
async function suggestions(text, signal) {
  const page = await api.items(current(), { q: text, limit: 30 }, signal);
  const byLabel = new Map();
  for (const item of page.items) if (item.label !== null && !byLabel.has(item.label)) byLabel.set(item.label, item);
  return [...byLabel.values()].slice(0, SHOWN);
}

/** Gives `{element, field}`; `name` is what the field is called. */
export function labelField({ name, value = "", placeholder = "" }) {
  const listId = uniqueId("labels");
  const fieldId = uniqueId("label");
  const list = h("ul", {
    class: "options",
    role: "listbox",
    id: listId,
    "aria-label": "Labels of this gallery",
    hidden: true,
  });
  const field = h("input", {
    id: fieldId,
    class: "label-input",
    value,
    placeholder,
    required: true,
    maxlength: 256,
    autocomplete: "off",
    role: "combobox",
    "aria-expanded": "false",
    "aria-controls": listId,
    "aria-autocomplete": "list",
    enterkeyhint: "done",
  });
  const element = h(
    "div",
    { class: "combo" },
    h("label", { class: "visually-hidden", for: fieldId }, name),
    field,
    list,
  );
  let active = -1;
  let asked = null;

  const close = () => {
    asked?.abort();
    list.hidden = true;
    active = -1;
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  };
  const pick = (label) => {
    field.value = label;
    close();
    field.focus();
  };
  const highlight = (next) => {
    active = next;
    [...list.children].forEach((option, index) => option.setAttribute("aria-selected", String(index === active)));
    if (active >= 0) {
      field.setAttribute("aria-activedescendant", list.children[active].id);
      list.children[active].scrollIntoView({ block: "nearest" });
    } else field.removeAttribute("aria-activedescendant");
  };
  const option = (item) =>
    h(
      "li",
      // A press must not take the focus from the field before it is picked.
      {
        role: "option",
        id: uniqueId("option"),
        "aria-selected": "false",
        onpointerdown: (event) => event.preventDefault(),
        onclick: () => pick(item.label),
      },
      item.references.length > 0 && thumb(current(), item.references[0].id, "", 64),
      h("span", {}, item.label),
    );
  const suggest = once(120, async () => {
    asked?.abort();
    asked = new AbortController();
    const { signal } = asked;
    try {
      const found = await suggestions(asLabel(field.value), signal);
      if (signal.aborted || document.activeElement !== field) return;
      list.replaceChildren(...found.map(option));
      list.hidden = found.length === 0;
      field.setAttribute("aria-expanded", String(found.length > 0));
      highlight(-1);
    } catch {
      close(); // Completion is a help: without it, typing goes on.
    }
  });

  field.addEventListener("input", suggest);
  field.addEventListener("click", suggest);
  field.addEventListener("blur", close);
  field.addEventListener("keydown", (event) => {
    if (list.hidden) {
      if (event.key === "ArrowDown") suggest();
      return;
    }
    const last = list.childElementCount - 1;
    if (event.key === "ArrowDown") highlight(active === last ? 0 : active + 1);
    else if (event.key === "ArrowUp") highlight(active <= 0 ? last : active - 1);
    else if (event.key === "Enter" && active >= 0) list.children[active].click();
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return { element, field };
}
