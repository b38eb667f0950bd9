// Buttons and their keys, and the answer to each.

const SURE_MS = 3000;
const TOAST_MS = 5000;
const KEY_NAMES = { Enter: "⏎", Backspace: "⌫", Escape: "Esc" };
let toastTimer;

export function toast(text) {
  const element = document.getElementById("toast");
  element.textContent = text;
  element.classList.add("shown");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => element.classList.remove("shown"), TOAST_MS);
}

export class Buttons {
  constructor(link) {
    this.link = link;
    this.byKey = new Map();
    this.all = [...document.querySelectorAll("[data-action]")];
    for (const button of this.all) {
      button.addEventListener("click", () => {
        button.blur(); // or Space and Enter would press it again
        this.act(button.dataset.action);
      });
    }
    window.addEventListener("keydown", (event) => {
      const action = this.byKey.get(event.code);
      const elsewhere = event.target.tagName === "INPUT" || event.ctrlKey || event.metaKey || event.altKey;
      if (!action || event.repeat || (elsewhere && action !== "stop")) return;
      event.preventDefault();
      this.act(action);
    });
    link.addEventListener("answer", ({ detail }) => detail.problem && toast(detail.problem));
  }

  label(actions) {
    for (const button of this.all) {
      const { label, key } = actions[button.dataset.action];
      this.byKey.set(key, button.dataset.action);
      button.replaceChildren(label);
      const hint = document.createElement("kbd");
      hint.textContent = KEY_NAMES[key] ?? key.replace("Key", "");
      button.append(hint);
    }
  }

  act(action) {
    const button = this.all.find((it) => it.dataset.action === action);
    if (button.disabled) return;
    if (!this.link.connected) {
      toast("Not sent: there is no connection to the console.");
      return;
    }
    if (action === "discard" && !button.classList.contains("sure")) {
      this.askOnce(button);
      return;
    }
    button.classList.remove("sure");
    this.link.send({ t: "act", action });
  }

  // It takes a second press.
  askOnce(button) {
    const label = button.firstChild;
    const text = label.data;
    button.classList.add("sure");
    label.data = "Sure?";
    setTimeout(() => {
      button.classList.remove("sure");
      label.data = text;
    }, SURE_MS);
  }

  enable(state, mayAct) {
    const recording = state.recorder?.state === "recording";
    const recorder = Boolean(state.recorder);
    const usable = {
      stop: true,
      arm: mayAct && state.motion?.emergency_stop !== "released",
      start: mayAct && recorder && ["idle", "failed"].includes(state.recorder.state),
      success: mayAct && recording,
      failure: mayAct && recording,
      discard: mayAct && recording,
      touch: mayAct && Boolean(state.calibration?.touch),
      finish: mayAct && Boolean(state.calibration?.finish),
    };
    for (const button of this.all) {
      button.disabled = !(usable[button.dataset.action] ?? mayAct);
      button.classList.toggle("primary", button.dataset.action === "arm" && !button.disabled);
    }
  }
}
