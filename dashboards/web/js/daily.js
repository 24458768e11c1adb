/** Sales by day, over the chosen range. */

import { get } from "./api.js";
import { Card } from "./card.js";
import { mayWiden, measure, onRange, range, widen } from "./choices.js";
import { byId, fillTable } from "./dom.js";
import { count, counted, day, dayText, daysBetween, money, moneyOfCents, toCents } from "./format.js";
import { drawBars } from "./plot.js";
import { Poller } from "./poller.js";

const DAY_MS = 86_400_000;
const LONG_GAP_DAYS = 120;
const COLUMNS = [
  { title: "Day", value: (row) => row.order_date },
  { title: "Orders", value: (row) => count(row.order_count), number: true },
  { title: "Revenue", value: (row) => money(row.total_revenue), number: true },
  { title: "Average", value: (row) => money(row.avg_order_value), number: true },
  { title: "Customers", value: (row) => count(row.unique_customers), number: true },
];
const card = new Card(byId("daily"));
let shown = { chosen: range(), rows: [] };

async function load(signal) {
  const chosen = range();
  const rows = await get("/api/analytics/daily-sales", { startDate: chosen.startDate }, signal);
  if (rows.length === 0 && mayWiden()) {
    const stats = await get("/api/analytics/stats", {}, signal);
    if (stats.total_orders > 0) widen();
  }
  return { chosen, rows };
}

/** Stretches of months without an order, which would leave no room for the days with some. */
function longGaps(days) {
  const pairs = days.slice(1).map((to, index) => [days[index], to]);
  return pairs
    .filter(([from, to]) => daysBetween(from, to) > LONG_GAP_DAYS)
    .map(([from, to]) => ({ from: shift(from, 10), to: shift(to, -10), text: gapText(daysBetween(from, to)) }));
}

const gapText = (days) =>
  days < 730 ? `${Math.round(days / 30.4)} months without orders` : `${Math.round(days / 365.25)} years without orders`;

const shift = (isoDay, days) => new Date(Date.parse(isoDay) + days * DAY_MS).toISOString().slice(0, 10);

function hover(row) {
  const lines = [`<b>${dayText(row.order_date)}</b>`, counted(row.order_count, "order"), `revenue ${money(row.total_revenue)}`];
  return [...lines, `average ${money(row.avg_order_value)}`, counted(row.unique_customers, "customer")].join("<br>");
}

function summary(rows) {
  const orders = rows.reduce((sum, row) => sum + row.order_count, 0);
  const revenue = rows.reduce((sum, row) => sum + toCents(row.total_revenue), 0n);
  return `${counted(orders, "order")} on ${counted(rows.length, "day")}, revenue ${moneyOfCents(revenue)}`;
}

function fillDetails() {
  if (byId("daily-details").open) fillTable(byId("daily-table"), COLUMNS, shown.rows);
}

async function render({ chosen, rows }) {
  shown = { chosen, rows };
  fillDetails();
  byId("daily-note").textContent = rows.length ? summary(rows) : "";
  if (rows.length === 0) {
    card.empty(chosen.key === "all" ? "No orders yet: place one with the form." : "No orders in this range: place one with the form, or choose All.");
    return;
  }
  const oldestFirst = [...rows].reverse();
  const days = oldestFirst.map((row) => row.order_date);
  const first = chosen.startDate ?? days[0];
  const last = chosen.startDate ? day() : days.at(-1);
  await drawBars(byId("daily-chart"), {
    x: days,
    y: oldestFirst.map((row) => Number(row[measure()])),
    hover: oldestFirst.map(hover),
    width: DAY_MS * 0.82,
    from: `${shift(first, -1)} 12:00`,
    to: `${last > days.at(-1) ? last : days.at(-1)} 12:00`,
    gaps: chosen.startDate ? [] : longGaps(days),
    tick: chosen.key === "7" ? { dtick: DAY_MS, tickformat: "%a\n%b %d" } : { nticks: 8 },
    whole: measure() === "order_count",
  });
  card.ready();
}

/** Starts reading; returns what draws the chart again, for another measure. */
export function startDaily() {
  const poller = new Poller({ name: "sales by day", card, load, render });
  onRange(() => poller.refresh());
  byId("daily-details").addEventListener("toggle", fillDetails);
  poller.refresh();
  return () => render(shown);
}
