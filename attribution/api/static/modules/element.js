// Builds DOM nodes. Text only ever becomes a text node, so that nothing a visitor or a partner wrote can turn into
// markup; there is no other way to make nodes in the dashboard.

const SVG = "http://www.w3.org/2000/svg";
const AS_PROPERTY = new Set([
  "value",
  "checked",
  "disabled",
  "hidden",
  "selected",
  "indeterminate",
  "required",
  "open",
]);

/** An HTML element. `on` holds listeners, `vars` custom properties; false, null and undefined children vanish. */
export function el(tag, props = {}, ...children) {
  return furnished(document.createElement(tag), props, children);
}

/** An SVG element, the same way. */
export function svg(tag, props = {}, ...children) {
  return furnished(document.createElementNS(SVG, tag), props, children);
}

/** Replace what a container holds; the focus stays on the node of the same `data-key`. */
export function swap(container, ...children) {
  const focused = container.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  container.replaceChildren(...children.flat().filter(isShown));
  if (focused !== undefined) {
    const twin = [...container.querySelectorAll("[data-key]")].find((node) => node.dataset.key === focused);
    twin?.focus({ preventScroll: true });
  }
}

function furnished(node, props, children) {
  for (const [name, value] of Object.entries(props)) furnish(node, name, value);
  node.append(...children.flat(Infinity).filter(isShown).map(asNode));
  return node;
}

function furnish(node, name, value) {
  if (value === null || value === undefined) return;
  if (name === "on") {
    for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
  } else if (name === "vars") {
    for (const [variable, text] of Object.entries(value)) node.style.setProperty(variable, text);
  } else if (AS_PROPERTY.has(name)) {
    node[name] = value;
  } else if (value !== false || name.startsWith("aria-")) {
    node.setAttribute(name, value === true && !name.startsWith("aria-") ? "" : String(value));
  }
}

function isShown(child) {
  return child !== null && child !== undefined && child !== false;
}

function asNode(child) {
  return child instanceof Node ? child : document.createTextNode(String(child));
}
