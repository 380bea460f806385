// One case: pictures on one side, what is known about it on the other.

class CaseView {
  // step: called with +1 or -1 for another case; closed: when the view has gone; filter: with a query for the table.
  constructor(dialog, step, closed, filter) {
    Object.assign(this, { dialog, step, filter });
    this.viewer = new PictureViewer();
    dialog.addEventListener("close", () => {
      this.viewer.stop();
      closed();
    });
    dialog.addEventListener("keydown", (event) => this.keyPressed(event));
  }

  show(each, place, count) {
    const title = element("h2", { id: "case-name", tabindex: -1 }, each.name);
    const head = element("header", {},
      element("div", { class: "steps" },
        button("‹", () => this.step(-1), { "aria-label": "Previous case", title: "Previous case (↑ or ←)", disabled: place <= 0 }),
        button("›", () => this.step(1),
          { "aria-label": "Next case", title: "Next case (↓ or →)", disabled: place < 0 || place >= count - 1 })),
      title,
      element("span", { class: `badge ${each.group}` }, stateOf(each)),
      element("span", { class: "quiet place" }, place < 0 ? "" : `${place + 1} of ${count}`),
      button("Close", () => this.dialog.close(), { class: "close" }));
    const remarks = remarksOf(each).map((text) => element("li", {}, text));
    const codes = codesOf(each).map((code) => button(code, () => this.filter(codeQuery(code)),
      { class: "code", title: "All cases with this warning" }));
    const pictures = each.pictures ? this.viewer.root : element("p", { class: "remark none" }, "There are no pictures of this case.");
    if (each.pictures) this.viewer.show(each);
    else this.viewer.stop();
    this.dialog.replaceChildren(head,
      remarks.length ? element("ul", { class: `remarks-of ${each.group}` }, remarks) : "",
      codes.length ? element("p", { class: "codes" }, "Warnings: ", codes) : "",
      element("div", { class: "sides" }, pictures, element("aside", {}, facts(each))));
    if (!this.dialog.open) this.dialog.showModal();
    this.dialog.scrollTop = 0;
    title.focus({ preventScroll: true });
  }

  close() {
    if (this.dialog.open) this.dialog.close();
  }

  keyPressed(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const isSlider = event.target === this.viewer.slider;
    const steps = { ArrowDown: 1, ArrowUp: -1, ...(isSlider ? {} : { ArrowRight: 1, ArrowLeft: -1 }) };
    if (event.key in steps) this.step(steps[event.key]);
    else if (!this.viewerKey(event.key.toLowerCase())) return;
    event.preventDefault();
  }

  viewerKey(key) {
    if (!this.dialog.contains(this.viewer.root)) return false;
    const changes = {
      s: { mode: "slider" }, f: { mode: "flicker" }, d: { mode: "difference" },
      1: { pair: "after" }, 2: { pair: "before" }, 3: { pair: "both" },
      l: { hasLungs: !this.viewer.settings.hasLungs },
    };
    if (key === "p") this.viewer.nextPlane();
    else if (key in changes) this.viewer.change(changes[key]);
    return key === "p" || key in changes;
  }
}

function facts(each) {
  const isKey = (column) => column.is_key;
  return [
    section("Figures", figuresTable("Figures", each, columns.filter(isKey))),
    each.pictures ? section("det J in the lungs", determinantHistogram(each.pictures.shares)) : "",
    folded("All figures", (title) =>
      figuresTable(title, each, columns.filter((column) => !isKey(column)), textRows(each))),
    folded("Settings", (title) => pairsTable(title, Object.entries(data.settings[each.settings]))),
    folded("Time by step", (title) =>
      pairsTable(title, data.steps.map((step, index) => [step, secondsText(each.seconds[index])]))),
    each.files.length ? section("Files", element("p", {}, each.files.map((file) =>
      [element("a", { href: folderOf(each) + file, target: "_blank", rel: "noopener" }, file), " "]))) : "",
  ];
}

const section = (title, ...content) => element("section", {}, element("h3", {}, title), content);

// Titles of the parts that are open; they stay open for the next case.
const unfolded = new Set();

// A part that is made when it is first opened.
function folded(title, make) {
  const part = element("details", { open: unfolded.has(title) }, element("summary", {}, title));
  const fill = () => part.children.length === 1 && part.append(make(title));
  if (part.open) fill();
  part.addEventListener("toggle", () => {
    unfolded[part.open ? "add" : "delete"](title);
    if (part.open) fill();
  });
  return part;
}

const secondsText = (value) => (value === null ? MISSING : `${value.toFixed(1)}\u202fs`);

// Each figure, what it was before registration, and where it lies in the cohort.
function figuresTable(label, each, shown, more = []) {
  const rows = shown.map((column) => {
    const value = each.figures[column.index];
    const before = columns.find((other) => other.name === column.before);
    const old = before && each.figures[before.index] !== null ? `${numberText(before, each.figures[before.index])} → ` : "";
    return element("tr", { class: isOut(each, column) ? "out" : null },
      element("th", { scope: "row", title: column.note }, column.title),
      element("td", {}, old ? element("span", { class: "quiet" }, old) : "", withUnit(column, value)),
      element("td", {}, bars(column, { width: 120, height: 22, mark: value })));
  });
  return element("table", { class: "figures", "aria-label": label }, element("tbody", {}, rows, more));
}

function textRows(each) {
  return Object.entries(each.texts).map(([name, text]) => element("tr", {},
    element("th", { scope: "row" }, name.replaceAll("_", " ")), element("td", { colspan: 2 }, text || MISSING)));
}

function pairsTable(label, pairs) {
  const rows = pairs.map(([name, value]) => element("tr", {},
    element("th", { scope: "row" }, name.replaceAll("_", " ")), element("td", {}, String(value))));
  if (!rows.length) return element("p", { class: "quiet" }, "not recorded");
  return element("table", { class: "pairs", "aria-label": label }, element("tbody", {}, rows));
}
