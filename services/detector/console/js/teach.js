// Adding a picture of a thing to the gallery.

import * as api from "./api.js";
import { notify } from "./dom.js";
import { asLabel, count } from "./format.js";
import { current, touched } from "./gallery-choice.js";

/** The item that carries this label, or null; null too where the gallery is yet to be made. */
async function itemLabelled(label) {
  try {
    const page = await api.items(current(), { label, limit: 1 });
    return page.items[0] ?? null;
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

/**
 * Add pictures under a label: to the item that has the label, else as a new item. With `negative` they are
 * remembered as things that must not be recognised. Gives the service's answer.
 */
export async function teach({ files, label = "", negative = false, box, whole }) {
  const wanted = asLabel(label);
  const there = negative ? null : await itemLabelled(wanted);
  const answer = await api.enrol({ files, gallery: current(), label: wanted, negative, itemId: there?.id, box, whole });
  touched();
  const sentence = negative
    ? "Noted: this will not be recognised."
    : answer.created
      ? `“${answer.label}” is in the gallery now.`
      : `“${answer.label}” has ${count(answer.references.length, "picture")} more.`;
  notify(
    sentence,
    "good",
    answer.warnings.map((warning) => warning.message),
  );
  return answer;
}
