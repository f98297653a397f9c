// The tree on the screen: only what is in sight is drawn, so that thousands of nodes scroll as well as ten.
const STEP = { x: 62, y: 26 }, MARGIN = 22, LABEL = 250, MARK = 5.6;
const tree = $("tree");
const SVG = "http://www.w3.org/2000/svg";
const svgElement = (name, attributes) => {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
};
const canvas = tree.appendChild(svgElement("svg", { "aria-hidden": "false", role: "presentation" }));
// Across and down are scaled apart when the whole is shown: thousands of rows would leave nothing of a few columns.
const scale = { across: 1, down: 1 };
let tallest = 0; // rows that were shown at once so far: the frame has room for them, and does not jump when some are folded
let active = figures.best, leaves = 0, positions = new Map(), whole = false;
const place = (number) => [MARGIN + STEP.x * scale.across * depth[number], MARGIN + STEP.y * scale.down * (rows[number] + 0.5)];
const labelled = () => scale.down > 0.45;

// Shapes tell the verdict as well as colours do.
const SHAPES = {
  good: (r) => `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`,
  wrong: (r) => `M0 ${-1.25 * r}L${1.25 * r} 0L0 ${1.25 * r}L${-1.25 * r} 0Z`,
  broken: (r) => `M${-r} ${-r}H${r}V${r}H${-r}Z`,
  foul: (r) => `M0 ${-1.2 * r}L${1.2 * r} ${r}H${-1.2 * r}Z`,
  idle: (r) => `M${-0.7 * r} 0a${0.7 * r} ${0.7 * r} 0 1 0 ${1.4 * r} 0a${0.7 * r} ${0.7 * r} 0 1 0 ${-1.4 * r} 0`,
};
const KINDS = { good: "passed", wrong: "wrong, nondeterministic or hazardous", broken: "failed to build or run", foul: "refused or caught", idle: "no new kernel" };
const rewarded = figures.reward.map(figure).filter((value, number) => !Number.isNaN(value) && word("kind", number) === "good");
const [least, most] = [Math.min(...rewarded), Math.max(...rewarded)];
const RAMP = [[0, 34, 78], [87, 93, 109], [165, 156, 116], [254, 232, 56]]; // even in lightness, and for eyes without red or green
const ramp = (share) => {
  const at = Math.min(0.9999, Math.max(0, share)) * 3, from = Math.floor(at);
  return `rgb(${RAMP[from].map((low, channel) => Math.round(low + (RAMP[from + 1][channel] - low) * (at - from))).join(",")})`;
};
const tally = new Map();
figures.limit.forEach((_, number) => { const name = word("limit", number); if (name) tally.set(name, (tally.get(name) || 0) + 1); });
const limits = [...tally.keys()].sort((a, b) => tally.get(b) - tally.get(a) || (a < b ? -1 : 1)).slice(0, 7);
const fills = {
  verdict: () => "",
  reward: (number) => word("kind", number) === "good" ? ramp((figure(figures.reward[number]) - least) / (most - least || 1)) : "var(--idle-fill)",
  limit: (number) => limits.includes(word("limit", number)) ? `var(--c${limits.indexOf(word("limit", number))})` : "var(--idle-fill)",
};
const explain = () => {
  const item = (mark, name) => { const made = element("li", "", name); made.prepend(element("span", `swatch ${mark}`)); return made; };
  const shape = (kind) => {
    const made = element("li", "", KINDS[kind]), icon = svgElement("svg", { class: "shape", viewBox: "-8 -8 16 16", "aria-hidden": "true" });
    icon.append(svgElement("path", { class: `node ${kind}`, d: SHAPES[kind](5.6) }));
    made.prepend(icon);
    return made;
  };
  const there = new Set(figures.kind.map((kind) => figures.words[kind]));
  const items = {
    verdict: () => Object.keys(KINDS).filter((kind) => there.has(kind)).map(shape),
    reward: () => [item("ramp", rewarded.length ? `reward ${least.toFixed(2)} to ${most.toFixed(2)}` : "no rewards"), item("idle", "failed")],
    limit: () => [...limits.map((name, n) => item(`c${n}`, `${name} (${tally.get(name)})`)), item("idle", "not named, or another")],
  };
  $("legend").replaceChildren(...items[$("colour").value]());
};

const figureOf = (number) => word("kind", number) === "good" && figures.time[number] !== "–" ? figures.x[number] : word("status", number);
const shorter = (name, room) => name.length > room ? `${name.slice(0, room - 1)}…` : name;
const draw = (number, fill, labels, size) => {
  const [x, y] = place(number), many = children[number].length, kind = word("kind", number), shut = folded.has(number) && !filtering();
  const classes = [number === active ? "active" : "", filtering() && !matches.has(number) ? "dim" : ""].join(" ").trim();
  const group = svgElement("g", { id: `t${number}`, role: "treeitem", transform: `translate(${x.toFixed(1)} ${y.toFixed(1)}) scale(${size})`, class: classes, "aria-level": depth[number] + 1,
    "aria-selected": number === active, "aria-label": `#${number} ${word("edit", number)}, ${figureOf(number)}${number === figures.best ? ", the best" : ""}` });
  if (many) group.setAttribute("aria-expanded", !shut);
  const radius = MARK + (number === figures.best ? 2 : 0);
  if (labels || number === active) group.append(svgElement("circle", { class: "ring", r: radius + 4 }));
  const mark = svgElement("path", { class: `node ${kind}${onPath.has(number) ? " path" : ""}`, d: (SHAPES[kind] || SHAPES.idle)(radius) });
  if (fill) mark.style.fill = fill;
  group.append(mark);
  if (labels) {
    const tip = svgElement("title", {});
    tip.textContent = `#${number} ${word("edit", number)}: ${figureOf(number)}`;
    group.append(tip);
    const tail = shut ? `${figureOf(number)}` : figureOf(number);
    const open = many && !shut;
    const label = svgElement("text", open ? { y: -10, "text-anchor": "middle" } : { x: (many ? 28 : 13) + radius - MARK, y: 4 });
    label.textContent = open ? `${number}` : `#${number} ${shorter(word("edit", number), 24)} · ${tail}`;
    group.append(label);
    if (shut) { const count = svgElement("tspan", { class: "count" }); count.textContent = `  +${below[number]}`; label.append(count); }
    if (many) group.append(svgElement("circle", { class: "knob", cx: 16, r: 5, "data-knob": number }),
      svgElement("path", { class: "knob-sign", d: shut ? "M13.4 0h5.2M16 -2.6v5.2" : "M13.4 0h5.2", "data-knob": number }));
  }
  return group;
};

let drawn = null; // the stretch of the drawing that is there already, from where to where down
const render = (always) => {
  const top = tree.scrollTop, room = tree.clientHeight, bottom = top + room;
  if (!always && drawn && top >= drawn[0] && bottom <= drawn[1]) return;
  drawn = [top - room, bottom + room];
  const inside = (y) => y >= drawn[0] && y <= drawn[1];
  const lines = { edge: [], "edge path": [] };
  const groups = [], colour = fills[$("colour").value], labels = labelled();
  const size = Math.min(1.6, Math.max(0.4, Math.sqrt(Math.min(scale.across, scale.down)))).toFixed(2);
  for (const number of order) {
    const [x, y] = place(number), parent = figures.parent[number];
    if (parent >= 0) {
      const [px, py] = place(parent), middle = (px + x) / 2;
      if (Math.max(y, py) >= drawn[0] && Math.min(y, py) <= drawn[1]) {
        lines[onPath.has(number) ? "edge path" : "edge"].push(`M${px} ${py}C${middle} ${py} ${middle} ${y} ${x} ${y}`);
      }
    }
    if (inside(y)) groups.push(draw(number, colour(number), labels, size));
  }
  const root = svgElement("g", { class: labels ? "near" : "far", role: "presentation" });
  for (const [kind, parts] of Object.entries(lines)) root.append(svgElement("path", { class: kind, d: parts.join("") }));
  root.append(...groups);
  canvas.replaceChildren(root);
  tree.setAttribute("aria-activedescendant", `t${active}`);
};
const resize = () => {
  let deepest = 0;
  for (const number of order) deepest = Math.max(deepest, depth[number]);
  tallest = Math.max(tallest, leaves);
  tree.style.height = `${Math.min(520, innerHeight * 0.66, Math.max(120, 2 * MARGIN + STEP.y * tallest + 4))}px`;
  if (whole) {
    scale.down = Math.min(1, (tree.clientHeight - 2 * MARGIN) / (STEP.y * leaves));
    scale.across = Math.min(1, (tree.clientWidth - 2 * MARGIN - (labelled() ? LABEL : 0)) / (STEP.x * Math.max(1, deepest)));
  }
  canvas.setAttribute("width", Math.max(tree.clientWidth - 2, 2 * MARGIN + STEP.x * scale.across * deepest + (labelled() ? LABEL : 0)));
  canvas.setAttribute("height", Math.max(tree.clientHeight - 4, 2 * MARGIN + STEP.y * scale.down * leaves));
};
const refresh = () => {
  leaves = arrange();
  positions = new Map(order.map((number, index) => [number, index]));
  if (!positions.has(active)) active = order.find((number) => matches.has(number)) ?? 0;
  resize();
  render(true);
  $("shown").textContent = filtering() ? `${matches.size} of ${total} nodes match` : `${order.length} of ${total} nodes are unfolded`;
};
const zoom = (factor, [x, y] = [tree.clientWidth / 2, tree.clientHeight / 2]) => {
  const before = { ...scale };
  setWhole(false);
  for (const way of ["across", "down"]) scale[way] = Math.min(2.5, Math.max(0.003, scale[way] * factor));
  const left = (tree.scrollLeft + x) * scale.across / before.across - x, top = (tree.scrollTop + y) * scale.down / before.down - y;
  resize();
  tree.scrollTo({ left, top, behavior: "instant" });
  render(true);
};
const setWhole = (on) => { whole = on; $("whole").setAttribute("aria-pressed", on); };
// All of it at once; again, or to see one node, it is back to its own size.
const fit = (on) => {
  setWhole(on);
  if (!on) Object.assign(scale, { across: 1, down: 1 });
  resize();
  centre(active);
  render(true);
};
const centre = (number) => {
  const [x, y] = place(number);
  const [left, top] = [x - tree.scrollLeft, y - tree.scrollTop];
  if (left < 30 || left > tree.clientWidth - 160) tree.scrollLeft = x - tree.clientWidth / 3;
  if (top < 30 || top > tree.clientHeight - 30) tree.scrollTop = y - tree.clientHeight / 2;
};
const unveil = (number) => { for (let n = figures.parent[number]; n >= 0; n = figures.parent[n]) folded.delete(n); };
const select = (number, moved) => {
  active = number;
  if (!positions.has(number)) { unveil(number); refresh(); }
  if (!positions.has(number)) { clear(); refresh(); }
  centre(number);
  render(true);
  markRow(number);
  if (moved) moved();
  return show(number);
};
const fold = (number, shut) => { if (children[number].length) { folded[shut ? "add" : "delete"](number); refresh(); } };
const foldAll = () => { children.forEach((list, number) => { if (list.length && number > 0) folded.add(number); }); refresh(); };
// A long run begins with the way to the best in sight and the rest folded.
const foldLong = () => { if (total > 150) children.forEach((list, number) => { if (list.length && !onPath.has(number)) folded.add(number); }); };

const KEYS = {
  ArrowDown: () => order[positions.get(active) + 1],
  ArrowUp: () => order[positions.get(active) - 1],
  ArrowRight: () => {
    if (folded.has(active) && !filtering()) { fold(active, false); return active; }
    const next = order[positions.get(active) + 1];
    return next !== undefined && figures.parent[next] === active ? next : active;
  },
  ArrowLeft: () => {
    if (children[active].length && !folded.has(active) && !filtering()) { fold(active, true); return active; }
    return figures.parent[active] >= 0 ? figures.parent[active] : active;
  },
  Home: () => order[0],
  End: () => order[order.length - 1],
  "+": () => { zoom(1.25); return active; },
  "-": () => { zoom(0.8); return active; },
  "0": () => { fit(!whole); return active; },
  b: () => figures.best,
};
tree.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Enter" || event.key === " ") { event.preventDefault(); select(active).then(() => $("panel").focus()); return; }
  const next = KEYS[event.key]?.();
  if (next === undefined) return;
  event.preventDefault();
  select(next);
});
tree.addEventListener("click", (event) => {
  const knob = event.target.closest("[data-knob]"), node = event.target.closest("[role=treeitem]");
  if (knob) fold(Number(knob.dataset.knob), !folded.has(Number(knob.dataset.knob)));
  else if (node) select(Number(node.id.slice(1)));
});
tree.addEventListener("dblclick", (event) => {
  const node = event.target.closest("[role=treeitem]");
  if (node) fold(Number(node.id.slice(1)), !folded.has(Number(node.id.slice(1))));
});
tree.addEventListener("wheel", (event) => {
  if (!event.ctrlKey && !event.metaKey) return; // plain turning scrolls
  event.preventDefault();
  const frame = tree.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY / 300), [event.clientX - frame.left, event.clientY - frame.top]);
}, { passive: false });
tree.addEventListener("scroll", () => requestAnimationFrame(() => render(false)), { passive: true });
let held = null;
tree.addEventListener("pointerdown", (event) => {
  if (event.pointerType === "mouse" && event.button === 0 && !event.target.closest("[role=treeitem]")) held = [event.clientX + tree.scrollLeft, event.clientY + tree.scrollTop];
});
addEventListener("pointermove", (event) => {
  if (!held) return;
  tree.classList.add("dragged");
  tree.scrollTo({ left: held[0] - event.clientX, top: held[1] - event.clientY, behavior: "instant" });
});
addEventListener("pointerup", () => { held = null; tree.classList.remove("dragged"); });
