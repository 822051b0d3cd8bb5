// The view of a gallery: search, thumbnails, page by page.

import * as api from "./api.js";
import { openDialog } from "./dialog.js";
import { announce, attempt, button, h, icon, once } from "./dom.js";
import { chooserButtons, emblem } from "./empty.js";
import { count, labelOf } from "./format.js";
import { changes, current } from "./gallery-choice.js";
import { openItem } from "./item.js";
import { labelField } from "./label-field.js";
import { teach } from "./teach.js";
import { thumb } from "./thumb.js";

const PAGE = 24;

function tile(item) {
  const first = item.references[0];
  return h(
    "li",
    {},
    h(
      "button",
      {
        type: "button",
        class: item.negative ? "tile negative" : "tile",
        onclick: () => attempt(() => openItem(item.id)),
      },
      first ? thumb(current(), first.id, "") : h("span", { class: "thumb" }, icon("picture")),
      h("span", { class: "tile-label" }, labelOf(item)),
      h("span", { class: "soft" }, count(item.references.length, "picture")),
    ),
  );
}

/** Ask for pictures of one thing and its label. */
function addDialog() {
  let files = [];
  const chosen = h(
    "p",
    { class: "field-hint", "aria-live": "polite" },
    "One is enough; three from different sides are better.",
  );
  const { element, field } = labelField({ name: "Label", placeholder: "What is it?" });
  const fills = h("input", { type: "checkbox" });
  const choose = (added) => {
    files = added;
    chosen.textContent = `${count(files.length, "picture")} chosen: ${files.map((file) => file.name).join(", ")}`;
  };
  openDialog({
    title: "Add a thing",
    body: [
      h("div", { class: "tools" }, chooserButtons(choose, { multiple: true })),
      chosen,
      element,
      h("label", { class: "checkbox" }, fills, "It fills the whole picture: do not look for it"),
    ],
    confirm: "Add to the gallery",
    action: async () => {
      if (files.length === 0) throw new Error("Choose a picture first.");
      await teach({ files, label: field.value, whole: fills.checked });
    },
  });
}

class Browser {
  #cursor = null;
  #asked = null;

  constructor(root) {
    this.root = root;
    this.title = h("h1", {});
    this.search = h("input", {
      type: "search",
      id: "gallery-search",
      placeholder: "Search labels",
      autocomplete: "off",
      oninput: once(200, () => this.load()),
    });
    this.grid = h("ul", { class: "grid", "aria-label": "Items" });
    this.more = button("Show more", null, { hidden: true, onclick: () => attempt(() => this.#append()) });
    this.empty = h("div", { class: "empty", hidden: true });
    root.append(
      h(
        "div",
        { class: "view-head" },
        this.title,
        h(
          "div",
          { class: "view-tools" },
          h(
            "label",
            { class: "search" },
            icon("search"),
            h("span", { class: "visually-hidden" }, "Search labels"),
            this.search,
          ),
          button("Add a thing", "plus", { class: "primary", onclick: addDialog }),
        ),
      ),
      this.grid,
      this.empty,
      h("div", { class: "more" }, this.more),
    );
    const reload = () => !root.hidden && this.load();
    changes.addEventListener("change", reload);
    changes.addEventListener("content", reload);
  }

  load() {
    this.title.textContent = current();
    this.#cursor = null;
    return attempt(() => this.#append(true));
  }

  async #append(fresh = false) {
    this.#asked?.abort();
    this.#asked = new AbortController();
    const { signal } = this.#asked;
    const page = await this.#page(signal);
    if (signal.aborted) return;
    this.#cursor = page.next_cursor;
    const tiles = page.items.map(tile);
    if (fresh) this.grid.replaceChildren(...tiles);
    else this.grid.append(...tiles);
    this.more.hidden = this.#cursor === null;
    this.#showEmpty(this.grid.childElementCount === 0);
    if (!fresh) tiles[0]?.firstElementChild.focus();
    else if (this.search.value) announce(`${count(tiles.length, "item")} found`);
  }

  async #page(signal) {
    const query = { limit: PAGE, cursor: this.#cursor, q: this.search.value.trim() || null };
    try {
      return await api.items(current(), query, signal);
    } catch (error) {
      if (error.status !== 404) throw error;
      return { items: [], next_cursor: null }; // The gallery is made with its first thing.
    }
  }

  #showEmpty(isEmpty) {
    this.empty.hidden = !isEmpty;
    if (!isEmpty) return;
    const wanted = this.search.value.trim();
    this.empty.replaceChildren(
      ...(wanted
        ? [h("h2", {}, `Nothing here is called “${wanted}”.`), h("p", {}, "Search looks for a part of the label.")]
        : [
            emblem(),
            h("h2", {}, "Nothing here yet."),
            h("p", {}, "Add a thing with one picture of it, or name one in a picture that you recognise."),
            h(
              "div",
              { class: "tools" },
              button("Add a thing", "plus", { class: "primary", onclick: addDialog }),
              h("a", { class: "as-button", href: "#recognise" }, icon("scan"), h("span", {}, "Recognise a picture")),
            ),
          ]),
    );
  }
}

/** Gives the function that shows the view anew. */
export function startBrowser(root) {
  const browser = new Browser(root);
  return () => browser.load();
}
