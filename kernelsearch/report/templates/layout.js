// Where the nodes of the tree stand: the root at the left, one row a leaf or a folded subtree, a parent in the middle of its children.
const children = figures.parent.map(() => []);
figures.parent.forEach((parent, number) => { if (parent >= 0) children[parent].push(number); });
const depth = new Int32Array(total);
figures.parent.forEach((parent, number) => { depth[number] = parent < 0 ? 0 : depth[parent] + 1; }); // parents come before children
const onPath = new Set(figures.path);
const folded = new Set();
const below = new Int32Array(total); // how many nodes a subtree has besides its root
for (let number = total - 1; number > 0; number -= 1) below[figures.parent[number]] += below[number] + 1;
const rows = new Float64Array(total);

const filter = { words: "", statuses: new Set() };
const haystack = figures.parent.map((_, number) =>
  `#${number} ${word("edit", number)} ${word("status", number)} ${word("why", number)} ${word("limit", number)}`.toLowerCase());
const filtering = () => Boolean(filter.words) || filter.statuses.size > 0;
const wanted = (number) => {
  if (filter.statuses.size && !(number > 0 && filter.statuses.has(word("status", number)))) return false;
  if (/^#\d+$/.test(filter.words)) return filter.words === `#${number}`;
  return !filter.words || haystack[number].includes(filter.words);
};

// Visible nodes in the order of the tree. With a filter: what is wanted, and the way to it, folded or not.
let order = [];
let matches = new Set();
const arrange = () => {
  const kept = new Uint8Array(total).fill(filtering() ? 0 : 1);
  matches = new Set();
  for (let number = 0; number < total; number += 1) if (wanted(number)) matches.add(number);
  if (filtering()) for (const match of matches) for (let n = match; n >= 0 && !kept[n]; n = figures.parent[n]) kept[n] = 1;
  kept[0] = 1;
  const open = (number) => !folded.has(number) || filtering();
  order = [];
  let leaves = 0;
  const pending = [[0, false]];
  while (pending.length) {
    const [number, done] = pending.pop();
    const shown = open(number) ? children[number].filter((child) => kept[child]) : [];
    if (done) {
      rows[number] = (rows[shown[0]] + rows[shown[shown.length - 1]]) / 2;
      continue;
    }
    order.push(number);
    if (!shown.length) { rows[number] = leaves; leaves += 1; continue; }
    pending.push([number, true]);
    for (let place = shown.length - 1; place >= 0; place -= 1) pending.push([shown[place], false]);
  }
  return leaves;
};
