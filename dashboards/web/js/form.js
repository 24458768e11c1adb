/** The order form: who buys what, and how that went. */

import { get, getPages, post } from "./api.js";
import { Card } from "./card.js";
import { byId, make } from "./dom.js";
import { money } from "./format.js";
import { salesBefore, watch } from "./freshness.js";
import { followLines, items, offer, showLineProblem } from "./lines.js";
import { Poller, refreshAll } from "./poller.js";

const OTHER = "\u0000other";
const FIELDS = {
  userId: { error: byId("user-error"), control: byId("user") },
  items: { error: byId("items-error") },
  shippingAddress: { error: byId("address-error"), control: byId("address") },
};

/** The user the form is for: {id, name}; an id of "" while none is chosen. */
export function user() {
  const { value, selectedOptions } = byId("user");
  if (value !== OTHER) return { id: value, name: selectedOptions[0]?.dataset.name ?? "" };
  const typed = byId("user-id").value.trim();
  return { id: typed, name: typed };
}

async function loadCatalogue(signal) {
  const [users, products] = await Promise.all([
    get("/api/users", { limit: 100 }, signal),
    getPages("/api/products", { limit: 200, pages: 5 }, signal),
  ]);
  return { users: users.items, products: products.items };
}

function fillUsers(users) {
  const option = ({ id, name }) => make("option", { value: id, "data-name": name }, `${name} (${id})`);
  byId("user").replaceChildren(...users.map(option), make("option", { value: OTHER }, "Another user, by id…"));
}

function showProblem(problem) {
  const elsewhere = problem.errors.filter((error) => !showAtField(String(error.field), String(error.message)));
  const bad = (...content) => make("p", { className: "bad" }, ...content);
  byId("result").replaceChildren(
    bad(make("strong", {}, "Not placed. "), explain(problem, elsewhere.length > 0)),
    ...elsewhere.map(({ field, message }) => bad(`${field}: ${message}`)),
  );
  byId("order-form").querySelector('[aria-invalid="true"]')?.focus();
}

function explain(problem, unmarked) {
  if (problem.status === 0) {
    return `${problem.message} It may have been stored all the same: look at the orders before you try again.`;
  }
  return problem.errors.length && !unmarked ? "Correct what is marked, then try again." : problem.message;
}

/** Shows a message beside its field, named as in "items[0].quantity": whether the form has that field. */
function showAtField(path, message) {
  const [name, index, inner] = path.split(/[.[\]]+/).filter((part) => part !== "");
  if (name === "items" && index !== undefined && showLineProblem(Number(index), inner, message)) return true;
  const field = FIELDS[name];
  field?.error.append(make("span", {}, message));
  field?.control?.setAttribute("aria-invalid", "true");
  return field !== undefined;
}

function clearProblems() {
  for (const error of byId("order-form").querySelectorAll(".field-error")) error.replaceChildren();
  for (const control of byId("order-form").querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
}

function showPlaced(order) {
  const placed = make("strong", {}, "Placed. ");
  const freshness = make("p", { className: "hint" });
  byId("result").replaceChildren(
    make("p", { className: "good" }, placed, `Total ${money(order.totalAmount)}, order `, make("code", {}, order.id)),
    freshness,
  );
  return (text) => {
    freshness.textContent = text;
  };
}

async function place() {
  const address = byId("address").value.trim();
  const body = { userId: user().id, items: items(), ...(address ? { shippingAddress: address } : {}) };
  const before = await salesBefore();
  const order = await post("/api/orders", body);
  watch(before, order.totalAmount, showPlaced(order));
  refreshAll();
}

async function submit(event) {
  event.preventDefault();
  if (byId("submit").disabled) return;
  clearProblems();
  setBusy(true);
  try {
    await place();
  } catch (problem) {
    showProblem(problem);
    if (problem.name !== "ApiProblem") console.error(problem);
  } finally {
    setBusy(false);
  }
}

function setBusy(busy) {
  byId("submit").disabled = busy;
  byId("submit").textContent = busy ? "Placing…" : "Place order";
  byId("order-form").setAttribute("aria-busy", String(busy));
}

/** Starts the form; calls back with the user whenever another is chosen. */
export function startForm(onUser) {
  const card = new Card(byId("catalogue"));
  const render = ({ users, products }) => {
    fillUsers(users);
    byId("user-other").hidden = users.length > 0;
    if (products.length === 0) {
      card.empty("No products in the catalogue: run `millrace migrate`, which adds the demo's.");
      return;
    }
    offer(products);
    byId("order-form").inert = false;
    card.ready();
    onUser(user());
  };
  followLines();
  byId("order-form").addEventListener("submit", submit);
  byId("user").addEventListener("change", () => {
    byId("user-other").hidden = byId("user").value !== OTHER;
    if (!byId("user-other").hidden) byId("user-id").focus();
    onUser(user());
  });
  byId("user-id").addEventListener("change", () => onUser(user()));
  new Poller({ name: "catalogue", card, load: loadCatalogue, render, once: true }).refresh();
}
