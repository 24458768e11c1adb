/** Two lists with bars, over the chosen range: top products, orders by status. */

import { get } from "./api.js";
import { Card } from "./card.js";
import { onRange, range } from "./choices.js";
import { byId, fillBars } from "./dom.js";
import { count, counted, money, moneyOfCents, share, toCents } from "./format.js";
import { Poller } from "./poller.js";

const STATUSES = ["PENDING", "COMPLETED", "CANCELLED", "REFUNDED"];
const TOP = 8;

export function startTopProducts() {
  const card = new Card(byId("products"));
  const load = (signal) => get("/api/analytics/product-ranking", { days: range().days, limit: TOP }, signal);
  const render = (products) => {
    const most = Math.max(1, ...products.map((product) => Number(product.total_revenue)));
    fillBars(byId("products-list"), products.map((product) => ({
      name: product.product_name || product.product_id,
      value: money(product.total_revenue),
      note: `${count(product.quantity)} sold in ${counted(product.order_count, "order")}`,
      share: product.total_revenue / most,
    })));
    if (products.length) card.ready();
    else card.empty("Nothing sold in this range: place an order with the form.");
  };
  follow({ name: "top products", card, load, render });
}

export function startStatuses() {
  const card = new Card(byId("status"));
  const load = (signal) => get("/api/analytics/order-status", { startDate: range().startDate }, signal);
  const render = (rows) => {
    const orders = rows.reduce((sum, row) => sum + row.order_count, 0);
    byId("status-note").textContent = orders ? counted(orders, "order") : "";
    fillBars(byId("status-list"), STATUSES.map((status) => {
      const own = rows.filter((row) => row.status === status);
      const number = own.reduce((sum, row) => sum + row.order_count, 0);
      const amount = own.reduce((sum, row) => sum + toCents(row.total_amount), 0n);
      const part = orders ? number / orders : 0;
      const note = `${share(part)}, worth ${moneyOfCents(amount)}`;
      return { name: status, tone: status, value: count(number), note, share: part };
    }));
    if (orders) card.ready();
    else card.empty("No orders in this range: place one with the form.");
  };
  follow({ name: "order statuses", card, load, render });
}

function follow(source) {
  const poller = new Poller(source);
  onRange(() => poller.refresh());
  poller.refresh();
}
