/** Sales by day, over the chosen range. */

import { get } from "./api.js";
import { dayTicks, longGaps } from "./axis.js";
import { Card } from "./card.js";
import { mayWiden, measure, onRange, range, widen } from "./choices.js";
import { byId, fillTable } from "./dom.js";
import { DAY_MS, count, counted, day, dayText, money, moneyOfCents, shiftDay, toCents } from "./format.js";
import { drawBars, ticksThatFit } from "./plot.js";
import { Poller } from "./poller.js";

const COLUMNS = [
  { title: "Day", value: (row) => row.order_date },
  { title: "Orders", value: (row) => count(row.order_count), number: true },
  { title: "Revenue", value: (row) => money(row.total_revenue), number: true },
  { title: "Average", value: (row) => money(row.avg_order_value), number: true },
  { title: "Customers", value: (row) => count(row.unique_customers), number: true },
];
const card = new Card(byId("daily"));
let shown = { chosen: range(), rows: [], older: false };

async function load(signal) {
  const chosen = range();
  const rows = await get("/api/analytics/daily-sales", { startDate: chosen.startDate }, signal);
  const older = rows.length === 0 && (await get("/api/analytics/stats", {}, signal)).total_orders > 0;
  if (older && mayWiden()) widen();
  return { chosen, rows, older };
}

function hover(row) {
  return [
    `<b>${dayText(row.order_date)}</b>`,
    counted(row.order_count, "order"),
    `revenue ${money(row.total_revenue)}`,
    `average ${money(row.avg_order_value)}`,
    counted(row.unique_customers, "customer"),
  ].join("<br>");
}

function summary(rows) {
  const orders = rows.reduce((sum, row) => sum + row.order_count, 0);
  const revenue = rows.reduce((sum, row) => sum + toCents(row.total_revenue), 0n);
  return `${counted(orders, "order")} on ${counted(rows.length, "day")}, revenue ${moneyOfCents(revenue)}`;
}

function fillDetails() {
  if (byId("daily-details").open) fillTable(byId("daily-table"), COLUMNS, shown.rows);
}

async function render(answer) {
  const { chosen, rows, older } = answer;
  shown = answer;
  fillDetails();
  byId("daily-note").textContent = rows.length ? summary(rows) : "";
  if (rows.length === 0) {
    const elsewhere = "No orders in this range: choose All, or place one.";
    card.empty(older ? elsewhere : "No orders yet: place one with the form.");
    return;
  }
  const oldestFirst = [...rows].reverse();
  const days = oldestFirst.map((row) => row.order_date);
  const first = chosen.startDate ?? days[0];
  const last = chosen.startDate ? day() : days.at(-1);
  const gaps = chosen.startDate ? [] : longGaps(days);
  await drawBars(byId("daily-chart"), {
    x: days,
    y: oldestFirst.map((row) => Number(row[measure()])),
    hover: oldestFirst.map(hover),
    width: DAY_MS * 0.82,
    from: `${shiftDay(first, -1)} 12:00`,
    to: `${last > days.at(-1) ? last : days.at(-1)} 12:00`,
    gaps,
    tick: dayTicks(chosen.key, days, gaps, ticksThatFit(byId("daily-chart"))),
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
