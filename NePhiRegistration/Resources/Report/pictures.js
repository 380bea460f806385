// The pictures of one case: two images under a slider, in turn or as their difference, and maps over the fixed one.

const PLANES = [["Axial", "RLAP"], ["Coronal", "RLSI"], ["Sagittal", "APSI"]];
const IMAGES = { fixed: "Fixed", moving: "Moving, before", warped: "Moving, registered" };
const PAIRS = { after: ["fixed", "warped"], before: ["fixed", "moving"], both: ["moving", "warped"] };
const PAIR_NAMES = { after: "Fixed | registered", before: "Fixed | before", both: "Before | registered" };
const MODES = { slider: "Slider", flicker: "Flicker", difference: "Difference" };
const MAPS = { determinant: "det J", parametric_response: "Parametric response" };
// Slower than three flashes a second, which can harm.
const FLICKER_MS = 600;
const BAR_MM = 50;

const folderOf = (each) => `cases/${encodeURIComponent(each.name)}/`;

class PictureViewer {
  constructor() {
    this.settings = { pair: "after", mode: "slider", map: "determinant", plane: null, hasLungs: true, cut: 50 };
    this.pairs = choice("Images", PAIR_NAMES, (pair) => this.change({ pair }));
    this.modes = choice("How they are compared", MODES, (mode) => this.change({ mode }));
    this.lungs = element("input", { type: "checkbox", change: () => this.change({ hasLungs: this.lungs.checked }) });
    this.slider = element("input", { type: "range", min: 0, max: 100, step: 1, "aria-label": "Border between the images, in %",
      input: () => this.change({ cut: Number(this.slider.value) }), pointerup: () => this.slider.blur() });
    this.root = element("div", { class: "viewer" });
  }

  show(each) {
    this.stop();
    this.each = each;
    this.maps = choice("Map", this.mapsThere(), (map) => this.change({ map }));
    const hasChoice = this.maps.group.children.length > 1;
    if (!(this.settings.map in this.mapsThere())) this.settings.map = "determinant";
    this.images = PLANES.map((_, index) => this.imagePane(index));
    this.mapPanes = PLANES.map((_, index) => this.mapPane(index));
    this.problem = element("p", { class: "remark", hidden: true }, "Some pictures of this case are missing.");
    this.legend = element("div", { class: "legend" });
    const lungs = element("label", {}, this.lungs, " Lungs");
    this.root.replaceChildren(
      element("div", { class: "bar-of-tools" }, this.pairs.group, this.modes.group, lungs, this.slider),
      this.problem,
      element("div", { class: "panes" }, this.images.map((pane) => pane.root)),
      element("div", { class: "bar-of-tools" }, hasChoice ? this.maps.group : element("b", {}, MAPS.determinant), this.legend),
      element("div", { class: "panes" }, this.mapPanes.map((pane) => pane.root)));
    this.files().forEach((file) => this.load(each, file));
    this.change({});
  }

  mapsThere() {
    const there = Object.entries(MAPS).filter(([name]) => this.each.pictures.files.includes(`${name}.png`));
    return Object.fromEntries(there);
  }

  files() {
    return this.each.pictures.files;
  }

  load(each, file) {
    const picture = new Image();
    picture.addEventListener("error", () => (this.problem.hidden = this.each !== each));
    picture.src = folderOf(each) + `pictures/${file}`;
  }

  change(changes) {
    Object.assign(this.settings, changes);
    const { pair, mode, map, plane, hasLungs, cut } = this.settings;
    this.pairs.press(pair);
    this.modes.press(mode);
    this.maps.press(map);
    this.lungs.checked = hasLungs;
    this.slider.value = cut;
    this.slider.disabled = mode !== "slider";
    this.root.dataset.mode = mode;
    this.root.classList.toggle("no-lungs", !hasLungs);
    this.root.classList.toggle("one-plane", plane !== null);
    this.root.style.setProperty("--cut", `${cut}%`);
    const [under, over] = PAIRS[pair];
    for (const [index, pane] of this.images.entries()) {
      pane.root.hidden = plane !== null && plane !== index;
      this.paint(pane.under, `${under}.jpg`, index);
      this.paint(pane.over, `${over}.jpg`, index);
      const names = mode === "difference" ? ["Difference"] : [IMAGES[under], IMAGES[over]];
      pane.tags.replaceChildren(...names.map((name) => element("span", {}, name)));
      const how = { slider: `${cut} % of`, flicker: "in turn with", difference: "minus" }[mode];
      pane.stage.setAttribute("aria-label", `${this.placeOf(index)}: ${IMAGES[under]}, ${how} ${IMAGES[over]}`);
    }
    for (const [index, pane] of this.mapPanes.entries()) {
      pane.root.hidden = plane !== null && plane !== index;
      this.paint(pane.map, `${map}.png`, index);
      pane.stage.setAttribute("aria-label", `${this.placeOf(index)}: ${MAPS[map]} over the fixed image`);
    }
    this.legend.replaceChildren(...(map === "determinant" ? determinantLegend() : responseLegend()));
    this.flicker(mode === "flicker");
  }

  flicker(isOn) {
    if (isOn === Boolean(this.timer)) return;
    clearInterval(this.timer);
    this.timer = isOn ? setInterval(() => this.root.classList.toggle("flipped"), FLICKER_MS) : null;
    this.root.classList.remove("flipped");
  }

  stop() {
    this.flicker(false);
  }

  placeOf(index) {
    return `${PLANES[index][0]}, ${this.each.pictures.planes[index][0]}`;
  }

  // One plane of a picture as the background of an element, whatever its size.
  paint(layer, file, index) {
    const [width, height] = this.each.pictures.size;
    const [x, y, w, h] = this.each.pictures.planes[index][1];
    const share = (at, rest) => (rest > 0 ? `${(100 * at) / rest}%` : "0%");
    layer.style.backgroundImage = this.files().includes(file) ? `url("${folderOf(this.each)}pictures/${file}")` : "none";
    layer.style.backgroundSize = `${(100 * width) / w}% ${(100 * height) / h}%`;
    layer.style.backgroundPosition = `${share(x, width - w)} ${share(y, height - h)}`;
  }

  pane(index, layers, extras) {
    const [, , width, height] = this.each.pictures.planes[index][1];
    const letters = [...PLANES[index][1]].map((letter, n) => element("span", { class: `letter at-${"lrtb"[n]}` }, letter));
    const bar = element("span", { class: "scale", "aria-hidden": "true" }, `${BAR_MM} mm`);
    bar.style.width = `${(100 * BAR_MM) / (width * this.each.pictures.pixel_mm)}%`;
    const stage = element("div", { class: "stage", role: "img" }, layers, letters, bar, extras);
    stage.style.aspectRatio = `${width} / ${height}`;
    const enlarge = button("⤢", () => this.toggle(index),
      { class: "bare enlarge", "aria-label": `${PLANES[index][0]} plane alone or all planes` });
    const root = element("figure", { class: "pane" }, stage, element("figcaption", {}, this.placeOf(index), enlarge));
    root.style.setProperty("--ratio", width / height);
    return { root, stage };
  }

  imagePane(index) {
    const [under, over, lungs] = ["under", "over", "lungs"].map((name) => element("div", { class: `layer ${name}` }));
    const tags = element("div", { class: "tags", "aria-hidden": "true" });
    const images = element("div", { class: "images" }, under, over);
    const pane = this.pane(index, [images, lungs, element("div", { class: "cut" })], tags);
    this.paint(lungs, "lungs.png", index);
    const drag = (event) => {
      // A finger on a phone swipes from plane to plane.
      const isSwipe = event.pointerType === "touch" && innerWidth < NARROW;
      if (!event.buttons || isSwipe || this.settings.mode !== "slider") return;
      const box = pane.stage.getBoundingClientRect();
      this.change({ cut: Math.round(Math.min(100, Math.max(0, (100 * (event.clientX - box.left)) / box.width))) });
    };
    pane.stage.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "mouse") pane.stage.setPointerCapture(event.pointerId);
      drag(event);
    });
    pane.stage.addEventListener("pointermove", drag);
    return { ...pane, under, over, tags };
  }

  mapPane(index) {
    const [under, map] = ["under dimmed", "map"].map((name) => element("div", { class: `layer ${name}` }));
    this.paint(under, "fixed.jpg", index);
    return { ...this.pane(index, [under, map], null), map };
  }

  toggle(index) {
    this.change({ plane: this.settings.plane === null ? index : null });
  }

  // All planes, then each alone.
  nextPlane() {
    const { plane } = this.settings;
    this.change({ plane: plane === null ? 0 : plane === PLANES.length - 1 ? null : plane + 1 });
  }
}

function determinantLegend() {
  const { colours } = data.determinant;
  const strip = element("span", { class: "strip" });
  strip.style.background = `linear-gradient(to right, ${colours.join(", ")})`;
  const ticks = element("span", { class: "ticks" }, ["¼", "½", "1", "2", "4"].map((text) => element("span", {}, text)));
  const [here, elsewhere] = data.folds.map(swatch);
  return [element("span", { class: "scale-of-map" }, strip, ticks), element("span", {}, "moving / fixed volume"),
    element("span", {}, here, " fold in this plane"), element("span", {}, elsewhere, " before or behind it")];
}

function responseLegend() {
  return data.response.map(([title, colour]) => element("span", {}, swatch(colour), ` ${title}`));
}

function swatch(colour) {
  const patch = element("span", { class: "swatch", "aria-hidden": "true" });
  patch.style.background = colour;
  return patch;
}
