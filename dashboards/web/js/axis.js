/** The time axis of the day chart: stretches to cut out of it, and its labels. Days are "YYYY-MM-DD", oldest first. */

import { DAY_MS, daysBetween, monthText, shiftDay } from "./format.js";

const LONG_GAP_DAYS = 120;
const MARGIN_DAYS = 10;

/** Stretches of months without an order, which would leave no room for the days with some: [{from, to, text}] */
export function longGaps(days) {
  const pairs = days.slice(1).map((to, index) => [days[index], to]);
  return pairs
    .filter(([from, to]) => daysBetween(from, to) > LONG_GAP_DAYS)
    .map(([from, to]) => ({
      from: shiftDay(from, MARGIN_DAYS),
      to: shiftDay(to, -MARGIN_DAYS),
      text: gapText(daysBetween(from, to)),
    }));
}

function gapText(days) {
  const [number, unit] = days < 730 ? [days / 30.4, "months"] : [days / 365.25, "years"];
  return `${Math.round(number)} ${unit} without orders`;
}

/** At most about `most` labels, for `key` days or "all". */
export function dayTicks(key, days, gaps, most) {
  if (gaps.length) return monthTicks(days, most);
  return key === "7" ? { dtick: DAY_MS, tickformat: "%a\n%b %d" } : { nticks: most };
}

/** The chart library labels no axis with gaps well: months instead, evenly spread over the days there are. */
function monthTicks(days, most) {
  const month = (index) => days[index]?.slice(0, 7);
  const kept = [];
  for (let index = days.length - 1; index >= 0; index -= 1) {
    const roomy = kept.length === 0 || kept[0] - index >= days.length / most;
    if (month(index) !== month(index - 1) && roomy) kept.unshift(index);
  }
  return { tickvals: kept.map((index) => days[index]), ticktext: kept.map((index) => monthText(days[index])) };
}
