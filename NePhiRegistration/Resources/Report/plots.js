// The cohort in small: how one figure is distributed, with one case marked or with bars to choose from.

const MOST_BARS = 24;

const distributions = new Map();

// Bars over the bulk of the cohort; what lies far outside is counted in the first or the last one.
function distributionOf(column) {
  if (!distributions.has(column.index)) distributions.set(column.index, distribution(column));
  return distributions.get(column.index);
}

function distribution(column) {
  const done = cases.filter((each) => each.status === data.done);
  const values = done.map((each) => each.figures[column.index]).filter((value) => value !== null).sort((a, b) => a - b);
  if (!values.length) return null;
  const at = (share) => values[Math.round(share * (values.length - 1))];
  const reach = 2 * (at(0.95) - at(0.05)) || at(1) - at(0) || Math.abs(at(0.5)) || 1;
  const low = Math.max(at(0), at(0.5) - reach);
  const high = Math.min(at(1), at(0.5) + reach);
  const counts = new Array(Math.min(MOST_BARS, 4 + Math.ceil(Math.sqrt(values.length)))).fill(0);
  for (const value of values) counts[barOf({ low, high, counts }, value)] += 1;
  return { low, high, counts, values, isCutLow: at(0) < low, isCutHigh: at(1) > high };
}

function barOf({ low, high, counts }, value) {
  if (low === high) return Math.floor(counts.length / 2);
  return Math.min(counts.length - 1, Math.max(0, Math.floor(((value - low) / (high - low)) * counts.length)));
}

// One SVG of bars. mark: a value to point at. choose: called with the limits of a bar.
function bars(column, { width, height, mark = null, choose = null }) {
  const found = distributionOf(column);
  if (!found) return element("span", { class: "quiet" }, MISSING);
  const tallest = Math.max(...found.counts);
  const step = width / found.counts.length;
  const shapes = found.counts.map((count, index) => {
    if (!count) return null;
    const tall = Math.max(1.5, (count / tallest) * (height - 4));
    const title = drawn("title", {}, `${limitsText(column, found, index)}: ${count}`);
    return drawn("rect", { x: index * step + 0.5, y: height - tall, width: step - 1, height: tall, class: "bar" }, title);
  });
  const over = choose && found.counts.map((count, index) => count
    ? drawn("rect", { x: index * step, y: 0, width: step, height, class: "target", click: () => choose(barLimits(found, index)) },
      drawn("title", {}, `${limitsText(column, found, index)}: ${count}`))
    : null);
  const ends = `${withUnit(column, found.values[0])} to ${withUnit(column, found.values.at(-1))}`;
  const label = `${column.title}: ${found.values.length} cases, ${ends}`;
  return drawn("svg", { viewBox: `0 0 ${width} ${height}`, class: "bars", role: "img", "aria-label": label },
    shapes, mark === null ? null : pointer(found, mark, width, height), over || []);
}

function pointer(found, value, width, height) {
  const share = found.low === found.high ? 0.5 : (value - found.low) / (found.high - found.low);
  const x = Math.min(width - 4, Math.max(4, share * width));
  return [
    drawn("line", { x1: x, x2: x, y1: 0, y2: height, class: "mark" }),
    drawn("path", { d: `M ${x - 4} 0 L ${x + 4} 0 L ${x} 6 Z`, class: "mark-head" }),
  ];
}

// From and to of a bar; null where it also counts what lies beyond.
function barLimits(found, index) {
  if (found.low === found.high) return [null, null];
  const edge = (n) => found.low + ((found.high - found.low) * n) / found.counts.length;
  return [index === 0 ? null : edge(index), index === found.counts.length - 1 ? null : edge(index + 1)];
}

function limitsText(column, found, index) {
  const [from, to] = barLimits(found, index);
  if (from === null && to === null) return "all";
  if (from === null) return `below ${withUnit(column, to)}`;
  return to === null ? `${withUnit(column, from)} and more` : `${numberText(column, from)} to ${withUnit(column, to)}`;
}

// A figure of the whole cohort: title, bars, the ends and the median.
function cohortPlot(column, choose) {
  const found = distributionOf(column);
  if (!found) return null;
  const middle = found.values[Math.floor((found.values.length - 1) / 2)];
  const axis = element("div", { class: "axis" },
    element("span", {}, `${found.isCutLow ? "≤\u202f" : ""}${numberText(column, found.low)}`),
    found.low === found.high ? "" : element("span", {}, `${found.isCutHigh ? "≥\u202f" : ""}${numberText(column, found.high)}`));
  return element("figure", { class: "plot", title: column.note },
    element("figcaption", {}, element("b", {}, column.title), ` median ${withUnit(column, middle)}`),
    bars(column, { width: 216, height: 56, choose: (limits) => choose(column, limits) }), axis);
}

// How det J is distributed over the lungs of one case, in the colours of its map.
function determinantHistogram(shares) {
  const [width, height, foot] = [272, 108, 16];
  const { colours, limit, step } = data.determinant;
  const tallest = Math.max(...shares);
  const wide = width / shares.length;
  const title = (index) => {
    const edge = (n) => (2 ** (n * step - limit)).toPrecision(2);
    const inner = `${edge(index - 1)} to ${edge(index)}`;
    const range = index === 0 ? `below ${edge(0)}` : index === shares.length - 1 ? `above ${edge(index - 1)}` : inner;
    return `det J ${range}: ${(100 * shares[index]).toFixed(2)} %`;
  };
  const shapes = shares.map((share, index) => {
    if (!share) return null;
    const tall = Math.max(1, (share / tallest) * (height - foot - 4));
    const place = Math.min(1, Math.max(0, (index - 0.5) / (shares.length - 2)));
    const box = { x: index * wide + 0.5, y: height - foot - tall, width: wide - 1, height: tall };
    return drawn("rect", { ...box, fill: between(colours, place) }, drawn("title", {}, title(index)));
  });
  const ticks = ["¼", "½", "1", "2", "4"].map((text, index) => {
    const x = wide * (1 + index / step);
    return [drawn("line", { x1: x, x2: x, y1: height - foot, y2: height - foot + 3, class: "tick" }),
      drawn("text", { x, y: height - 2, class: "tick-text" }, text)];
  });
  const base = drawn("line", { x1: 0, x2: width, y1: height - foot, y2: height - foot, class: "tick" });
  const label = "Histogram of det J in the fixed lungs";
  return drawn("svg", { viewBox: `0 0 ${width} ${height}`, class: "histogram", role: "img", "aria-label": label },
    shapes, base, ticks.flat());
}

function between(colours, place) {
  const part = place * (colours.length - 1);
  const index = Math.min(colours.length - 2, Math.floor(part));
  const channel = (colour, n) => parseInt(colour.slice(1 + 2 * n, 3 + 2 * n), 16);
  const mixed = [0, 1, 2].map((n) => {
    const [from, to] = [channel(colours[index], n), channel(colours[index + 1], n)];
    return Math.round(from + (to - from) * (part - index));
  });
  return `rgb(${mixed.join(" ")})`;
}
