/** What the charts show: the range of days, and revenue or orders. */

import { byId } from "./dom.js";
import { day } from "./format.js";

// product-ranking takes days, not dates: for "all", a century
const ALL_DAYS = 36_500;
const listeners = [];
let chosenByReader = false;

const selected = (fieldset) => fieldset.querySelector("input:checked").value;

/** The range: {key, startDate (undefined: from the beginning), days} */
export function range() {
  const key = selected(byId("range"));
  return key === "all" ? { key, days: ALL_DAYS } : { key, startDate: day(Number(key) - 1), days: Number(key) };
}

/** The column the charts show: "total_revenue" or "order_count" */
export const measure = () => selected(byId("measure"));

/** Calls back when another range is chosen. */
export const onRange = (listener) => listeners.push(listener);

/** Whether the range is still the page's own guess. */
export const mayWiden = () => !chosenByReader && selected(byId("range")) !== "all";

/** Shows everything, for the range held nothing and older orders exist. */
export function widen() {
  byId("range").querySelector('input[value="all"]').checked = true;
  byId("range-note").textContent = "The last 30 days were empty: showing all.";
  for (const listener of listeners) listener();
}

export function followChoices(onMeasure) {
  byId("range").addEventListener("change", () => {
    chosenByReader = true;
    byId("range-note").textContent = "";
    for (const listener of listeners) listener();
  });
  byId("measure").addEventListener("change", onMeasure);
}
