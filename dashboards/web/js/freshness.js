/** How long an order placed here takes to be counted in today's sales. */

import { get } from "./api.js";
import { byId } from "./dom.js";
import { seconds, toCents } from "./format.js";
import { refreshAll } from "./poller.js";

const BEFORE_MS = 1_000;
const STEP_MS = 200;
const PATIENCE_MS = 30_000;
const measured = [];
/** own orders placed and not yet counted: they come before the next one */
const awaited = new Set();

async function todaysSales(signal) {
  const today = await get("/api/analytics/realtime/sales", {}, signal);
  return { orders: today.total_orders, cents: toCents(today.total_revenue) };
}

/** Today's sales before an order is placed; null when the analytics do not answer soon: the order does not wait. */
export const salesBefore = () => todaysSales(AbortSignal.timeout(BEFORE_MS)).catch(() => null);

/**
 * Waits until an order just accepted is counted, which needs both one order and its amount more than before.
 * Says how that went through `say(text)`.
 */
export async function watch(before, amount, say) {
  if (!before) {
    say("The analytics do not answer, so its way to the dashboard is not measured; the order is safe.");
    return;
  }
  const cents = toCents(amount);
  const target = [...awaited].reduce(
    (sum, other) => ({ orders: sum.orders + 1, cents: sum.cents + other.cents }),
    { orders: before.orders + 1, cents: before.cents + cents },
  );
  const order = { cents };
  awaited.add(order);
  say("On its way to the dashboard…");
  try {
    const took = await untilCounted(target);
    if (took === null) {
      say("Not on the dashboard after 30 s: see Analytics health below.");
    } else {
      say(`On the dashboard after ${seconds(took)}.`);
      show(took);
    }
  } finally {
    awaited.delete(order);
  }
}

/** Milliseconds from now until the sales reached the target; null when patience ran out. */
async function untilCounted(target) {
  const start = performance.now();
  for (;;) {
    const asked = performance.now();
    const today = await todaysSales().catch(() => null);
    const took = performance.now() - start;
    if (today && today.orders >= target.orders && today.cents >= target.cents) return took;
    if (took > PATIENCE_MS) return null;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, asked + STEP_MS - performance.now())));
  }
}

function show(took) {
  measured.push(took);
  const worst = Math.max(...measured);
  byId("freshness-value").textContent = seconds(took);
  byId("freshness-note").textContent = measured.length === 1
    ? "from the answer to your order until it was counted here"
    : `your last order; the slowest of your ${measured.length} took ${seconds(worst)}`;
  refreshAll();
}
