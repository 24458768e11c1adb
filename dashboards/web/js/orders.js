/** The chosen user's orders, newest first, with a way to cancel those still pending. */

import { get, post } from "./api.js";
import { Card } from "./card.js";
import { confirmFirst } from "./confirm.js";
import { arrange, byId, make } from "./dom.js";
import { money, toWallClock } from "./format.js";
import { Poller, refreshAll } from "./poller.js";

const FIRST_PAGE = 5;
const NEXT_PAGE = 20;
const card = new Card(byId("orders"));
/** id -> {fingerprint, row}: a row whose order did not change is left alone, with its focus */
const rows = new Map();
let user = { id: "", name: "" };
let orders = [];
let cursor = null;

const pathOf = (id) => `/api/orders/user/${encodeURIComponent(id)}`;

const nobody = (text) => ({ page: { items: [], nextCursor: null }, text });

/** The first page of the user's orders, and what to say when it is empty. */
async function load(signal) {
  const userId = user.id;
  if (!userId) return { userId, ...nobody("Choose a user to see the orders.") };
  try {
    const page = await get(pathOf(userId), { limit: FIRST_PAGE }, signal);
    return { userId, page, text: "No orders yet: place one with the form." };
  } catch (problem) {
    if (problem.status !== 404) throw problem;
    return { userId, ...nobody(problem.message) };
  }
}

/** Puts a newer first page over the orders shown; when they no longer touch, starts again from it. */
function merge(page) {
  const touching = orders.findIndex((order) => order.id === page.items.at(-1)?.id);
  if (touching >= 0 && page.nextCursor) {
    orders = [...page.items, ...orders.slice(touching + 1)];
  } else {
    orders = page.items;
    cursor = page.nextCursor ?? null;
  }
}

function render({ userId, page, text }) {
  if (userId !== user.id) return;
  merge(page);
  show();
  if (orders.length === 0) card.empty(text);
}

function show() {
  byId("orders-more").hidden = !cursor;
  arrange(byId("orders-list"), orders.map(rowOf));
  card.ready();
}

function rowOf(order) {
  const fingerprint = JSON.stringify(order);
  if (rows.get(order.id)?.fingerprint !== fingerprint) rows.set(order.id, { fingerprint, row: makeRow(order) });
  return rows.get(order.id).row;
}

function makeRow(order) {
  const wall = toWallClock(order.createdAt, { bare: "UTC" });
  const contents = order.items.map((item) => `${item.quantity} × ${item.productName ?? item.productId}`).join(", ");
  const problem = make("p", { className: "field-error", role: "alert" });
  return make("li", { tabIndex: -1 },
    make("div", { className: "order-head" },
      make("span", { className: "chip", "data-tone": order.status }, order.status),
      make("time", { dateTime: order.createdAt }, wall.slice(0, 16)),
      make("span", { className: "order-total" }, money(order.totalAmount))),
    make("p", { className: "order-items" }, contents),
    make("div", { className: "order-foot" },
      make("code", {}, order.id),
      ...(order.status === "PENDING" ? [cancelButton(order, problem)] : [])),
    problem);
}

function cancelButton(order, problem) {
  const button = make("button", { type: "button", className: "quiet danger" });
  const cancel = async () => {
    problem.textContent = "";
    try {
      replace(await post(`/api/orders/${encodeURIComponent(order.id)}/cancel`));
    } catch (refusal) {
      problem.textContent = refusal.message;
    }
  };
  const texts = { idle: "Cancel", armed: "Really cancel?" };
  button.addEventListener("click", confirmFirst(button, texts, cancel, (text) => `${text} Order ${order.id}`));
  return button;
}

function replace(order) {
  orders = orders.map((each) => (each.id === order.id ? order : each));
  show();
  rows.get(order.id)?.row.focus();
  refreshAll();
}

async function loadMore() {
  const more = byId("orders-more");
  const asked = user.id;
  more.disabled = true;
  try {
    const page = await get(pathOf(asked), { limit: NEXT_PAGE, cursor });
    if (asked !== user.id) return;
    const known = new Set(orders.map((order) => order.id));
    orders = [...orders, ...page.items.filter((order) => !known.has(order.id))];
    cursor = page.nextCursor ?? null;
    show();
  } catch (problem) {
    card.fail(problem);
  } finally {
    more.disabled = false;
  }
}

/** Starts reading; returns what shows another user's orders. */
export function startOrders() {
  const poller = new Poller({ name: "orders", card, load, render });
  byId("orders-more").addEventListener("click", loadMore);
  return (next) => {
    user = next;
    orders = [];
    cursor = null;
    rows.clear();
    byId("orders-list").replaceChildren();
    byId("orders-title").textContent = next.name ? `Orders of ${next.name}` : "Orders";
    poller.refresh();
  };
}
