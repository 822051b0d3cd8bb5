// Building blocks for the page. Data only ever becomes text nodes and attributes, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** Make an element: `on…` props become listeners, booleans toggle attributes, strings become text nodes. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function svg(tag, props = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A decorative icon of icons.svg. */
export function icon(name, className = "icon") {
  return svg("svg", { class: className, "aria-hidden": "true" }, svg("use", { href: `/console/icons.svg#${name}` }));
}

/** A button with an icon and words. */
export function button(words, iconName, props = {}) {
  return h("button", { type: "button", ...props }, iconName && icon(iconName), h("span", {}, words));
}

export function once(milliseconds, action) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...values), milliseconds);
  };
}

/** Say something to screen readers. */
export function announce(sentence) {
  document.getElementById("live").textContent = sentence;
}

/** Show a sentence until it is dismissed; `kind` is "error", "good" or "note". */
export function notify(sentence, kind = "note", details = []) {
  const notice = h(
    "div",
    { class: `notice ${kind}`, role: kind === "error" ? "alert" : "status" },
    icon(kind === "good" ? "check" : "alert"),
    h(
      "div",
      { class: "notice-text" },
      h("p", {}, sentence),
      details.map((line) => h("p", { class: "soft" }, line)),
    ),
    h(
      "button",
      { type: "button", class: "quiet square", "aria-label": "Dismiss", onclick: () => notice.remove() },
      icon("close"),
    ),
  );
  const notices = document.getElementById("notices");
  while (notices.childElementCount >= 3) notices.firstElementChild.remove();
  notices.append(notice);
  if (kind === "good" && details.length === 0) setTimeout(() => notice.remove(), 6000);
}

/** Run an action; what goes wrong is shown as a sentence. Gives whether it went well. */
export async function attempt(action) {
  try {
    await action();
    return true;
  } catch (error) {
    if (error.name !== "AbortError") notify(error.message, "error");
    return false;
  }
}

let serial = 0;

export function uniqueId(prefix) {
  serial += 1;
  return `${prefix}-${serial}`;
}

/** Put an element over a box of the picture, in shares of the frame. */
export function place(element, [x0, y0, x1, y1], { width, height }) {
  element.style.setProperty("left", `${(100 * x0) / width}%`);
  element.style.setProperty("top", `${(100 * y0) / height}%`);
  element.style.setProperty("width", `${(100 * (x1 - x0)) / width}%`);
  element.style.setProperty("height", `${(100 * (y1 - y0)) / height}%`);
}
