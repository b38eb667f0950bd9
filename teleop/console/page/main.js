// Puts the page together.

import { Buttons } from "./buttons.js";
import { OperatorInput } from "./operator_input.js";
import { showStatus } from "./status.js";
import { Link } from "./link.js";
import { showCalibration, showDevices, showEpisodes, showRates, showScore } from "./lists.js";
import { Picture } from "./picture.js";
import { TimeLine } from "./time_line.js";

const DETAILS_EVERY = 5; // states

const link = new Link(token());
const operatorInput = new OperatorInput(link);
const buttons = new Buttons(link);
const timeLine = new TimeLine(link);
const pictures = new Map();
let welcome = null;
let state = null;
let states = 0;
let episode = null;

// The token stays in this tab, and out of the address that is shown and shared.
function token() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem("token", given);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem("token") ?? "";
}

function setUp() {
  buttons.label(welcome.actions);
  operatorInput.driveKeys = welcome.keys;
  operatorInput.deadmanKey = welcome.deadman_key;
  operatorInput.holdOn(document.getElementById("run"));
  document.getElementById("where").textContent = welcome.simulated ? "simulated cell" : "real cell";
  document.getElementById("rollout").hidden = welcome.policy === "none";
  document.getElementById("hint").innerHTML = "<i class=goal></i>goal<i class=start></i>next start<i class=pusher></i>pusher";
  for (const camera of welcome.cameras) {
    const figure = camera.drives
      ? document.getElementById("driven")
      : document.getElementById("others").appendChild(document.createElement("figure"));
    const picture = new Picture(figure, camera, link);
    pictures.set(camera.name, picture);
    if (camera.drives) operatorInput.driveOn(picture);
  }
  document.getElementById("run-trials").addEventListener("click", () => {
    const [trials, seed] = ["trials", "seed"].map((id) => document.getElementById(id).valueAsNumber);
    link.send({ t: "trials", trials, seed });
  });
}

link.addEventListener("welcome", ({ detail }) => {
  const first = welcome === null;
  welcome = detail;
  if (first) setUp();
  showEpisodes();
});

link.addEventListener("state", ({ detail }) => {
  state = detail;
  showStatus(state, welcome, true, operatorInput.pressedMs);
  buttons.enable(state, welcome.may_act);
  timeLine.show(state.replay, welcome.may_act);
  if (states++ % DETAILS_EVERY === 0) {
    showDevices(state.devices);
    showCalibration(state.calibration);
    showRates(state, link, [...pictures.values()]);
    showScore(state.trials, welcome.policy);
  }
  const last = `${state.recorder?.directory} ${state.recorder?.last?.episode}`;
  if (last !== episode) {
    episode = last;
    showEpisodes();
  }
});

link.addEventListener("picture", ({ detail }) => pictures.get(detail.camera)?.show(detail));

link.addEventListener("closed", () => {
  operatorInput.release();
  if (state) showStatus(state, welcome, false);
});
