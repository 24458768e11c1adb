/** The HTTP API as functions; every failure is an ApiProblem. */

const TIMEOUT_MS = 10_000;

/** An application/problem+json answer (RFC 9457), or the lack of any answer (status 0). */
export class ApiProblem extends Error {
  constructor({ status = 0, title = "", detail = "", errors = [] }) {
    super(detail || title || `The server answered ${status}.`);
    this.name = "ApiProblem";
    this.status = status;
    /** [{field, message}] of a refused body */
    this.errors = Array.isArray(errors) ? errors : [];
  }
}

async function request(path, options, signal) {
  const signals = [AbortSignal.timeout(TIMEOUT_MS), ...(signal ? [signal] : [])];
  let response;
  try {
    response = await fetch(path, { ...options, signal: AbortSignal.any(signals), headers: {
      Accept: "application/json, application/problem+json",
      ...options.headers,
    } });
    if (response.ok) return response.status === 204 ? null : await response.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    const slow = error.name === "TimeoutError";
    throw new ApiProblem({
      detail: slow ? "The server took longer than 10 s to answer." : "The server does not answer. Is it running?",
    });
  }
  const problem = await response.json().catch(() => ({}));
  throw new ApiProblem({ ...problem, status: response.status });
}

/** GET; parameters without a value are left out of the query. */
export function get(path, parameters = {}, signal = undefined) {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null);
  const query = new URLSearchParams(given).toString();
  return request(query ? `${path}?${query}` : path, { method: "GET", cache: "no-store" }, signal);
}

/** POST of a JSON body, or of none. */
export function post(path, body = undefined) {
  if (body === undefined) return request(path, { method: "POST" });
  return request(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

/** DELETE as an administrator: with the token, and the name of who acts. */
export function remove(path, token, adminId) {
  return request(path, { method: "DELETE", headers: { Authorization: `Bearer ${token}`, "X-Admin-Id": adminId } });
}

/** Up to `pages` keyset pages of a list: {items, complete}. */
export async function getPages(path, { limit, pages }, signal) {
  const items = [];
  let cursor;
  for (let page = 0; page < pages; page += 1) {
    const answer = await get(path, { limit, cursor }, signal);
    items.push(...answer.items);
    cursor = answer.nextCursor;
    if (!cursor) break;
  }
  return { items, complete: !cursor };
}
