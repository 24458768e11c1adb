/** The line in the header: live, or which part does not answer. */

import { byId } from "./dom.js";
import { clock, counted } from "./format.js";

const failing = new Map();
let updatedAt;

/** Notes that a source answered (problem null) or failed. */
export function report(source, problem) {
  if (problem) {
    failing.set(source, problem);
  } else {
    failing.delete(source);
    updatedAt = Date.now();
  }
  const failures = counted(failing.size, "reading");
  const text = failing.size ? `${failures} failing, trying again` : `Live, updated ${clock(updatedAt)}`;
  byId("connection").dataset.state = failing.size ? "failing" : "live";
  byId("connection").title = [...failing].map(([name, each]) => `${name}: ${each.message}`).join("\n");
  byId("connection-text").textContent = text;
}
