// The service and the gallery at a glance: counts, revision, models, readiness.

import * as api from "./api.js";
import { attempt, button, h, icon, notify } from "./dom.js";
import { day, shortFingerprint } from "./format.js";
import { changes, current, touched } from "./gallery-choice.js";

const POLL_MS = 500;

function figure(value, name) {
  return h("div", { class: "stat" }, h("dd", {}, value.toLocaleString("en")), h("dt", {}, name));
}

function fingerprint(value) {
  const copy = button("Copy", "copy", {
    class: "quiet square",
    title: "Copy the whole fingerprint",
    "aria-label": "Copy the fingerprint",
  });
  copy.lastElementChild.remove();
  copy.addEventListener("click", () =>
    attempt(async () => {
      await navigator.clipboard.writeText(value);
      notify("The fingerprint is copied.", "good");
    }),
  );
  return h(
    "span",
    { class: "fingerprint" },
    h("code", { title: value ?? "" }, shortFingerprint(value)),
    value && navigator.clipboard && copy,
  );
}

function galleryPanel(gallery, extractor) {
  const differs = gallery.fingerprint && extractor && gallery.fingerprint !== extractor.fingerprint;
  return h(
    "section",
    { class: "panel" },
    h("h2", {}, `Gallery ${gallery.name}`),
    h(
      "dl",
      { class: "stats" },
      figure(gallery.items, "items"),
      figure(gallery.labels, "labels"),
      figure(gallery.references, "pictures"),
      figure(gallery.revision, "revision"),
    ),
    h(
      "dl",
      { class: "facts" },
      h("dt", {}, "Embeddings"),
      h("dd", {}, fingerprint(gallery.fingerprint)),
      h("dt", {}, "Pictures"),
      h("dd", {}, gallery.keep_pictures ? "kept, so it can be embedded anew" : "not kept: it cannot be embedded anew"),
      h("dt", {}, "Made"),
      h("dd", {}, day(gallery.created_at)),
    ),
    differs && stalePanel(gallery),
  );
}

/** Embeddings of another extractor: the way out is to make them anew. */
function stalePanel({ name, references }) {
  const words = h(
    "p",
    {},
    "These embeddings were made by another extractor than the one that runs. The gallery can be searched again when they have been made anew.",
  );
  const start = button("Embed anew", "pulse", {});
  start.addEventListener("click", () =>
    attempt(async () => {
      start.disabled = true;
      try {
        let job = await api.reembed(name);
        while (["queued", "running"].includes(job.state)) {
          words.textContent = `Embedding anew: ${job.done} of ${job.total ?? references}.`;
          await new Promise((done) => setTimeout(done, POLL_MS));
          job = await api.job(job.id);
        }
        if (job.state !== "done") throw new Error(`Embedding anew has ended early: ${job.message || job.state}`);
        touched();
      } finally {
        start.disabled = false;
      }
    }),
  );
  return h("div", { class: "warning" }, icon("alert"), h("div", {}, words, start));
}

function missingPanel() {
  return h(
    "section",
    { class: "panel" },
    h("h2", {}, `Gallery ${current()}`),
    h("p", {}, "It is made when the first thing is added."),
  );
}

function modelPanel(model) {
  const rows = [
    ["Version", model.version],
    ["Fingerprint", fingerprint(model.fingerprint)],
    ["Input", `${model.width} × ${model.height} pixels`],
    ["Embedding", model.dim && `${model.dim} numbers`],
    ["Cohort", model.cohort_size && `${model.cohort_size.toLocaleString("en")} unrelated things`],
    [
      "False accepts",
      model.false_accept_rate && `at most ${Number((model.false_accept_rate * 100).toFixed(2))} % by default`,
    ],
    ["Licence", model.licence],
  ];
  return h(
    "section",
    { class: "panel" },
    h("p", { class: "kicker" }, model.kind),
    h("h2", {}, model.name),
    h(
      "dl",
      { class: "facts" },
      rows.filter(([, value]) => value).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
    ),
  );
}

function readinessPanel({ ready, checks }) {
  return h(
    "section",
    { class: "panel" },
    h("h2", {}, "Readiness"),
    h(
      "p",
      { class: ready ? "badge known" : "badge ambiguous" },
      icon(ready ? "check" : "alert"),
      ready ? "Ready" : "Not ready",
    ),
    h(
      "ul",
      { class: "checks" },
      Object.entries(checks).map(([name, state]) =>
        h(
          "li",
          { class: state === "ok" ? "ok" : "bad" },
          icon(state === "ok" ? "check" : "alert"),
          h("b", {}, name),
          h("span", {}, state),
        ),
      ),
    ),
  );
}

async function galleryOrNull() {
  try {
    return await api.gallery(current());
  } catch (error) {
    if (error.status !== 404) throw error;
    return null;
  }
}

/** Gives the function that shows the view anew. */
export function startStatus(root) {
  const panels = h("div", { class: "panels" });
  root.append(h("div", { class: "view-head" }, h("h1", {}, "Status")), panels);
  const load = () =>
    attempt(async () => {
      const [readiness, gallery, models] = await Promise.all([api.readiness(), galleryOrNull(), api.models()]);
      const extractor = models.find((model) => model.kind === "extractor");
      panels.replaceChildren(
        gallery ? galleryPanel(gallery, extractor) : missingPanel(),
        readinessPanel(readiness),
        ...models.map(modelPanel),
      );
    });
  const reload = () => !root.hidden && load();
  changes.addEventListener("change", reload);
  changes.addEventListener("content", reload);
  return load;
}
