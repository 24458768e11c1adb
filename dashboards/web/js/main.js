/** Starts every part of the page. */

import { startAdmin } from "./admin.js";
import { followChoices } from "./choices.js";
import { startDaily } from "./daily.js";
import { byId } from "./dom.js";
import { startForm } from "./form.js";
import { timeZone } from "./format.js";
import { startHours } from "./hours.js";
import { startOrders } from "./orders.js";
import { followColourScheme } from "./plot.js";
import { followVisibility } from "./poller.js";
import { startStatuses, startTopProducts } from "./rankings.js";
import { startKeyFigures } from "./today.js";

byId("timezone").textContent = timeZone;
startKeyFigures();
startForm(startOrders());
startAdmin();
const redraw = [startDaily(), startHours()];
startTopProducts();
startStatuses();
followChoices(() => redraw.forEach((draw) => draw()));
followColourScheme();
followVisibility();
