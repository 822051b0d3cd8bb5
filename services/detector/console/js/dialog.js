// Modal dialogs on the platform's own <dialog>: focus is kept inside and given back on closing.

import { button, h, icon, uniqueId } from "./dom.js";

/**
 * Open a dialog. With `confirm` and `action` it is a form: the action runs on submit, its error is shown in the
 * dialog, and success closes it. `onclose` runs however it closes.
 */
export function openDialog({ title, body, confirm, action, wide = false, onclose }) {
  const titleId = uniqueId("dialog");
  const error = h("p", { class: "field-error", role: "alert", hidden: true });
  const close = () => dialog.close();
  const submit = confirm && h("button", { type: "submit", class: "primary" }, confirm);
  const content = h(
    confirm ? "form" : "div",
    { class: "dialog-body" },
    body,
    error,
    confirm && h("div", { class: "actions" }, submit, button("Cancel", null, { class: "quiet", onclick: close })),
  );
  const dialog = h(
    "dialog",
    { class: wide ? "dialog wide" : "dialog", "aria-labelledby": titleId },
    h(
      "header",
      {},
      h("h2", { id: titleId }, title),
      h("button", { type: "button", class: "quiet square", "aria-label": "Close", onclick: close }, icon("close")),
    ),
    content,
  );
  if (confirm) {
    content.addEventListener("submit", async (event) => {
      event.preventDefault();
      submit.disabled = true;
      try {
        await action();
        close();
      } catch (problem) {
        error.textContent = problem.message;
        error.hidden = false;
      } finally {
        submit.disabled = false;
      }
    });
  }
  dialog.addEventListener("close", () => {
    dialog.remove();
    onclose?.();
  });
  // A press on the backdrop is one on the dialog element itself.
  dialog.addEventListener("pointerdown", (event) => event.target === dialog && close());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
