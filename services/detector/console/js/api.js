// Calls of the public HTTP API on the page's own origin.

const KEY = "kenspeckle.key";
const PATIENCE_SECONDS = 5;

let askForKey = null;

/** Set the function that asks a person for a key: `(wasRefused) => Promise<string>`. */
export function onKeyNeeded(ask) {
  askForKey = ask;
}

/** A refusal of the service, as a sentence in `message`. */
export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail ? `${problem.title}: ${problem.detail}` : problem.title);
    this.name = "Refusal";
    this.status = status;
    this.problem = problem;
  }
}

async function refusalOf(response) {
  const fallback = { title: `The service answered with status ${response.status}` };
  const isJson = (response.headers.get("content-type") ?? "").includes("json");
  const problem = isJson ? await response.json().catch(() => fallback) : fallback;
  return new Refusal(response.status, problem.title ? problem : fallback);
}

function addressOf(path, query) {
  const address = new URL(path, location.origin);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined) address.searchParams.set(name, value);
  }
  return address;
}

async function send(method, path, { query = {}, json, form, headers = {}, signal } = {}) {
  const key = sessionStorage.getItem(KEY);
  const sent = {
    ...headers,
    ...(key && { Authorization: `Bearer ${key}` }),
    ...(json && { "Content-Type": "application/json" }),
  };
  try {
    return await fetch(addressOf(path, query), {
      method,
      headers: sent,
      signal,
      credentials: "omit",
      body: json ? JSON.stringify(json) : form,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, { title: "The service cannot be reached. Is it running?" });
  }
}

const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

/** Call the API; asks for a key on 401 and waits once where a replica is behind. Gives the response. */
async function call(method, path, options = {}) {
  let waited = false;
  for (;;) {
    const used = sessionStorage.getItem(KEY);
    const response = await send(method, path, options);
    if (response.ok) return response;
    if (response.status === 401) {
      // Another call may have been given a key meanwhile: then try that one first.
      if (sessionStorage.getItem(KEY) === used) sessionStorage.setItem(KEY, await askForKey(used !== null));
      continue;
    }
    const seconds = Number(response.headers.get("retry-after") ?? "0");
    if ([429, 503].includes(response.status) && !waited && seconds > 0 && seconds <= PATIENCE_SECONDS) {
      waited = true;
      await pause(seconds);
      continue;
    }
    throw await refusalOf(response);
  }
}

const part = encodeURIComponent;
const json = async (response) => (await response).json();

function idempotencyKey() {
  // randomUUID exists on https and localhost alone; the console also runs on a plain LAN address.
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function recognize(file, gallery, { boxes, most, minRevision, signal }) {
  const form = new FormData();
  form.append("image", file);
  form.append("gallery", gallery);
  if (boxes) form.append("boxes", JSON.stringify(boxes));
  if (most) form.append("max_objects", String(most));
  if (minRevision !== undefined) form.append("min_revision", String(minRevision));
  return json(call("POST", "/recognize", { form, signal }));
}

export function detect(file, most, signal) {
  const form = new FormData();
  form.append("image", file);
  form.append("max_objects", String(most));
  return json(call("POST", "/detect", { form, signal }));
}

/** Add references; where in the pictures they are is found, unless `box` says it, or `whole` that they fill them. */
export function enrol({ files, gallery, label, negative, itemId, box, whole }) {
  const form = new FormData();
  for (const file of files) form.append("image", file);
  form.append("gallery", gallery);
  if (negative) form.append("negative", "true");
  else form.append("label", label);
  if (itemId) form.append("item_id", itemId);
  if (box) form.append("box", JSON.stringify(box));
  if (whole) form.append("crop", "whole");
  return json(call("POST", "/gallery", { form, headers: { "Idempotency-Key": idempotencyKey() } }));
}

export const models = () => json(call("GET", "/models"));
export const galleries = () => json(call("GET", "/galleries", { query: { limit: 1000 } }));
export const createGallery = (name) => json(call("POST", "/galleries", { json: { name } }));
export const gallery = (name) => json(call("GET", `/galleries/${part(name)}`));

/** Items of a gallery, a page at a time. `filters`: label, q, cursor, limit. */
export const items = (name, filters, signal) =>
  json(call("GET", `/galleries/${part(name)}/items`, { query: filters, signal }));

/** An item with the ETag that a change of it has to name. */
export async function item(name, id) {
  const response = await call("GET", `/galleries/${part(name)}/items/${part(id)}`);
  return { item: await response.json(), etag: response.headers.get("etag") };
}

export const patchItem = (name, id, etag, patch) =>
  json(call("PATCH", `/galleries/${part(name)}/items/${part(id)}`, { json: patch, headers: { "If-Match": etag } }));

export const deleteItem = (name, id, etag) =>
  json(call("DELETE", `/galleries/${part(name)}/items/${part(id)}`, { headers: { "If-Match": etag } }));

export const deleteReference = (name, id, referenceId) =>
  json(call("DELETE", `/galleries/${part(name)}/items/${part(id)}/references/${part(referenceId)}`));

/** The stored picture of a reference, cut to its box, at most `size` pixels on its long side. */
export async function referencePicture(name, referenceId, size) {
  const query = { size, crop: true };
  return (await call("GET", `/galleries/${part(name)}/references/${part(referenceId)}/picture`, { query })).blob();
}

/** Begin to embed all pictures of a gallery anew; gives the job. */
export const reembed = (name) => json(call("POST", `/galleries/${part(name)}/reembed`));
export const job = (id) => json(call("GET", `/jobs/${part(id)}`));

/** Readiness of the service, ready or not. */
export async function readiness() {
  return (await send("GET", "/readyz")).json();
}
