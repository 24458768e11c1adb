/** The product lines of the order form. */

import { byId, make } from "./dom.js";
import { money, moneyOfCents, toCents } from "./format.js";

const MOST_LINES = 100;
let products = [];
let made = 0;

const lines = () => [...byId("lines").children];
const control = (line, name) => line.querySelector(`[data-control="${name}"]`);

/** A line's amount in cents; null while its quantity is no positive whole number. */
function cents(line) {
  const product = products[control(line, "productId").selectedIndex];
  const quantity = control(line, "quantity").value.trim();
  return product && /^[1-9]\d{0,14}$/.test(quantity) ? toCents(product.price) * BigInt(quantity) : null;
}

function update() {
  const amounts = lines().map(cents);
  lines().forEach((line, index) => {
    line.querySelector(".line-total").textContent = amounts[index] === null ? "–" : moneyOfCents(amounts[index]);
    line.querySelector(".remove").hidden = amounts.length === 1;
  });
  const known = amounts.length > 0 && amounts.every((amount) => amount !== null);
  byId("total").textContent = known ? moneyOfCents(amounts.reduce((sum, amount) => sum + amount, 0n)) : "–";
  byId("add-line").hidden = amounts.length >= MOST_LINES;
}

function add() {
  made += 1;
  const id = `line-${made}`;
  const error = { "aria-describedby": `${id}-error` };
  const options = products.map((product) => make("option", { value: product.id }, `${product.name}, ${money(product.price)}`));
  const line = make("div", { className: "line" },
    make("div", { className: "product" },
      make("label", { htmlFor: `${id}-product` }, "Product"),
      make("select", { id: `${id}-product`, "data-control": "productId", ...error }, ...options)),
    make("div", { className: "quantity" },
      make("label", { htmlFor: `${id}-quantity` }, "Quantity"),
      make("input", { id: `${id}-quantity`, "data-control": "quantity", type: "number", min: "1", step: "1", value: "1", inputMode: "numeric", ...error })),
    make("button", { type: "button", className: "remove", "aria-label": "Remove this product", title: "Remove" }, "×"),
    make("output", { className: "line-total" }),
    make("p", { className: "field-error", id: `${id}-error` }));
  line.querySelector(".remove").addEventListener("click", () => remove(line));
  byId("lines").append(line);
  update();
  return line;
}

function remove(line) {
  const neighbour = line.nextElementSibling ?? line.previousElementSibling;
  line.remove();
  update();
  control(neighbour, "productId").focus();
}

/** Offers these products, starting with one line. */
export function offer(catalogue) {
  products = catalogue;
  byId("lines").replaceChildren();
  add();
}

export function followLines() {
  byId("lines").addEventListener("input", update);
  byId("add-line").addEventListener("click", () => control(add(), "productId").focus());
}

/** The items of the request. An empty or odd quantity goes as it is: the API says what is wrong with it. */
export const items = () =>
  lines().map((line) => ({
    productId: control(line, "productId").value,
    quantity: control(line, "quantity").value === "" ? null : Number(control(line, "quantity").value),
  }));

/** Shows a problem beside the control of a line: whether there is such a place. */
export function showLineProblem(index, name, message) {
  const line = lines()[index];
  if (!line) return false;
  line.querySelector(".field-error").append(make("span", {}, message));
  control(line, name)?.setAttribute("aria-invalid", "true");
  return true;
}
