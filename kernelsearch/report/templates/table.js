// The table of a suite: its rows are in the page already; here they are put in order and hidden.
const body = document.querySelector("#rows tbody");
const made = [...body.rows];
const heads = [...document.querySelectorAll("#rows th")];
const valueOf = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent;
let sorted = { column: -1, down: 1 };
heads.forEach((head, column) => {
  if (!head.dataset.key) return;
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
  const numbers = head.classList.contains("n");
  button.addEventListener("click", () => {
    // Numbers begin with the largest: that is what a reader looks for.
    sorted = { column, down: sorted.column === column ? -sorted.down : numbers ? -1 : 1 };
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", sorted.down > 0 ? "ascending" : "descending");
    const keys = new Map(made.map((row) => [row, valueOf(row, column)]));
    const order = numbers ? (a, b) => compare(keys.get(a), keys.get(b), sorted.down) : (a, b) => sorted.down * keys.get(a).localeCompare(keys.get(b));
    body.append(...[...made].sort((a, b) => order(a, b) || made.indexOf(a) - made.indexOf(b)));
  });
});
const texts = new Map(made.map((row) => [row, row.textContent.toLowerCase()]));
const sift = () => {
  const words = $("find").value.trim().toLowerCase(), group = $("group").value, state = $("state").value;
  let count = 0;
  for (const row of made) {
    row.hidden = !(texts.get(row).includes(words) && (!group || row.dataset.group === group) && (!state || row.dataset.state === state));
    count += !row.hidden;
  }
  $("shown").textContent = `${count} of ${made.length} rows`;
};
["input", "change"].forEach((kind) => ["find", "group", "state"].forEach((id) => $(id).addEventListener(kind, sift)));
reveal();
sift();
