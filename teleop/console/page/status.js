// The status lights, and the sentence above everything that must not be overlooked.

const VAIN_MS = 500;
const REASONS = 3;
const KINDS = ["good", "bad", "warn", "live"];

function light(id, kind, value, why = "") {
  const element = document.getElementById(`light-${id}`);
  element.classList.remove(...KINDS);
  if (kind) element.classList.add(kind);
  element.querySelector("b").textContent = value;
  const small = element.querySelector("small");
  small.textContent = small.title = why;
}

function motionLight(motion) {
  if (!motion) return light("motion", "bad", "silent", "motion_node does not report");
  const why = motion.message;
  if (motion.phase === "no_arm") return light("motion", "bad", "no arm", why);
  if (motion.emergency_stop !== "released") return light("motion", "bad", "stopped", motion.emergency_stop);
  if (motion.phase === "moving") return light("motion", "good", `moving: ${motion.source}`, why);
  if (motion.phase === "stopping") return light("motion", "warn", "stopping", why);
  return light("motion", "good", motion.source === "hold" ? "armed" : `armed: ${motion.source}`, why);
}

function deadmanLight(devices, motion, pressedInVain) {
  if (!devices) return light("deadman", "bad", "silent", "teleop_node does not report");
  const needed = motion?.require_deadman === "True" ? "needed for all motion" : "not needed for policy and home";
  const driver = devices.devices.find(({ name }) => name === devices.driver);
  if (driver) return light("deadman", "good", "held", driver.title);
  if (pressedInVain) return light("deadman", "warn", "let go", "the line was cut or slow: let go, then press again");
  return light("deadman", "", "released", needed);
}

function recordingLights(recorder) {
  showReasons(recorder);
  if (!recorder) {
    light("recording", "", "no recorder", "");
    return light("quality", "", "-", "");
  }
  const { state, seconds, quality, problem, last } = recorder;
  if (state === "recording") light("recording", "live", `${(seconds ?? 0).toFixed(1)} s`, recorder.episode);
  else if (state === "failed") light("recording", "bad", "failed", problem);
  else light("recording", state === "idle" ? "" : "warn", state, problem || (last?.episode ? `last: ${last.episode}` : ""));
  const told = state === "recording" ? quality : last;
  const verdict = told?.verdict;
  const kind = { accept: "good", warn: "warn", reject: "bad" }[verdict];
  light("quality", kind, verdict || "-", told?.reasons?.[0] ?? "");
}

// What the gate found in this episode or, between two, in the last one.
function showReasons(recorder) {
  const told = recorder?.state === "recording" ? recorder.quality : recorder?.last;
  const shown = (told?.reasons ?? []).slice(0, REASONS);
  const kind = told?.verdict === "reject" ? "bad" : "warn";
  document.getElementById("reasons").replaceChildren(...shown.map((reason) => {
    const item = document.createElement("li");
    item.className = kind;
    item.textContent = reason;
    return item;
  }));
}

// Where the slider is, if a camera finds it: what the operator's verdict should be.
function showJudgement(judgement) {
  const element = document.getElementById("judgement");
  element.className = judgement?.success ? "good" : "";
  element.textContent = judgement
    ? `slider ${judgement.position_mm.toFixed(1)} mm and ${judgement.angle_deg.toFixed(1)} deg from its goal: ` +
      (judgement.success ? "a success" : judgement.reason)
    : "";
}

function bannerText(state, welcome, connected) {
  if (!connected) return ["bad", "No connection to the console: what this page held is released. STOP does not reach the arm from here."];
  if (!welcome.may_act) return ["warn", "This page may only look, and stop: open the address with its token to drive."];
  if (state.recorder?.problem) return ["bad", `Recorder: ${state.recorder.problem}`];
  if (state.motion?.allow_unsafe) {
    return ["warn", `Beyond the bounds of safety values (allow_unsafe): ${state.motion.allow_unsafe}`];
  }
  if (state.motion?.require_deadman === "False") {
    return ["warn", welcome.simulated
      ? "Simulated cell: home and policy need no deadman (require_deadman is off)."
      : "require_deadman is off on a real arm: it moves without an operator. Turn it on."];
  }
  return ["", ""];
}

export function showStatus(state, welcome, connected, pressedMs = 0) {
  motionLight(state.motion);
  deadmanLight(state.devices, state.motion, pressedMs > VAIN_MS);
  recordingLights(state.recorder);
  showJudgement(state.judgement);
  const [kind, text] = bannerText(state, welcome, connected);
  const banner = document.getElementById("banner");
  banner.hidden = !text;
  banner.className = kind;
  banner.textContent = text;
}
