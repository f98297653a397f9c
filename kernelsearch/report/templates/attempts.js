// The table of attempts, the filters that it shares with the tree, and where links to attempts lead.
const PAGE = 200;
const body = document.querySelector("#rows tbody");
const sorting = { key: "number", down: 1 };
let listed = [], upTo = PAGE;
const valueOf = {
  number: (n) => n,
  parent: (n) => figures.parent[n],
  edit: (n) => word("edit", n),
  status: (n) => word("status", n),
  limit: (n) => word("limit", n),
  why: (n) => word("why", n),
  time: (n) => figures.time[n],
  x: (n) => figures.x[n],
  light: (n) => figures.light[n],
  reward: (n) => figures.reward[n],
};
const anchor = (number) => { const made = element("a", "", number); made.href = `#n${number}`; return made; };
const cell = (classes, content) => { const made = element("td", classes); made.append(content); return made; };
const row = (number) => {
  const made = element("tr", [onPath.has(number) ? "path" : "", number === active ? "chosen" : ""].join(" ").trim());
  made.dataset.number = number;
  made.append(
    cell("n", anchor(number)), cell("n", number ? anchor(figures.parent[number]) : ""), cell("name", word("edit", number)),
    cell("", element("span", `tag ${word("kind", number)}`, word("status", number))), cell("n", figures.time[number]), cell("n", figures.x[number]),
    cell("n", figures.light[number]), cell("n", figures.reward[number]), cell("", word("limit", number)), cell("", word("why", number)));
  return made;
};
const list = () => {
  const value = valueOf[sorting.key];
  listed = figures.parent.map((_, number) => number).filter((number) => !filtering() || matches.has(number));
  listed.sort((a, b) => compare(value(a), value(b), sorting.down) || a - b);
  body.replaceChildren(...listed.slice(0, upTo).map(row));
  $("more").hidden = listed.length <= upTo;
  $("more").textContent = `show ${Math.min(PAGE, listed.length - upTo)} more of ${listed.length - upTo}`;
};
const markRow = (number) => body.querySelectorAll("tr").forEach((made) => made.classList.toggle("chosen", Number(made.dataset.number) === number));
document.querySelectorAll("#rows th").forEach((head) => head.querySelector("button").addEventListener("click", () => {
  const same = sorting.key === head.dataset.key;
  Object.assign(sorting, { key: head.dataset.key, down: same ? -sorting.down : 1 });
  document.querySelectorAll("#rows th").forEach((other) => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", sorting.down > 0 ? "ascending" : "descending");
  list();
}));
body.addEventListener("click", (event) => {
  const made = event.target.closest("tr");
  if (made && !event.target.closest("a")) open(Number(made.dataset.number));
});
$("more").addEventListener("click", () => { upTo += PAGE; list(); });

const sift = () => { upTo = PAGE; refresh(); list(); };
const clear = () => {
  filter.words = $("find").value = "";
  filter.statuses.clear();
  document.querySelectorAll("#filters .filter").forEach((button) => button.setAttribute("aria-pressed", false));
  list();
};
document.querySelectorAll("#filters .filter").forEach((button) => button.addEventListener("click", () => {
  const status = button.dataset.status;
  filter.statuses.has(status) ? filter.statuses.delete(status) : filter.statuses.add(status);
  button.setAttribute("aria-pressed", filter.statuses.has(status));
  sift();
}));
$("find").addEventListener("input", () => { filter.words = $("find").value.trim().toLowerCase(); sift(); });
$("colour").addEventListener("change", () => { explain(); render(true); });
$("larger").addEventListener("click", () => zoom(1.25));
$("smaller").addEventListener("click", () => zoom(0.8));
$("whole").addEventListener("click", () => fit(!whole));
$("fold").addEventListener("click", foldAll);
$("unfold").addEventListener("click", () => { folded.clear(); refresh(); });
$("tobest").addEventListener("click", () => { fit(false); select(figures.best); });

// A link to an attempt selects it and brings its details into sight, wherever it stands.
const open = (number) => select(number, () => $("panel").scrollIntoView({ block: "start" }));
const follow = () => {
  const found = /^#n(\d+)$/.exec(location.hash);
  if (found && Number(found[1]) < total) open(Number(found[1]));
};
addEventListener("hashchange", follow);
document.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (link && (link.getAttribute("href") || "") === location.hash) follow(); // the same link twice changes no hash
});
addEventListener("resize", () => { resize(); render(true); });

reveal();
foldLong();
explain();
refresh();
list();
centre(active);
render(true);
follow();
requestAnimationFrame(() => requestAnimationFrame(() => performance.mark("drawn")));
