// What the person holds: pointer, keys, gamepad. Said at each change and 30 times a second, because
// silence is a released deadman; whatever takes the page from view releases all at once.

import { toast } from "./buttons.js";

const PERIOD_MS = 33;

export class OperatorInput {
  constructor(link) {
    Object.assign(this, { link, drag: null, run: false, driveKeys: [], keys: new Set(), pressedAt: null });
    setInterval(() => this.say(), PERIOD_MS);
    for (const [target, name] of [[document, "visibilitychange"], [window, "blur"], [window, "pagehide"]]) {
      target.addEventListener(name, () => this.release());
    }
    window.addEventListener("gamepadconnected", ({ gamepad }) => {
      if (gamepad.mapping !== "standard") toast(`This browser does not know the buttons of ${gamepad.id}: it does nothing here.`);
    });
    window.addEventListener("keydown", (event) => this.onKey(event, true));
    window.addEventListener("keyup", (event) => this.onKey(event, false));
  }

  // How long something was held, to tell that it leads to nothing.
  get pressedMs() {
    return this.pressedAt === null ? 0 : performance.now() - this.pressedAt;
  }

  say() {
    const held = this.drag || this.run || this.keys.has(this.deadmanKey);
    // After a silence a press counts only once a release was heard; up to now it was one.
    if (held && this.pressedAt === null) this.link.send({ t: "input" });
    this.pressedAt = held ? this.pressedAt ?? performance.now() : null;
    if (document.hidden) return;
    const said_ms = this.link.serverMs;
    this.link.send({ t: "input", drag: this.drag, run: this.run, keys: [...this.keys], pad: padState(), said_ms });
  }

  release() {
    this.drag = null;
    this.run = false;
    this.keys.clear();
    this.picture?.markFinger(null);
    this.picture?.figure.classList.remove("held");
    this.runButton?.classList.remove("pressed");
    this.link.send({ t: "input" });
  }

  driveOn(picture) {
    this.picture = picture;
    const { figure } = picture;
    const place = (event) => {
      this.drag = picture.pixelOf(event);
      picture.markFinger(this.drag);
      this.say();
    };
    let pointer = null;
    figure.addEventListener("pointerdown", (event) => {
      if (pointer !== null || event.button !== 0) return;
      event.preventDefault();
      pointer = event.pointerId;
      figure.setPointerCapture(pointer);
      figure.classList.add("held");
      place(event);
    });
    figure.addEventListener("pointermove", (event) => {
      if (event.pointerId === pointer && this.drag) place(event);
    });
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
      figure.addEventListener(name, (event) => {
        if (event.pointerId !== pointer) return;
        pointer = null;
        this.drag = null;
        picture.markFinger(null);
        figure.classList.remove("held");
        this.say();
      });
    }
    figure.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  holdOn(button) {
    this.runButton = button;
    const hold = (held) => {
      this.run = held;
      button.classList.toggle("pressed", held);
      this.say();
    };
    button.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      button.setPointerCapture(event.pointerId);
      hold(true);
    });
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
      button.addEventListener(name, () => this.run && hold(false));
    }
    button.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  onKey(event, down) {
    // While Meta is held some systems do not tell of keys that are let go.
    if (event.key === "Meta") return this.release();
    // A key is let go wherever the focus has come to; a repeat is no press.
    if (!this.driveKeys.includes(event.code) || (down && event.target.tagName === "INPUT")) return;
    event.preventDefault();
    if (down === this.keys.has(event.code) || (down && event.repeat)) return;
    if (down) this.keys.add(event.code);
    else this.keys.delete(event.code);
    this.say();
  }
}

function padState() {
  const pad = [...navigator.getGamepads()].find((it) => it?.connected && it.mapping === "standard");
  if (!pad) return null;
  return { axes: [...pad.axes], buttons: pad.buttons.map((button) => (button.pressed ? 1 : 0)) };
}
