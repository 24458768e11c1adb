/** Deleting an order as an administrator. The token stays in its field: nothing stores it, and no form sends it. */

import { remove } from "./api.js";
import { confirmFirst } from "./confirm.js";
import { byId, make } from "./dom.js";
import { refreshAll } from "./poller.js";

const FIELDS = {
  token: { control: byId("admin-token"), error: byId("admin-token-error"), missing: "Enter an admin token." },
  adminId: { control: byId("admin-id"), error: byId("admin-id-error"), missing: "Say who acts." },
  order: { control: byId("admin-order"), error: byId("admin-order-error"), missing: "Enter an order's id." },
};
/** The field that a refusal is about, by the answer's status. */
const ABOUT = { 400: FIELDS.adminId, 401: FIELDS.token, 404: FIELDS.order };

const valueOf = (field) => field.control.value.trim();

function complain(field, text) {
  field.error.textContent = text;
  field.control.setAttribute("aria-invalid", "true");
}

function clearComplaints() {
  for (const { control, error } of Object.values(FIELDS)) {
    error.textContent = "";
    control.removeAttribute("aria-invalid");
  }
}

/** Whether every field has something in it; says where not. */
function complete() {
  clearComplaints();
  const empty = Object.values(FIELDS).filter((field) => valueOf(field) === "");
  for (const field of empty) complain(field, field.missing);
  empty[0]?.control.focus();
  return empty.length === 0;
}

function tell(className, ...content) {
  byId("admin-result").replaceChildren(make("span", { className }, ...content));
}

async function deleteOrder() {
  const id = valueOf(FIELDS.order);
  try {
    await remove(`/admin/orders/${encodeURIComponent(id)}`, valueOf(FIELDS.token), valueOf(FIELDS.adminId));
    tell("good", make("strong", {}, "Deleted. "), "Order ", make("code", {}, id));
    FIELDS.order.control.value = "";
    refreshAll();
  } catch (problem) {
    tell("bad", make("strong", {}, "Not deleted. "), problem.message);
    if (ABOUT[problem.status]) complain(ABOUT[problem.status], problem.message);
    ABOUT[problem.status]?.control.focus();
    if (problem.name !== "ApiProblem") console.error(problem);
  }
}

function forget() {
  FIELDS.token.control.value = "";
  clearComplaints();
  tell("hint", "The token is forgotten.");
  FIELDS.token.control.focus();
}

/** Starts the form. */
export function startAdmin() {
  const texts = { idle: "Delete the order", armed: "Really delete?" };
  const press = confirmFirst(byId("admin-delete"), texts, deleteOrder);
  byId("admin-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (complete()) press();
  });
  byId("admin-forget").addEventListener("click", forget);
}
