// What every page has: the parts that need a script appear, and the theme can be chosen.
const $ = (id) => document.getElementById(id);
const reveal = () => document.querySelectorAll(".scripted").forEach((part) => { part.hidden = false; });

const themes = ["", "light", "dark"];
const themeNames = { "": "theme: as the system", light: "theme: light", dark: "theme: dark" };
const remembered = (() => { try { return localStorage.getItem("kernelsearch-theme") || ""; } catch { return ""; } })();
const setTheme = (name) => {
  if (name) document.documentElement.dataset.theme = name; else delete document.documentElement.dataset.theme;
  $("theme").textContent = themeNames[name];
  try { localStorage.setItem("kernelsearch-theme", name); } catch { /* a page may be opened where nothing can be kept */ }
};
setTheme(themes.includes(remembered) ? remembered : "");
$("theme").addEventListener("click", () => {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const order = dark ? ["", "light", "dark"] : ["", "dark", "light"]; // the first click always changes something
  setTheme(order[(order.indexOf(document.documentElement.dataset.theme || "") + 1) % 3]);
});

// A figure as printed, as a number; NaN for a dash. "12,400" and "4.31x" are figures.
const figure = (text) => parseFloat(text.replace(/,/g, ""));
// Numbers in order and dashes last, whichever way; words as words.
const compare = (one, other, down) => {
  const [a, b] = [typeof one === "number" ? one : figure(one), typeof other === "number" ? other : figure(other)];
  if (Number.isNaN(a) && Number.isNaN(b)) return down * String(one).localeCompare(String(other));
  return Number.isNaN(a) ? 1 : Number.isNaN(b) ? -1 : down * (a - b);
};
