/** Sales by hour, over the last 24 hours of the shop's clock. */

import { get } from "./api.js";
import { Card } from "./card.js";
import { measure } from "./choices.js";
import { byId, fillTable } from "./dom.js";
import { count, counted, day, money, toWallClock, wallClock } from "./format.js";
import { drawBars, ticksThatFit } from "./plot.js";
import { Poller } from "./poller.js";

const HOUR_MS = 3_600_000;
const HOURS = 24;
const COLUMNS = [
  { title: "Hour", value: (row) => row.hour },
  { title: "Orders", value: (row) => count(row.order_count), number: true },
  { title: "Revenue", value: (row) => money(row.total_revenue), number: true },
  { title: "Average", value: (row) => money(row.avg_order_value), number: true },
];
const card = new Card(byId("hours"));
let shown = [];

/** "2026-11-21 14:00", the start of the hour this wall-clock time is in */
const startOfHour = (wall) => `${wall.slice(0, 13)}:00`;

/** The newest 24 hours; those without orders are missing. */
async function load(signal) {
  const rows = await get("/api/analytics/hourly-sales", { startDate: day(1), limit: HOURS }, signal);
  const first = startOfHour(wallClock(Date.now() - (HOURS - 1) * HOUR_MS));
  return rows
    .map((row) => ({ ...row, hour: startOfHour(toWallClock(row.order_hour, { bare: "shop" })) }))
    .filter((row) => row.hour >= first);
}

function hover(row) {
  const lines = [`<b>${row.hour.slice(11)} to ${row.hour.slice(11, 13)}:59</b>`, counted(row.order_count, "order")];
  return [...lines, `revenue ${money(row.total_revenue)}`, `average ${money(row.avg_order_value)}`].join("<br>");
}

function fillDetails() {
  if (byId("hours-details").open) fillTable(byId("hours-table"), COLUMNS, shown);
}

async function render(rows) {
  shown = rows;
  fillDetails();
  if (rows.length === 0) {
    card.empty("No orders in the last 24 hours: place one with the form.");
    return;
  }
  const now = Date.now();
  await drawBars(byId("hours-chart"), {
    x: rows.map((row) => `${row.hour.slice(0, 14)}30`),
    y: rows.map((row) => Number(row[measure()])),
    hover: rows.map(hover),
    width: HOUR_MS * 0.82,
    from: startOfHour(wallClock(now - (HOURS - 1) * HOUR_MS)),
    to: startOfHour(wallClock(now + HOUR_MS)),
    tick: { dtick: (ticksThatFit(byId("hours-chart")) < 4 ? 6 : 4) * HOUR_MS, tickformat: "%H:%M\n%b %d" },
    whole: measure() === "order_count",
  });
  card.ready();
}

/** Starts reading; returns what draws the chart again, for another measure. */
export function startHours() {
  byId("hours-details").addEventListener("toggle", fillDetails);
  new Poller({ name: "sales by hour", card, load, render }).refresh();
  return () => render(shown);
}
