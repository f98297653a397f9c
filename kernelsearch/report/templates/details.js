// The texts of attempts, packed: distinct lines, and by text the ranges of lines that it consists of. Unpacked when first asked for.
const figures = JSON.parse($("figures").textContent);
const total = figures.parent.length;
const word = (column, number) => figures.words[figures[column][number]];

const inflate = async (id) => {
  const coded = atob($(id).textContent), bytes = new Uint8Array(coded.length);
  for (let place = 0; place < coded.length; place += 1) bytes[place] = coded.charCodeAt(place);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text();
};
let unpacking = null;
const unpacked = () => unpacking ??= Promise.all([inflate("packed-lines"), inflate("packed-texts")])
  .then(([lines, texts]) => ({ lines: lines.split("\n"), texts: texts.split("\n") }));

// The text is markup that was made and escaped when the page was written; the page's policy lets no script of any kind run in it.
const text = async (number) => {
  const { lines, texts } = await unpacked();
  return texts[number].split(",").map((part) => {
    const [first, last] = part.split("-").map(Number);
    return lines.slice(first, (last ?? first) + 1).join("\n");
  }).join("\n");
};

const element = (name, classes, content) => {
  const made = document.createElement(name);
  if (classes) made.className = classes;
  if (content !== undefined) made.textContent = content;
  return made;
};

const fill = async (place, number) => {
  place.dataset.asked = number;
  try {
    const markup = await text(number);
    if (Number(place.dataset.asked) === number) place.innerHTML = markup; // not when another was asked for meanwhile
  } catch {
    place.textContent = "This browser cannot unpack the details; switch JavaScript off, or use a newer one.";
  }
};

const headline = (number) => {
  const title = $("panel-title");
  const time = figures.time[number] === "–" ? "" : `${figures.time[number]} µs · ${figures.x[number]}`;
  const tag = element("span", `tag ${word("kind", number)}`, word("status", number));
  title.replaceChildren(`#${number} ${word("edit", number)} `, tag, element("span", "quiet", number === figures.best ? `${time} · the best` : time));
};

const show = (number) => { headline(number); return fill($("panel-body"), number); };

document.querySelectorAll("[data-text]").forEach((place) => {
  place.closest("details").addEventListener("toggle", () => { if (!place.dataset.asked) fill(place, Number(place.dataset.text)); });
});
