// A replay's time line: shows where it is, and asks it to be elsewhere.

const byId = (id) => document.getElementById(`replay-${id}`);

export class TimeLine {
  constructor(link) {
    this.link = link;
    this.form = document.getElementById("time-line");
    this.playing = false;
    this.held = false; // while a person drags, the replay does not move the handle
    byId("play").addEventListener("click", () => this.ask(this.playing ? "pause" : "play"));
    byId("step").addEventListener("click", () => this.ask("step"));
    byId("rate").addEventListener("change", ({ target }) => this.ask("rate", Number(target.value)));
    byId("loop").addEventListener("change", ({ target }) => this.ask("loop", Number(target.checked)));
    const position = byId("position");
    position.addEventListener("pointerdown", () => { this.held = true; });
    // A press that moves nothing changes nothing.
    for (const name of ["pointerup", "pointercancel"]) {
      position.addEventListener(name, () => { this.held = false; });
    }
    position.addEventListener("change", () => {
      this.held = false;
      this.ask("seek", position.valueAsNumber);
    });
    this.form.addEventListener("submit", (event) => event.preventDefault());
  }

  ask(what, value = 0) {
    this.link.send({ t: "time_line", do: what, value });
  }

  show(replay, mayAct) {
    this.form.hidden = !replay;
    if (!replay) return;
    this.playing = replay.playing;
    byId("play").textContent = replay.playing ? "Pause" : "Play";
    byId("position").max = replay.duration_s;
    if (!this.held) byId("position").value = replay.position_s;
    byId("time").textContent = `${replay.position_s.toFixed(1)} of ${replay.duration_s.toFixed(1)} s`;
    if (document.activeElement !== byId("rate")) byId("rate").value = String(replay.rate);
    byId("loop").checked = replay.loop;
    for (const control of this.form.elements) control.disabled = !mayAct;
  }
}
