// The gallery that the page works on, and the list of those that are there.

import * as api from "./api.js";
import { attempt, h, notify } from "./dom.js";
import { openDialog } from "./dialog.js";

const CHOICE = "kenspeckle.gallery";
const NEW = "\u0000new";
const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;

export const changes = new EventTarget();

let name = localStorage.getItem(CHOICE) ?? "default";

export const current = () => name;

function choose(next) {
  name = next;
  localStorage.setItem(CHOICE, next);
  changes.dispatchEvent(new Event("change"));
}

/** Say that the current gallery's content changed. */
export function touched() {
  changes.dispatchEvent(new Event("content"));
}

/** Read the list of galleries into the chooser. */
export async function refreshChooser() {
  const chooser = document.getElementById("gallery-chooser");
  const names = (await api.galleries()).items.map((gallery) => gallery.name);
  if (!names.includes(name)) names.unshift(name);
  chooser.replaceChildren(
    ...names.map((each) => h("option", { value: each, selected: each === name }, each)),
    h("option", { value: NEW }, "New gallery…"),
  );
  chooser.value = name;
}

function createDialog() {
  const hint = h(
    "p",
    { class: "field-hint", id: "new-gallery-hint" },
    "Small letters, digits, dot, dash and underscore, such as pantry or tool-shed.",
  );
  const field = h("input", {
    id: "new-gallery",
    required: true,
    maxlength: 63,
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
    "aria-describedby": hint.id,
  });
  field.addEventListener("input", () =>
    field.setCustomValidity(NAME.test(field.value) || !field.value ? "" : hint.textContent),
  );
  openDialog({
    title: "New gallery",
    body: [h("label", { for: field.id }, "Name"), field, hint],
    confirm: "Create",
    action: async () => {
      await api.createGallery(field.value);
      choose(field.value);
      await refreshChooser();
      notify(`Gallery ${field.value} is ready for its first thing.`, "good");
    },
  });
}

export function startChooser() {
  const chooser = document.getElementById("gallery-chooser");
  chooser.append(h("option", { value: name }, name));
  chooser.addEventListener("change", () => {
    if (chooser.value !== NEW) return choose(chooser.value);
    chooser.value = name;
    return createDialog();
  });
  // The first addition makes a gallery that was only named so far.
  changes.addEventListener("content", () => attempt(refreshChooser));
  return attempt(refreshChooser);
}
