"use strict";
const at = (id) => document.getElementById(id);
const speeds = new Array(120).fill(0);
let before = null;
let tried = null;
let shownAt = performance.now();

const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const whole = new Intl.NumberFormat("en");
const span = (seconds) => seconds == null ? "" : seconds < 1 ? "under a second"
  : seconds < 90 ? Math.round(seconds) + " s" : seconds < 5400 ? Math.round(seconds / 60) + " min"
  : (seconds / 3600).toFixed(1) + " h";

function call(path, options = {}) {
  const key = sessionStorage.getItem("workmill-key");
  const headers = key ? { Authorization: "Bearer " + key } : {};
  return fetch(path, { ...options, headers }).then((reply) => {
    if (reply.status === 401) { if (!at("door").open) at("door").showModal(); throw new Error("key"); }
    return reply;
  });
}
at("keyform").addEventListener("submit", () => {
  sessionStorage.setItem("workmill-key", at("key").value);
  refresh();
});

function linked(state, text) { at("dot").className = "dot " + state; at("link").textContent = text; }
// What is shown stays, grey, while no newer figures come: since when says `old`.
function old(text) { document.body.classList.add("old"); linked("lost", text); }
function fresh() { document.body.classList.remove("old"); linked("live", "live"); }
const since = (age) => age == null ? "no figures yet" : "figures are " + span(age) + " old, the store does not answer";

async function listen() {
  try {
    const reply = await call("/v1/events");
    if (!reply.ok) throw new Error("refused");
    const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const events = (text + value).split("\n\n");
      text = events.pop();
      events.forEach((event) => {
        const [name, data] = event.split("\n");
        const view = JSON.parse(data.slice(6));
        if (name === "event: stats") { shownAt = performance.now(); fresh(); show(view); }
        if (name === "event: stale") old(since(view.age_seconds));
      });
    }
  } catch { /* shown by the dot; tried again below */ }
  old("reconnecting");
  setTimeout(listen, 1500);
}

function show(view) {
  const { stats } = view;
  const jobs = stats.jobs;
  at("queued").textContent = whole.format((jobs.queued || 0) + (jobs.attached || 0));
  at("leased").textContent = whole.format(jobs.leased || 0);
  at("completed").textContent = short.format(stats.completed_total);
  at("workers").textContent = whole.format(view.workers);
  const oldest = stats.oldest_queued_at_ms
    ? ", the oldest for " + span(Math.max(0, Date.now() - stats.oldest_queued_at_ms) / 1000) : "";
  at("wait").textContent = !stats.backlog_iterations ? "nothing to do" : view.backlog_seconds == null
    ? "no worker yet" + oldest : span(view.backlog_seconds) + " of work" + oldest;
  at("left").textContent = stats.backlog_iterations
    ? short.format(stats.backlog_iterations) + " iterations to go" : "";
  at("rate").textContent = view.rate_hz ? short.format(view.rate_hz) + " iterations/s together" : "";
  at("saved").textContent = stats.iterations_saved_total
    ? short.format(stats.iterations_saved_total) + " iterations saved by known work" : "";
  const now = performance.now();
  if (before) {
    const seconds = Math.max(.2, (now - before.now) / 1000);
    const speed = Math.max(0, stats.iterations_done_total - before.stats.iterations_done_total) / seconds;
    const pace = Math.max(0, stats.completed_total - before.stats.completed_total) / seconds;
    at("pace").textContent = short.format(Math.round(pace * 10) / 10) + " a second"
      + (stats.failed_total ? ", " + whole.format(stats.failed_total) + " failed" : "");
    at("speed").textContent = short.format(speed) + " now";
    speeds.push(speed); speeds.shift();
    draw();
  }
  before = { stats, now };
}

function draw() {
  const top = Math.max(...speeds, 1) * 1.1;
  const path = speeds.map((speed, i) => (i ? "L" : "M") + i + " " + (100 - 98 * speed / top).toFixed(2)).join("");
  at("line").setAttribute("d", path);
  at("area").setAttribute("d", path + "L119 100L0 100Z");
}

function cell(text, name) {
  const td = document.createElement("td");
  if (text instanceof Node) td.append(text); else td.textContent = text ?? "";
  if (name) td.className = name;
  return td;
}
function table(heads, rows) {
  const made = document.createElement("table");
  const head = made.createTHead().insertRow();
  heads.forEach(([text, name]) => {
    const th = document.createElement("th"); th.textContent = text; th.className = name || ""; head.append(th);
  });
  const body = made.createTBody();
  rows.forEach((cells) => body.insertRow().append(...cells));
  return made;
}
function empty(text) { const p = document.createElement("div"); p.className = "empty"; p.textContent = text; return p; }
function bar(share) {
  const outer = document.createElement("div"); outer.className = share < 1 ? "bar" : "bar full";
  const inner = document.createElement("span"); inner.style.width = (100 * share).toFixed(1) + "%";
  outer.append(inner); return outer;
}
const shownAs = { leased: "running", queued: "waiting", attached: "waiting for its twin" };
function chip(status) {
  const made = document.createElement("span");
  made.className = "chip " + status; made.textContent = shownAs[status] || status; return made;
}
function code(text) { const made = document.createElement("code"); made.textContent = text; return made; }

const place = (node) => [node.role, node.host, node.pid, node.incarnation].join(" ");
async function refresh() {
  try {
    const [page, live] = await Promise.all(
      ["/v1/jobs?limit=12", "/v1/nodes"].map((path) => call(path).then((reply) => reply.json())));
    at("jobs").replaceChildren(page.jobs.length ? table(
      [["Job"], ["Status"], ["Progress"], ["Iterations", "num"], ["Left", "num"], ["Value", "extra"]],
      page.jobs.map((job) => [
        cell(code(job.id)), cell(chip(job.status)), cell(bar(job.done / job.iterations)),
        cell(whole.format(job.iterations), "num"), cell(span(job.eta_seconds), "num"),
        cell(code(job.value ? job.value.slice(0, 16) + "…" : job.reason ? job.reason.slice(0, 40) : ""), "extra"),
      ])) : empty("No job yet. Submit one above."));
    at("nodes").replaceChildren(table(
      [["Process"], ["Where"], ["Jobs", "num"], ["Iterations/s", "num"], ["Cores", "num"]],
      live.nodes.sort((a, b) => place(a).localeCompare(place(b), "en", { numeric: true })).map((node) => [
        cell(node.role + (node.draining ? " (draining)" : node.leads ? " (leads)" : "")),
        cell(node.serves || node.host + " · " + node.pid),
        cell(node.role === "worker" ? whole.format(node.leased) : "", "num"),
        cell(node.rate_hz ? short.format(node.rate_hz) : "", "num"),
        cell(node.load.cpu_cores.toFixed(2), "num"),
      ])));
    if (!live.nodes.some((node) => node.role === "worker"))
      at("nodes").append(empty("No worker has reported yet. `workmill up` starts some."));
  } catch { /* the dot tells */ }
}

async function follow(id) {
  while (tried === id) {
    const job = await call("/v1/jobs/" + id + "?wait=0.5").then((reply) => reply.json());
    at("progress").style.width = (100 * job.done / job.iterations).toFixed(1) + "%";
    if (job.value) return answer("sha512 × " + whole.format(job.iterations) + " = ", job.value);
    if (["failed", "cancelled"].includes(job.status)) return answer(job.status + " ", job.reason || "");
    answer((shownAs[job.status] || job.status) + " ", job.eta_seconds == null ? "" : "about " + span(job.eta_seconds) + " left");
  }
}
function answer(label, value) {
  const strong = document.createElement("b"); strong.textContent = value;
  at("answer").replaceChildren(label, strong);
}
at("try").addEventListener("submit", async (event) => {
  event.preventDefault();
  const id = uuid();
  tried = id;
  at("progress").style.width = "0";
  try {
    const path = "/v1/jobs/" + id + "?iterations=" + encodeURIComponent(at("iterations").value.trim());
    const reply = await call(path, { method: "PUT", body: at("data").value });
    const said = await reply.json();
    if (!reply.ok) return answer("", said.detail);
    await follow(id);
  } catch (error) { answer("", "No answer: " + error.message + ". Try again."); }
  refresh();
});
function uuid() {
  const b = crypto.getRandomValues(new Uint8Array(16));
  b[6] = b[6] & 15 | 64; b[8] = b[8] & 63 | 128;
  const hex = [...b].map((x) => x.toString(16).padStart(2, "0")).join("");
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");
}

// A connection that hangs ends nothing by itself.
function watch() {
  const age = (performance.now() - shownAt) / 1000;
  if (age > 5 && !document.body.classList.contains("old")) old("no figures for " + span(age));
}

listen();
refresh();
setInterval(refresh, 2000);
setInterval(watch, 1000);
