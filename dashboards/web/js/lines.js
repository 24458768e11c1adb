/** The product lines of the order form. */

import { byId, make } from "./dom.js";
import { money, moneyOfCents, toCents } from "./format.js";

const MOST_LINES = 100;
const LABELS = { productId: "Product", quantity: "Quantity" };
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

const optionText = (product) => `${product.name}, ${money(product.price)}`;

function productSelect(id) {
  const options = products.map((product) => make("option", { value: product.id }, optionText(product)));
  const waiting = make("option", { value: "" }, "Loading the products");
  const choices = options.length ? options : [waiting];
  return make("select", { id, "data-control": "productId" }, ...choices);
}

function quantityInput(id) {
  const whole = { type: "number", min: "1", step: "1", value: "1", inputMode: "numeric" };
  return make("input", { id, "data-control": "quantity", ...whole });
}

function labelled(className, text, control) {
  return make("div", { className }, make("label", { htmlFor: control.id }, text), control);
}

function add() {
  made += 1;
  const id = `line-${made}`;
  const removal = make("button", { type: "button", className: "remove", "aria-label": "Remove this product" }, "×");
  const controls = [productSelect(`${id}-product`), quantityInput(`${id}-quantity`)];
  for (const each of controls) each.setAttribute("aria-describedby", `${id}-error`);
  const line = make("div", { className: "line" },
    labelled("product", LABELS.productId, controls[0]),
    labelled("quantity", LABELS.quantity, controls[1]),
    removal,
    make("output", { className: "line-total" }),
    make("p", { className: "field-error", id: `${id}-error` }));
  removal.addEventListener("click", () => remove(line));
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

/** Offers these products, starting again with one line. */
export function offer(catalogue) {
  products = catalogue;
  made = 0;
  byId("lines").replaceChildren();
  add();
}

/** Starts the lines, with one that waits for the products. */
export function followLines() {
  add();
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
  line.querySelector(".field-error").append(make("span", {}, LABELS[name] ? `${LABELS[name]}: ${message}` : message));
  control(line, name)?.setAttribute("aria-invalid", "true");
  return true;
}
