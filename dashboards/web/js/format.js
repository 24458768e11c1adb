/** Money, counts, days and hours as text. Days and hours are those of the business time zone. */

const LANGUAGE = document.documentElement.lang;
const MONEY = new Intl.NumberFormat(LANGUAGE, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const COUNT = new Intl.NumberFormat(LANGUAGE, { maximumFractionDigits: 0 });
const SHARE = new Intl.NumberFormat(LANGUAGE, { style: "percent", maximumFractionDigits: 1 });
export const DAY_MS = 86_400_000;

/** The zone the server wrote into the page; UTC, the setting's default, when it wrote none. */
export const timeZone = readTimeZone();

const WALL_CLOCK = new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat(LANGUAGE, { timeZone: "UTC", day: "numeric", month: "short", year: "numeric" });
const MONTH = new Intl.DateTimeFormat(LANGUAGE, { timeZone: "UTC", month: "short", year: "numeric" });
const CLOCK = new Intl.DateTimeFormat(LANGUAGE, { timeStyle: "medium", hourCycle: "h23" });

function readTimeZone() {
  const zone = document.querySelector('meta[name="business-timezone"]')?.content;
  try {
    return new Intl.DateTimeFormat("en", { timeZone: zone }).resolvedOptions().timeZone;
  } catch {
    return "UTC";
  }
}

/** An amount with two places. Doubles hold cents exactly up to 10^13, the largest amount the API accepts. */
export const money = (amount) => MONEY.format(amount);
export const count = (number) => COUNT.format(number);
export const share = (fraction) => SHARE.format(fraction);
export const seconds = (ms) => `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;

/** "1 order", "2 orders" */
export const counted = (number, noun) => `${count(number)} ${noun}${Number(number) === 1 ? "" : "s"}`;

/** An amount in cents, as BigInt, for sums without rounding. */
export const toCents = (amount) => BigInt(Math.round(Number(amount) * 100));
/** BigInt cents as text, exactly. */
export const moneyOfCents = (cents) => MONEY.format(`${cents / 100n}.${String(cents % 100n).padStart(2, "0")}`);

/** An instant as "YYYY-MM-DD hh:mm:ss" on the shop's clock. */
export const wallClock = (instant) => WALL_CLOCK.format(instant);
/** The reader's own clock, for "updated at". */
export const clock = (instant) => CLOCK.format(instant);

/** The shop's day of n days ago, "YYYY-MM-DD". */
export function day(daysAgo = 0) {
  return shiftDay(wallClock(Date.now()).slice(0, 10), -daysAgo);
}

/** The day so many days later, "YYYY-MM-DD". */
export const shiftDay = (isoDay, days) => new Date(Date.parse(isoDay) + days * DAY_MS).toISOString().slice(0, 10);

/** "1997-02-24" as "Feb 24, 1997" */
export const dayText = (isoDay) => DAY.format(Date.parse(isoDay));

/** "1997-02-24" as "Feb 1997" */
export const monthText = (isoDay) => MONTH.format(Date.parse(isoDay));

/** Days from one "YYYY-MM-DD" to another. */
export const daysBetween = (from, to) => Math.round((Date.parse(to) - Date.parse(from)) / DAY_MS);

/** A server's time on the shop's clock; one without an offset already is (analytics) or is UTC (orders). */
export function toWallClock(text, { bare }) {
  const plain = text.replace("T", " ");
  if (/(Z|[+-]\d\d:?\d\d)$/.test(plain)) return wallClock(Date.parse(text));
  return bare === "UTC" ? wallClock(Date.parse(`${plain.replace(" ", "T")}Z`)) : plain.slice(0, 19);
}
