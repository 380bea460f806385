// Elements from names and properties. Text is only ever set as text: nothing that a file holds becomes markup.

function fill(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
}

const element = (tag, properties = {}, ...children) => fill(document.createElement(tag), properties, children);

const drawn = (tag, properties = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), properties, children);

const byId = (id) => document.getElementById(id);

const button = (text, act, properties = {}) => element("button", { type: "button", click: act, ...properties }, text);

// Buttons of which one is pressed; returns the group and what to call when another one shall be.
function choice(label, names, act) {
  const buttons = Object.entries(names).map(([value, text]) =>
    button(text, () => act(value), { "data-value": value, "aria-pressed": "false" }));
  const press = (value) =>
    buttons.forEach((each) => each.setAttribute("aria-pressed", String(each.dataset.value === value)));
  return { group: element("div", { class: "choice", role: "group", "aria-label": label }, buttons), press };
}
