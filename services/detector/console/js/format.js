// Numbers and words as people read them.

export function percent(share) {
  const value = share * 100;
  if (value > 0 && value < 0.1) return "< 0.1 %";
  if (value > 99.5 && value < 100) return "> 99 %";
  return `${value < 10 ? Number(value.toFixed(1)) : Math.round(value)} %`;
}

export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

export function day(isoTime) {
  return new Date(isoTime).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

export function shortFingerprint(fingerprint) {
  return fingerprint ? `${fingerprint.replace(/^sha256:/, "").slice(0, 12)}…` : "none yet";
}

/** How a label is stored: composed characters, no space around. */
export function asLabel(text) {
  return text.normalize("NFC").trim();
}

export function labelOf(item) {
  return item.label ?? "Never recognised (negative)";
}

export const DECISIONS = {
  known: { word: "Known", icon: "check" },
  ambiguous: { word: "Ambiguous", icon: "fork" },
  unknown: { word: "Unknown", icon: "question" },
};

/** The label, or for an unknown thing its best guess; null where there is none. */
export function guessOf(object) {
  return object.label ?? object.candidates.find((candidate) => candidate.label !== null)?.label ?? null;
}

/** The nearest candidate of another label than the best one. */
export function rivalOf(object) {
  return object.candidates.find((candidate) => candidate.label !== null && candidate.label !== object.label) ?? null;
}

/** One sentence for people who do not see the boxes. */
export function sentenceOf(objects) {
  if (objects.length === 0) return "Nothing was found in this picture.";
  const things = objects.map((object) => {
    const guess = guessOf(object);
    if (object.decision === "known") return `${object.label}, ${percent(object.probability)}`;
    if (object.decision === "ambiguous") return `${object.label} or ${rivalOf(object)?.label ?? "another"}, ambiguous`;
    return guess ? `unknown, at best ${guess}` : "unknown";
  });
  return `${count(objects.length, "thing")}: ${things.join("; ")}.`;
}
