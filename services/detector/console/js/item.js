// One item: its pictures, its label, and what can be done with it.

import * as api from "./api.js";
import { openDialog } from "./dialog.js";
import { attempt, button, h, icon, notify } from "./dom.js";
import { asLabel, count, day, labelOf } from "./format.js";
import { current, touched } from "./gallery-choice.js";
import { thumb } from "./thumb.js";

/** A button that asks back in place before it acts. */
function confirming(words, question, action) {
  const ask = button(words, "trash", { class: "quiet danger" });
  const sure = button("Delete", "trash", { class: "danger-solid" });
  const keep = button("Keep", null, { class: "quiet" });
  const asking = h(
    "span",
    { class: "confirming", role: "group", "aria-label": question, hidden: true },
    h("span", {}, question),
    sure,
    keep,
  );
  const show = (isAsking) => {
    asking.hidden = !isAsking;
    ask.hidden = isAsking;
    (isAsking ? keep : ask).focus();
  };
  ask.addEventListener("click", () => show(true));
  keep.addEventListener("click", () => show(false));
  sure.addEventListener("click", () => attempt(action));
  return [ask, asking];
}

/** Say in plain words that somebody else was faster, and show what is there now. */
async function changing(action, reload) {
  try {
    await action();
  } catch (error) {
    if (error.status !== 412) throw error;
    notify("Somebody else changed this item meanwhile. This is how it is now.", "note");
    await reload();
  }
}

class ItemView {
  constructor(id) {
    this.id = id;
    this.body = h("div", { class: "item" });
  }

  async load() {
    const { item, etag } = await api.item(current(), this.id);
    this.item = item;
    this.etag = etag;
    this.body.replaceChildren(...this.#content());
    return item;
  }

  async #changed() {
    touched();
    await this.load();
    this.dialog.querySelector("h2").textContent = labelOf(this.item);
  }

  #content() {
    const { item } = this;
    const meta = Object.entries(item.metadata);
    return [
      item.label !== null && this.#relabelForm(),
      h("h3", {}, count(item.references.length, "picture")),
      h(
        "ul",
        { class: "references" },
        item.references.map((reference, index) => this.#reference(reference, index)),
      ),
      h(
        "dl",
        { class: "facts" },
        h("dt", {}, "Id"),
        h("dd", {}, h("code", {}, item.id)),
        h("dt", {}, "Added"),
        h("dd", {}, day(item.created_at)),
        meta.flatMap(([name, value]) => [
          h("dt", {}, name),
          h("dd", {}, typeof value === "string" ? value : JSON.stringify(value)),
        ]),
      ),
      h(
        "div",
        { class: "actions" },
        confirming("Delete this item", `Delete it with ${count(item.references.length, "picture")}?`, () =>
          this.#delete(),
        ),
      ),
    ].filter(Boolean);
  }

  #relabelForm() {
    const field = h("input", {
      id: "relabel",
      value: this.item.label,
      required: true,
      maxlength: 256,
      autocomplete: "off",
    });
    const rename = () =>
      changing(
        async () => {
          const label = asLabel(field.value);
          await api.patchItem(current(), this.id, this.etag, { label });
          await this.#changed();
          notify(`It is called “${label}” now.`, "good");
        },
        () => this.#changed(),
      );
    return h(
      "form",
      {
        class: "relabel",
        onsubmit: (event) => {
          event.preventDefault();
          attempt(rename);
        },
      },
      h("label", { for: field.id }, "Label"),
      h("div", { class: "name-row" }, field, h("button", { type: "submit", class: "primary" }, "Rename")),
    );
  }

  #reference(reference, index) {
    const isLast = this.item.references.length === 1;
    const words = `picture ${index + 1} of ${labelOf(this.item)}`;
    const remove = button(`Delete ${words}`, null, { class: "square over", title: "Delete this picture" });
    remove.replaceChildren(icon("trash"), h("span", { class: "visually-hidden" }, `Delete ${words}`));
    const tile = h("li", {}, thumb(current(), reference.id, words), !isLast && remove);
    remove.addEventListener("click", () => {
      const sure = button("Delete", "trash", { class: "danger-solid" });
      const keep = button("Keep", null, {});
      const question = h(
        "div",
        { class: "tile-question", role: "group", "aria-label": `Delete ${words}?` },
        sure,
        keep,
      );
      sure.addEventListener("click", () =>
        attempt(async () => {
          await api.deleteReference(current(), this.id, reference.id);
          await this.#changed();
        }),
      );
      keep.addEventListener("click", () => {
        question.remove();
        remove.focus();
      });
      tile.append(question);
      keep.focus();
    });
    return tile;
  }

  #delete() {
    return changing(
      async () => {
        await api.deleteItem(current(), this.id, this.etag);
        touched();
        this.dialog.close();
        notify(`${labelOf(this.item)} is deleted.`, "good");
      },
      () => this.#changed(),
    );
  }
}

/** Open the dialog of an item of the current gallery. */
export async function openItem(id) {
  const view = new ItemView(id);
  const item = await view.load();
  view.dialog = openDialog({ title: labelOf(item), body: view.body, wide: true });
}
