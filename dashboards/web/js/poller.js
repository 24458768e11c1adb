/** Repeated reading of the sources, while somebody looks. */

import { report } from "./connection.js";

const INTERVAL_MS = 2_000;
const LONGEST_WAIT_MS = 30_000;
const pollers = new Set();

/**
 * Reads one source every two seconds: one request at a time, none while the page is hidden, rarer when it fails.
 * `load(signal)` reads, `render(data)` shows, and only what changed is shown again.
 */
export class Poller {
  #name;
  #load;
  #render;
  #card;
  #once;
  #timer;
  #controller;
  #failures = 0;
  #shown;

  /** once: stop after the first success (a catalogue); card: shows a failure */
  constructor({ name, load, render, card, once = false }) {
    this.#name = name;
    this.#load = load;
    this.#render = render;
    this.#card = card;
    this.#once = once;
    pollers.add(this);
  }

  /** Reads now; a read under way is dropped, for it may answer an older question. */
  async refresh() {
    this.pause();
    if (document.hidden) return;
    const controller = new AbortController();
    this.#controller = controller;
    try {
      const data = await this.#load(controller.signal);
      if (controller.signal.aborted) return;
      await this.#show(data);
      this.#failures = 0;
      report(this.#name, null);
      if (this.#once) pollers.delete(this);
    } catch (problem) {
      if (controller.signal.aborted) return;
      this.#failures += 1;
      report(this.#name, problem);
      this.#card?.fail(problem);
      if (problem.name !== "ApiProblem") console.error(problem);
    }
    if (pollers.has(this)) this.#timer = setTimeout(() => this.refresh(), this.#wait());
  }

  pause() {
    clearTimeout(this.#timer);
    this.#controller?.abort();
  }

  async #show(data) {
    const fingerprint = JSON.stringify(data);
    if (fingerprint === this.#shown && this.#failures === 0) return;
    await this.#render(data);
    this.#shown = fingerprint;
  }

  #wait() {
    return Math.min(INTERVAL_MS * 2 ** this.#failures, LONGEST_WAIT_MS);
  }
}

export function refreshAll() {
  for (const poller of pollers) poller.refresh();
}

function pauseAll() {
  for (const poller of pollers) poller.pause();
}

/** Pauses and resumes with the page: another tab in front, leaving, coming back by the back button. */
export function followVisibility() {
  document.addEventListener("visibilitychange", () => (document.hidden ? pauseAll() : refreshAll()));
  window.addEventListener("pagehide", pauseAll);
  window.addEventListener("pageshow", (event) => event.persisted && refreshAll());
}
