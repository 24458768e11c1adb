/** Elements by id and made by hand. Text from the server only ever becomes a text node, never markup. */

/** The element with this id. The page and the scripts ship together, so a missing one is a fault: throws. */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no element #${id}`);
  return element;
}

/** A new element; properties are set as such, those with a dash (aria-…, data-…) as attributes. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-")) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

/** Makes these the element's children, touching only what differs: what stays keeps its focus. */
export function arrange(parent, children) {
  const staying = new Set(children);
  for (const child of [...parent.children]) if (!staying.has(child)) child.remove();
  children.forEach((child, index) => {
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
}

/** Makes a table of records. columns: [{title, value(record) -> text, number?}] */
export function fillTable(table, columns, records) {
  const kind = (column) => (column.number ? "number" : "");
  const head = columns.map((column) => make("th", { scope: "col", className: kind(column) }, column.title));
  const rows = records.map((record) =>
    make("tr", {}, ...columns.map((column) => make("td", { className: kind(column) }, column.value(record)))),
  );
  table.replaceChildren(make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
}

/** Fills the list with bars. bars: [{key, name, value, note, share: 0 to 1, tone?}] */
export function fillBars(list, bars) {
  list.replaceChildren(
    ...bars.map((bar) => {
      const fill = make("span", { className: "fill" });
      fill.style.inlineSize = `${Math.max(0, Math.min(1, bar.share)) * 100}%`;
      return make(
        "li",
        bar.tone ? { "data-tone": bar.tone } : {},
        make("span", { className: "name" }, bar.name),
        make("span", { className: "value" }, bar.value),
        make("span", { className: "track", "aria-hidden": "true" }, fill),
        make("span", { className: "note" }, bar.note),
      );
    }),
  );
}
