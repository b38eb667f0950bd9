// The slower parts of the page: episodes, devices, rates, the rollout's score.

const byId = (id) => document.getElementById(id);

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

export async function showEpisodes() {
  const response = await fetch("/episodes");
  if (!response.ok) return;
  const episodes = await response.json();
  const count = (verdict) => episodes.filter((it) => it.verdict === verdict).length;
  byId("tally").textContent = episodes.length ? `${count("success")} success, ${count("failure")} failure` : "";
  byId("episodes").replaceChildren(...episodes.map(episodeItem));
  if (!episodes.length) byId("episodes").append(element("li", { className: "empty", textContent: "none yet" }));
}

function episodeItem({ name, verdict, quality, reason, seconds, drivers = [] }) {
  const shot = element("img", { className: "shot", alt: "", loading: "lazy", src: `/thumbnail/${encodeURIComponent(name)}` });
  const kind = { accept: "good", warn: "warn", reject: "bad" }[quality] ?? "";
  const line = element("b", {}, verdict);
  if (quality) line.append(" · ", element("i", { className: kind, textContent: quality }));
  const takeover = drivers.includes("policy") && drivers.includes("teleop") ? "takeover" : drivers.join(", ");
  const facts = [seconds === undefined ? "" : `${seconds} s`, takeover].filter(Boolean).join(" · ");
  return element("li", { className: verdict, title: `${name}: ${reason}` }, shot, line, element("span", {}, facts), element("span", {}, name));
}

export function showDevices(devices) {
  byId("devices").replaceChildren(...(devices?.devices ?? []).map(({ name, title, connected, problem, buttons }) => element(
    "div",
    { className: connected ? "" : "off" },
    element("h3", {}, title, connected ? (devices.driver === name ? " · drives" : "") : " · not connected"),
    ...(problem ? [element("p", { className: "bad" }, problem)] : []),
    ...buttons.map(([button, does]) => element("p", {}, element("b", {}, button), ` ${does}`)),
  )));
}

export function showRates(state, link, pictures) {
  const rates = Object.entries(state.rates_hz).map(([name, hz]) => [name, `${hz.toFixed(0)} Hz`]);
  const ages = pictures.map(({ camera, ageMs }) => [`${camera.name} age`, ms(ageMs)]);
  const press = state.press_ms ? [["press to motion", state.press_ms.map(ms).join(", ")]] : [];
  const budget = Object.entries(state.budget_ms ?? {}).map(([stage, times]) => [`${stage} (p50 p95 p99)`, `${times} ms`]);
  const rows = [...rates, ...ages, ["round trip", ms(link.roundTripMs)], ...press, ...budget];
  byId("rates").replaceChildren(...rows.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
  byId("troubles").replaceChildren(...state.troubles.map(([name, level, message]) => element(
    "li", { className: level > 1 ? "bad" : "warn", title: message }, `${name}: ${message}`,
  )));
}

export function showScore(trials, policy) {
  byId("policy").textContent = policy;
  byId("run-trials").disabled = !trials || trials.state === "running";
  if (!trials) {
    byId("score").textContent = "";
    return;
  }
  const { progress, chunks, trials: done, successes } = trials;
  const score = done ? `${successes} of ${done} succeeded` : "";
  byId("score").textContent = [score, progress, chunks].filter(Boolean).join(" · ");
}

// Which parts of the picture have shown the board, and what is still to be shown.
export function showCalibration(calibration) {
  byId("calibration").hidden = !calibration;
  if (!calibration) return;
  const { progress, counts = [], missing = [], touch = false, finish = false } = calibration;
  byId("calibration-progress").textContent = progress;
  document.querySelector("[data-action=touch]").hidden = !touch;
  document.querySelector("[data-action=finish]").hidden = !finish;
  byId("coverage").style.gridTemplateColumns = `repeat(${counts[0]?.length ?? 1}, 1fr)`;
  byId("coverage").replaceChildren(...counts.flat().map((corners) => element(
    "li", { className: corners ? "seen" : "", title: `${corners} corners`, textContent: corners || "" },
  )));
  byId("missing").replaceChildren(...missing.map((textContent) => element("li", { textContent })));
}

const ms = (value) => (value === null ? "-" : `${value.toFixed(0)} ms`);
