/**
 * The script of the status page: plain JavaScript for the browser. It knows no module: a field's name says
 * how its value reads (`…Bytes`, `…Ms`, `…Seconds`, `…At`, `…AtMs`, `sinceMs`), lists of objects become tables.
 */
export const SCRIPT = `"use strict";
const PERIOD_MS = 2000;
const byId = (id) => document.getElementById(id);
const GOOD = ["up", "current", "online", "ready"];
const BAD = ["down", "rejected", "offline", "failed"];
const shown = new Map();

function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

function words(name) {
  const text = name.replace(/(Bytes|AtMs|Ms|Seconds|At)$/, "").replace(/([a-z0-9])([A-Z])/g, "$1 $2").toLowerCase();
  return text === "" ? name : text;
}

function duration(seconds) {
  if (seconds < 1) return Math.round(seconds * 1000) + " ms";
  if (seconds < 120) return (seconds < 10 ? Math.round(seconds * 10) / 10 : Math.round(seconds)) + " s";
  if (seconds < 7200) return Math.round(seconds / 60) + " min";
  if (seconds < 172800) return Math.round(seconds / 3600) + " h";
  return Math.round(seconds / 86400) + " days";
}

function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  for (; n >= 1024 && i < units.length - 1; i++) n /= 1024;
  return (n >= 10 || i === 0 ? Math.round(n) : n.toFixed(1)) + " " + units[i];
}

function scalar(name, value) {
  if (value === null || value === undefined || value === "") return make("span", "none", "\\u2013");
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") {
    if (/bytes$/i.test(name)) return bytes(value);
    if (/(since|At)Ms$/.test(name)) return moment(value);
    if (/Ms$/.test(name)) return duration(value / 1000);
    if (/seconds$/i.test(name)) return duration(value);
    return value.toLocaleString("en");
  }
  if (/At$/.test(name) && !Number.isNaN(Date.parse(value))) return moment(Date.parse(value));
  if (name === "state") {
    const tone = GOOD.includes(value) ? " ok" : BAD.includes(value) ? " bad" : "";
    return make("span", "pill" + tone, value);
  }
  return String(value);
}

function moment(ms) {
  const element = make("time", "", "");
  element.dateTime = new Date(ms).toISOString();
  return tick(element);
}

// Cards are made again only when their data changes, but time goes on in the others too.
function tick(element) {
  const ms = Date.parse(element.dateTime);
  const seconds = (Date.now() - ms) / 1000;
  const time = new Date(ms).toLocaleString();
  element.textContent = seconds < 1 ? time : time + " (" + duration(seconds) + " ago)";
  return element;
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

function table(rows) {
  const columns = [...new Set(rows.flatMap(Object.keys))];
  const head = make("tr", "", ...columns.map((name) => make("th", "", words(name))));
  const body = rows.map((row) =>
    make("tr", "", ...columns.map((name) => make("td", "", cell(name, row[name])))));
  return make("div", "scroll", make("table", "", make("thead", "", head), make("tbody", "", ...body)));
}

function cell(name, value) {
  if (Array.isArray(value)) {
    if (value.length === 0) return make("span", "none", "none");
    return value.map((item) => isObject(item) ? JSON.stringify(item) : String(item)).join(", ");
  }
  return isObject(value) ? JSON.stringify(value) : scalar(name, value);
}

function fields(data) {
  const list = make("dl", "");
  const rest = [];
  for (const [name, value] of Object.entries(data)) {
    if (Array.isArray(value) && value.length > 0 && value.every(isObject)) {
      rest.push(make("h3", "", words(name)), table(value));
    } else if (isObject(value) && Object.keys(value).length > 0) {
      rest.push(make("h3", "", words(name)), ...fields(value));
    } else {
      list.append(make("dt", "", words(name)), make("dd", "", cell(name, value)));
    }
  }
  return list.childElementCount === 0 ? rest : [list, ...rest];
}

function card(module) {
  const pill = make("span", "pill " + (module.ready ? "ok" : "bad"), module.ready ? "ready" : "not ready");
  const body = fields(module.status || {});
  const wide = Object.values(module.status || {}).some((v) => Array.isArray(v) && v.some(isObject));
  return make("section", wide ? "card wide" : "card", make("div", "", make("h2", "", module.name), pill),
    ...(module.reason ? [make("p", "reason", module.reason)] : []), ...body);
}

function show(status) {
  const { agent } = status;
  document.title = (status.ready ? "" : "\\u26a0 ") + (agent.hostname || "") + " \\u00b7 edge-agent";
  byId("about").textContent = [agent.hostname, "version " + agent.version, "Deno " + agent.deno,
    "up " + duration(agent.uptimeSeconds), bytes(agent.residentBytes)].join(" \\u00b7 ");
  const state = byId("state");
  state.className = "pill " + (status.ready ? "ok" : "bad");
  const word = status.ready ? "ready" : "not ready";
  if (state.textContent !== word) state.textContent = word;
  const main = byId("modules");
  const names = status.modules.map((module) => module.name);
  for (const [name, old] of shown) {
    if (names.includes(name)) continue;
    old.element.remove();
    shown.delete(name);
  }
  for (const module of status.modules) {
    const text = JSON.stringify(module);
    const old = shown.get(module.name);
    if (old && old.text === text) continue;
    const element = card(module);
    if (old) old.element.replaceWith(element);
    else main.append(element);
    shown.set(module.name, { text, element });
  }
}

async function refresh() {
  document.querySelectorAll("time").forEach(tick);
  const lost = byId("lost");
  try {
    const response = await fetch("/status", { signal: AbortSignal.timeout(5000) });
    if (!response.ok) throw new Error("HTTP " + response.status);
    show(await response.json());
    lost.hidden = true;
    byId("updated").textContent = "Updated " + new Date().toLocaleTimeString();
  } catch (error) {
    lost.textContent = "No answer from the agent (" + error.message + "). What is shown may be old.";
    lost.hidden = false;
    byId("state").className = "pill";
    byId("state").textContent = "unknown";
  }
  setTimeout(refresh, PERIOD_MS);
}

refresh();
`;
