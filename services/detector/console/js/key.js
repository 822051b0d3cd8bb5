// Asking for an API key. It is kept for this tab alone.

import { openDialog } from "./dialog.js";
import { h } from "./dom.js";

let asking = null;

/** Ask once, however many calls wait for the answer. */
export function askForKey(wasRefused) {
  asking ??= ask(wasRefused).finally(() => {
    asking = null;
  });
  return asking;
}

function ask(wasRefused) {
  return new Promise((resolve, reject) => {
    const field = h("input", {
      id: "key-field",
      type: "password",
      required: true,
      autocomplete: "off",
      spellcheck: "false",
      autofocus: true,
    });
    openDialog({
      title: "This service asks for a key",
      body: [
        wasRefused && h("p", { class: "field-error", role: "alert" }, "That key was not accepted."),
        h(
          "p",
          {},
          "Keys are made with ",
          h("code", {}, "kenspeckle key create"),
          ". Yours stays in this tab and is forgotten when the tab closes.",
        ),
        h("label", { for: field.id }, "Key"),
        field,
      ],
      confirm: "Use key",
      action: async () => resolve(field.value.trim()),
      onclose: () => reject(new Error("Without a key this service shows nothing. Reload the page to enter one.")),
    });
  });
}
