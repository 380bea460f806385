// The page: which group, filter and order are chosen, and which case the address names.

const state = { group: "all", query: "", key: "place", descending: false };
let shown = [];
let last = null;

const table = new CaseTable(byId("table"), sortBy);
const view = new CaseView(byId("case"), stepCase, closed, filterBy);

function refresh() {
  const query = parseQuery(state.query);
  shown = sorted(cases.filter((each) => fits(each, state.group, query)), state.key, state.descending);
  table.show(shown, state.key, state.descending);
  byId("shown").textContent = shown.length === cases.length ? "" : `${shown.length} of ${cases.length} cases`;
  byId("nothing").hidden = shown.length > 0;
  byId("table").hidden = shown.length === 0;
  groups.press(state.group);
  byId("sorting").value = String(state.key);
}

// The first press sorts what is worse to the top, the second turns it round, the third brings back outliers first.
function sortBy(key) {
  const column = columns[key];
  const worstFirst = column ? column.worse !== "low" : false;
  if (state.key !== key) Object.assign(state, { key, descending: worstFirst });
  else if (state.descending === worstFirst) state.descending = !worstFirst;
  else Object.assign(state, { key: "place", descending: false });
  const focused = document.activeElement?.dataset?.sort;
  refresh();
  if (focused !== undefined) document.querySelector(`[data-sort="${focused}"]`)?.focus();
}

function setQuery(text) {
  state.query = text;
  byId("query").value = text;
  table.active = 0;
  refresh();
}

const isLimitOf = (column, token) => token.startsWith(column.name) && /[<>=]/.test(token[column.name.length]);

function limitTo(column, [from, to]) {
  const limit = (sign, value) => (value === null ? "" : `${column.name}${sign}${Number(value.toPrecision(4))} `);
  const others = state.query.split(/\s+/).filter((token) => token && !isLimitOf(column, token));
  setQuery([...others, `${limit(">=", from)}${limit("<", to)}`.trim()].join(" "));
}

function nameInAddress() {
  const found = /^#case=(.*)$/.exec(location.hash);
  try {
    return found && decodeURIComponent(found[1]);
  } catch {
    return null;
  }
}

function followAddress() {
  const each = caseNamed.get(nameInAddress());
  if (!each) return view.close();
  if (each === last && byId("case").open) return;
  const place = shown.indexOf(each);
  last = each;
  if (place >= 0) table.activate(place, false);
  view.show(each, place, shown.length);
  document.title = `${each.name} · Registration report`;
  const next = shown[place + 1];
  if (place >= 0 && next?.pictures) next.pictures.files.forEach((file) => (new Image().src = `${folderOf(next)}pictures/${file}`));
}

function stepCase(by) {
  const next = shown[shown.indexOf(last) + by];
  if (!next) return;
  location.replace(caseAddress(next));
  followAddress();
}

function closed() {
  document.title = "Registration report";
  if (location.hash) history.replaceState(null, "", "#");
  if (shown.includes(last)) table.activate(shown.indexOf(last));
}

function filterBy(query) {
  view.close();
  state.group = "all";
  setQuery(query);
}

const counts = Object.fromEntries(Object.keys(GROUPS).map((group) =>
  [group, group === "all" ? cases.length : cases.filter((each) => each.group === group).length]));
const groups = choice("Groups of cases", GROUPS, (group) => {
  state.group = group;
  table.active = 0;
  refresh();
});

function fillPage() {
  for (const press of groups.group.children) {
    const group = press.dataset.value;
    press.append(element("span", { class: "count" }, ` ${counts[group]}`));
    press.hidden = counts[group] === 0 && group !== "all";
    press.classList.add(group);
  }
  byId("groups").replaceWith(groups.group);
  const when = new Date(data.when);
  const date = when.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
  byId("summary").textContent = `${cases.length} ${cases.length === 1 ? "case" : "cases"} · results of ${date}`;
  byId("rule").textContent =
    "Cases that did not end well come first, then outliers, then cases with warnings. An outlier has a figure that is " +
    `worse than before registration, or that lies more than ${data.rule.limit} robust standard deviations (1.4826 × median ` +
    `absolute deviation) from the median of at least ${data.rule.cohort} cases, on the worse side.`;
  const names = [["place", "outliers first"], ["name", "case"], ...columns.map((column) => [column.index, column.title])];
  byId("sorting").append(...names.map(([value, text]) => element("option", { value }, text)));
  fillColumns();
}

function fillColumns() {
  const boxes = columns.map((column) => element("label", { title: column.note },
    element("input", { type: "checkbox", value: column.name, change: chooseColumns }),
    ` ${column.title}${column.unit ? `, ${column.unit}` : ""}`));
  byId("columns").querySelector(".choices").append(...boxes, button("As many as fit", () => {
    table.chosen = null;
    byId("columns").open = false;
    table.redraw();
  }));
  byId("columns").addEventListener("toggle", () => {
    const names = new Set(table.columns.map((column) => column.name));
    byId("columns").querySelectorAll("input").forEach((box) => (box.checked = names.has(box.value)));
  });
}

function chooseColumns() {
  const checked = [...byId("columns").querySelectorAll("input:checked")].map((box) => box.value);
  table.chosen = new Set(checked);
  table.redraw();
}

function fillCohort() {
  const plots = byId("cohort").querySelector(".plots");
  if (byId("cohort").open && !plots.children.length) {
    plots.append(...columns.filter((column) => column.is_key).map((column) => cohortPlot(column, limitTo)).filter(Boolean));
  }
}

function listen() {
  byId("query").addEventListener("input", (event) => {
    state.query = event.target.value;
    table.active = 0;
    refresh();
  });
  byId("sorting").addEventListener("change", (event) => {
    const key = /^\d+$/.test(event.target.value) ? Number(event.target.value) : event.target.value;
    if (key !== state.key) sortBy(key);
  });
  byId("nothing").querySelector("button").addEventListener("click", () => {
    state.group = "all";
    setQuery("");
  });
  byId("cohort").addEventListener("toggle", fillCohort);
  addEventListener("hashchange", followAddress);
  addEventListener("keydown", keyPressed);
}

// Keys that work wherever one is, outside a case.
function keyPressed(event) {
  if (byId("case").open || event.altKey || event.ctrlKey || event.metaKey) return;
  const isTyping = event.target.matches("input, select, textarea");
  if (event.key === "/" && !isTyping) byId("query").focus();
  else if (event.key === "Escape" && byId("columns").open) byId("columns").open = false;
  else if (event.key === "ArrowDown" && (event.target === document.body || event.target === byId("query"))) table.activate(table.active);
  else return;
  event.preventDefault();
}

fillPage();
listen();
byId("cohort").open = cases.length > 1 && innerWidth >= NARROW && innerHeight >= 700;
fillCohort();
refresh();
followAddress();
