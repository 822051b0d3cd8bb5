// Reference pictures. They are fetched, not linked, because a key travels in a header.

import * as api from "./api.js";
import { h, icon } from "./dom.js";

/** A picture of a reference; where the gallery keeps none, a placeholder. */
export function thumb(gallery, referenceId, alt, size = 256) {
  const frame = h("span", { class: "thumb" });
  load(frame, gallery, referenceId, alt, size);
  return frame;
}

async function load(frame, gallery, referenceId, alt, size) {
  try {
    const address = URL.createObjectURL(await api.referencePicture(gallery, referenceId, size));
    const release = () => URL.revokeObjectURL(address);
    frame.replaceChildren(h("img", { alt, src: address, onload: release, onerror: release }));
  } catch {
    frame.replaceChildren(icon("picture"), h("span", { class: "visually-hidden" }, `No picture is kept of ${alt}`));
  }
}
