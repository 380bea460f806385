// The cases, their figures in words, and which of them are shown in which order.

const data = JSON.parse(byId("data").textContent);
const MISSING = "–";
const GROUPS = { all: "All", failed: "Failed", outlier: "Outliers", warning: "Warnings", plain: "Unremarkable" };

const columns = data.columns.map((column, index) => ({ ...column, index }));
const cases = data.cases.map((row, index) => ({ ...row, index, group: groupOf(row), search: searched(row) }));
data.order.forEach((index, place) => (cases[index].place = place));
const caseNamed = new Map(cases.map((each) => [each.name, each]));

function groupOf(row) {
  if (row.status !== data.done) return "failed";
  return row.findings.length ? "outlier" : row.warnings.length ? "warning" : "plain";
}

function searched(row) {
  const texts = [row.name, row.status, ...remarksOf(row), ...Object.values(row.texts), ...codesOf(row).map(codeQuery)];
  return texts.join("\n").toLowerCase();
}

function codesOf(row) {
  return (row.texts.warning_codes || "").split(" ").filter(Boolean);
}

// What finds the cases with a warning.
function codeQuery(code) {
  return `warning:${code}`;
}

// Everything to be said about a case in words, the gravest first.
function remarksOf(row) {
  return [row.reason, ...row.findings.map(([, text]) => text), ...row.warnings].filter(Boolean);
}

function numberText(column, value) {
  if (value === null || value === undefined) return MISSING;
  const text = column.digits === null ? twoSignificant(value) : value.toFixed(column.digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}

function twoSignificant(value) {
  return value === 0 ? "0" : Math.abs(value) < 1e-4 ? value.toExponential(0) : String(Number(value.toPrecision(2)));
}

const withUnit = (column, value) =>
  value === null || value === undefined ? MISSING : `${numberText(column, value)}${column.unit ? `\u202f${column.unit}` : ""}`;

// What is the matter with a case, in a word.
const stateOf = (each) => (each.group === "outlier" || each.group === "warning" ? each.group : each.status);

const isOut = (each, column) => each.findings.some(([name]) => name === column.name);

// "abc TRE>3": words that must all be there, and limits of columns.
function parseQuery(text) {
  const words = [];
  const limits = [];
  for (const token of text.toLowerCase().split(/\s+/).filter(Boolean)) {
    const parts = /^([^<>=]+)(<=|>=|<|>|=)(-?[\d.]+(?:e-?\d+)?)$/.exec(token);
    const column = parts && columnCalled(parts[1]);
    if (column && !Number.isNaN(Number(parts[3]))) limits.push([column, parts[2], Number(parts[3])]);
    else words.push(token);
  }
  return { words, limits };
}

function columnCalled(text) {
  const squeezed = (column) => column.title.toLowerCase().replaceAll(" ", "");
  return columns.find((column) => column.name === text || squeezed(column) === text) || null;
}

const COMPARE = {
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
  "=": (a, b) => a === b,
};

function fits(each, group, { words, limits }) {
  if (group !== "all" && each.group !== group) return false;
  if (!words.every((word) => each.search.includes(word))) return false;
  return limits.every(([column, sign, limit]) => {
    const value = each.figures[column.index];
    return value !== null && COMPARE[sign](value, limit);
  });
}

// Cases by "place" (outliers first), "name" or a column's index; those without a figure always last.
function sorted(chosen, key, descending) {
  const sign = descending ? -1 : 1;
  const byPlace = (a, b) => a.place - b.place;
  if (key === "place") return [...chosen].sort((a, b) => sign * byPlace(a, b));
  if (key === "name") {
    const words = new Intl.Collator("en", { numeric: true });
    return [...chosen].sort((a, b) => sign * words.compare(a.name, b.name) || byPlace(a, b));
  }
  const value = (each) => each.figures[key];
  const [there, not] = [chosen.filter((each) => value(each) !== null), chosen.filter((each) => value(each) === null)];
  return [...there.sort((a, b) => sign * (value(a) - value(b)) || byPlace(a, b)), ...not.sort(byPlace)];
}
