// What a view shows before there is anything to show.

import { h, icon, svg } from "./dom.js";

/** Ways to choose a picture: a press, the camera, paste or drop. `onFiles(files)`. */
export function chooserButtons(onFiles, { words = "Choose a picture", main = true, multiple = false } = {}) {
  const input = (name, iconName, className, props) => {
    const field = h("input", { type: "file", accept: "image/*", class: "visually-hidden", multiple, ...props });
    field.addEventListener("change", () => {
      if (field.files.length > 0) onFiles([...field.files]);
      field.value = "";
    });
    return h("label", { class: `as-button ${className}` }, field, icon(iconName), h("span", {}, name));
  };
  return [
    input(words, "upload", main ? "primary" : "", {}),
    input("Take a photo", "camera", "camera", { capture: "environment", multiple: false }),
  ];
}

export function steps() {
  const step = (title, words) => h("li", {}, h("b", {}, title), h("span", {}, words));
  return h(
    "ol",
    { class: "steps" },
    step("Show a picture", "One thing or many, from your disk, your camera or the clipboard."),
    step("Name what is unknown", "Type a label, or draw a box around a thing that was missed."),
    step("It is known from then on", "A second later, in every picture, without any training."),
  );
}

/** The large mark of empty places. */
export function emblem() {
  return svg("svg", { class: "emblem", "aria-hidden": "true" }, svg("use", { href: "/console/icons.svg#mark" }));
}
