/** What a card shows: its skeleton, its data, or a message in the same place, so that nothing moves. */

import { make } from "./dom.js";

export class Card {
  #element;
  #message;

  constructor(element) {
    this.#element = element;
    this.#message = element.querySelector(".message");
  }

  ready() {
    this.#set("ready", []);
  }

  /** Nothing to show, and what to do about it. */
  empty(text) {
    this.#set("empty", [text]);
  }

  /** A failed read: older data stays, dimmed; the poller tries again by itself. */
  fail(problem) {
    const stale = ["ready", "stale"].includes(this.#element.dataset.state);
    const message = stale
      ? [make("strong", {}, "Not updated."), ` ${problem.message}`]
      : [make("strong", {}, problem.message), " Trying again."];
    this.#set(stale ? "stale" : "failed", message);
  }

  #set(state, message) {
    this.#element.dataset.state = state;
    this.#message.hidden = message.length === 0;
    this.#message.replaceChildren(...message);
    this.#message.title = this.#message.textContent;
  }
}
