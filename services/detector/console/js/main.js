// Starts the page: theme, views, gallery chooser.

import { onKeyNeeded } from "./api.js";
import { startBrowser } from "./browse.js";
import { startChooser } from "./gallery-choice.js";
import { askForKey } from "./key.js";
import { startRecognise } from "./recognise.js";
import { startStatus } from "./status.js";

const VIEWS = ["recognise", "gallery", "status"];

// Not the name alone: the browser would scroll to an element that the address names.
const viewOf = (name) => document.getElementById(`view-${name}`);

function startTheme() {
  const root = document.documentElement;
  const toggle = document.getElementById("theme-toggle");
  const isDark = () =>
    root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const name = () => toggle.setAttribute("aria-label", isDark() ? "Switch to light" : "Switch to dark");
  toggle.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    localStorage.setItem("kenspeckle.theme", root.dataset.theme);
    name();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", name);
  name();
}

function startViews(shown) {
  let view = VIEWS[0];
  const show = () => {
    const wanted = location.hash.slice(1);
    if (VIEWS.includes(wanted)) view = wanted;
    for (const each of VIEWS) viewOf(each).hidden = each !== view;
    for (const tab of document.querySelectorAll(".tabs a")) {
      if (tab.dataset.view === view) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
    }
    scrollTo(0, 0);
    shown[view]?.();
  };
  addEventListener("hashchange", show);
  show();
}

onKeyNeeded(askForKey);
startTheme();
startRecognise(viewOf("recognise"));
startViews({
  gallery: startBrowser(viewOf("gallery")),
  status: startStatus(viewOf("status")),
});
startChooser();
