/** The key figures: today's and all time's. */

import { get } from "./api.js";
import { Card } from "./card.js";
import { byId } from "./dom.js";
import { count, money } from "./format.js";
import { Poller } from "./poller.js";

const FORMATS = { total_orders: count, total_revenue: money, avg_order_value: money, unique_customers: count };

/** characters that fit in the large type */
const LONG = 13;

function figures(element, name, path) {
  const card = new Card(element);
  const render = (answer) => {
    for (const [figure, format] of Object.entries(FORMATS)) {
      const node = element.querySelector(`[data-figure="${figure}"]`);
      node.textContent = format(answer[figure] ?? 0);
      node.toggleAttribute("data-long", node.textContent.length > LONG);
    }
    card.ready();
  };
  return new Poller({ name, card, render, load: (signal) => get(path, {}, signal) });
}

export function startKeyFigures() {
  figures(byId("today"), "figures of today", "/api/analytics/realtime/sales").refresh();
  figures(byId("all-time"), "figures of all time", "/api/analytics/stats").refresh();
}
