/** A button for what cannot be undone: the first press asks, the second does it. */

const ARMED_MS = 5_000;

/** Calls `act` on the second press within five seconds. texts: {idle, armed}; label(text): what a screen reader says. */
export function confirmFirst(button, texts, act, label = undefined) {
  let timer;
  const arm = (armed) => {
    clearTimeout(timer);
    button.dataset.armed = armed ? "yes" : "";
    button.textContent = armed ? texts.armed : texts.idle;
    if (label) button.setAttribute("aria-label", label(button.textContent));
    if (armed) timer = setTimeout(() => button.disabled || arm(false), ARMED_MS);
  };
  arm(false);
  return async () => {
    if (button.disabled) return;
    if (!button.dataset.armed) {
      arm(true);
      return;
    }
    button.disabled = true;
    try {
      await act();
    } finally {
      button.disabled = false;
      arm(false);
    }
  };
}
