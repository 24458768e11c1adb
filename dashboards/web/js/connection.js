/** The line in the header: live, or which part does not answer. */

import { byId } from "./dom.js";
import { clock } from "./format.js";

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
  const since = updatedAt ? `, last answer ${clock(updatedAt)}` : "";
  const text = failing.size ? `No ${[...failing.keys()].join(", ")}${since}` : `Live, updated ${clock(updatedAt)}`;
  byId("connection").dataset.state = failing.size ? "failing" : "live";
  byId("connection").title = [...failing.values()].map((each) => each.message).join(" ");
  byId("connection-text").textContent = text;
}
