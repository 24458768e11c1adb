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
    const help = stale ? "These figures are from before; trying again." : "Trying again.";
    this.#set(stale ? "stale" : "failed", [make("strong", {}, problem.message), ` ${help}`]);
  }

  #set(state, message) {
    this.#element.dataset.state = state;
    this.#message.hidden = message.length === 0;
    this.#message.replaceChildren(...message);
  }
}
