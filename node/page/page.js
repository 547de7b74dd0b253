// The dashboard and the chat. Everything that comes from the mesh is shown through textContent: a
// node's name is a peer's text and may be anything.
"use strict";

const POLL_MS = 1000;
const STAGE_COLOURS = 6;
const byId = (id) => document.getElementById(id);

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

// ---- Figures for people.

function bytes(count) {
  if (count === null || count === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (count >= 1024 && unit < units.length - 1) {
    count /= 1024;
    unit += 1;
  }
  return `${count.toFixed(unit && count < 10 ? 1 : 0)} ${units[unit]}`;
}
const rate = (value) => (value > 0 ? `${value.toFixed(1)} tokens/s` : "–");
const millis = (value) => `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`;

function figures(list, pairs) {
  list.replaceChildren();
  for (const [term, value] of pairs) {
    const item = make("div");
    item.append(make("dt", "", term), make("dd", "", value));
    list.append(item);
  }
}

// ---- Talking to the node.

function headers(extra) {
  const key = sessionStorage.getItem("weft-key");
  return key ? { ...extra, Authorization: `Bearer ${key}` } : { ...extra };
}

async function errorText(response) {
  try {
    return (await response.json()).error.message;
  } catch {
    return `the node answered ${response.status}`;
  }
}

// ---- The mesh.

function layerBar(bar, plan, onlyNode) {
  bar.replaceChildren();
  let at = 0;
  const gap = (count) => {
    if (count <= 0) return;
    const empty = make("div");
    empty.style.flexGrow = String(count);
    bar.append(empty);
  };
  plan.stages.forEach((stage, index) => {
    if (onlyNode && stage.id !== onlyNode) return;
    gap(stage.first_layer - at);
    const part = make("div", `stage-${index % STAGE_COLOURS}`);
    if (stage.progress < 1) part.classList.add("loading");
    part.style.flexGrow = String(stage.last_layer - stage.first_layer);
    part.style.flexBasis = "0";
    if (!onlyNode) {
      const loaded = stage.progress < 1 ? ` ${Math.floor(stage.progress * 100)} %` : "";
      part.textContent = `${stage.name} ${stage.first_layer}–${stage.last_layer - 1}${loaded}`;
      part.title = part.textContent;
    }
    bar.append(part);
    at = stage.last_layer;
  });
  gap(plan.layer_count - at);
}

function showPlan(mesh) {
  const plan = mesh.plan;
  const bar = byId("layer-bar");
  bar.hidden = !plan;
  const leftOut = byId("left-out");
  leftOut.replaceChildren();
  if (!plan) {
    figures(byId("plan"), [["State", "no plan"]]);
    return;
  }
  figures(byId("plan"), [
    ["Model", plan.model_name],
    ["State", plan.active ? "serving" : `loading ${Math.floor(plan.progress * 100)} %`],
    ["Predicted, one stream", rate(plan.predicted.decode_tps)],
    ["Predicted, many", rate(plan.predicted.throughput_tps)],
    ["Layers", String(plan.layer_count)],
    ["Context", `${plan.context_length} tokens`],
    ["Epoch", String(plan.epoch)],
  ]);
  layerBar(bar, plan);
  for (const node of plan.left_out) {
    leftOut.append(make("li", "", `${node.name} is left out: ${node.reason}`));
  }
}

function nodeCard(mesh, node) {
  const card = make("article", "node");
  const title = make("h3");
  const tags = [node.state];
  if (node.self) tags.push("this node");
  if (node.id === mesh.coordinator) tags.push("coordinator");
  title.append(make("i", `state ${node.state}`), make("span", "", node.name),
               make("span", "tag", tags.join(" · ")));
  card.append(title);
  if (mesh.plan && node.layers) {
    const bar = make("div", "layer-bar thin");
    layerBar(bar, mesh.plan, node.id);
    card.append(bar);
  }
  const list = make("dl", "figures small");
  figures(list, [
    ["Layers", node.layers ? `${node.layers.first}–${node.layers.last - 1}` : "none"],
    ["Backend", node.backend ?? "–"],
    ["Memory", bytes(node.memory_bytes)],
    ["Load", `${node.load.stage_sessions} sessions, ${node.load.queued_rows} rows queued`],
    ["Speed lately", rate(node.load.decode_tokens_per_s)],
  ]);
  card.append(list);
  if (node.links.length) {
    const links = make("ul", "links");
    for (const link of node.links) {
      const width = link.bytes_per_s > 0 ? `, ${bytes(link.bytes_per_s)}/s` : "";
      links.append(make("li", "", `→ ${link.name}: ${millis(link.round_trip_ms)}${width}`));
    }
    card.append(links);
  }
  return card;
}

function showModels(mesh) {
  const select = byId("model");
  const names = mesh.offers.map((offer) => offer.name);
  const shown = Array.from(select.options, (option) => option.value);
  byId("model-choice").hidden = names.length === 0;
  if (names.join("\n") === shown.join("\n")) return;
  const chosen = select.value || mesh.plan?.model_name;
  select.replaceChildren(...mesh.offers.map((offer) => {
    const option = make("option", "", `${offer.name} (${bytes(offer.file_bytes)})`);
    option.value = offer.name;
    return option;
  }));
  if (names.includes(chosen)) select.value = chosen;
}

let wish = ""; // what became of the last "Serve it"

function showWish(refusal) {
  if (refusal) wish = "";
  byId("serve-answer").textContent =
    refusal ? `${refusal.model_name} is not served: ${refusal.reason}` : wish;
}

function showProblem(text) {
  byId("problem").hidden = !text;
  byId("problem").textContent = text || "";
}

function showMesh(mesh) {
  const alive = mesh.nodes.filter((node) => node.state === "alive").length;
  const streams = mesh.sessions.length;
  byId("summary").textContent =
    `${alive} of ${mesh.nodes.length} nodes alive, ${streams} open ${streams === 1 ? "answer" : "answers"}`;
  showProblem([mesh.alarm, mesh.problem, mesh.warning].filter(Boolean).join(". "));
  showPlan(mesh);
  showModels(mesh);
  showWish(mesh.refusal);
  byId("nodes").replaceChildren(...mesh.nodes.map((node) => nodeCard(mesh, node)));
}

async function poll() {
  try {
    const response = await fetch("/api/mesh", {
      headers: headers(),
      signal: AbortSignal.timeout(5 * POLL_MS),
    });
    byId("key-form").hidden = response.status !== 401;
    if (response.ok) showMesh(await response.json());
    else byId("summary").textContent = await errorText(response);
  } catch {
    byId("summary").textContent = "this node does not answer";
  }
  setTimeout(poll, POLL_MS);
}

byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("weft-key", byId("key").value);
  byId("key").value = "";
  byId("key-form").hidden = true;
});

byId("serve").addEventListener("click", async () => {
  const response = await fetch("/api/model", {
    method: "POST",
    headers: headers({ "Content-Type": "application/json" }),
    body: JSON.stringify({ name: byId("model").value }),
  });
  wish = response.ok ? "asked" : await errorText(response);
  showWish(null);
});

// ---- The chat.

let messages = [];
let running = null; // the AbortController of the answer on its way

function say(className, text) {
  const line = make("p", className, text);
  byId("chat-log").append(line);
  line.scrollIntoView({ block: "nearest" });
  return line;
}

function setRunning(controller) {
  running = controller;
  byId("send").disabled = controller !== null;
  byId("stop").disabled = controller === null;
}

// Calls `take` with the data of each server-sent event.
async function readEvents(body, take) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      if (event.startsWith("data: ")) take(event.slice(6));
    }
  }
}

function showSpeed(started, first, count) {
  if (!first) return;
  const now = performance.now();
  const speed = count > 1 ? `${((count - 1) / ((now - first) / 1000)).toFixed(1)} tokens/s, ` : "";
  byId("chat-figures").textContent =
    `${speed}first token after ${millis(first - started)}, ${count} tokens`;
}

// history: the chat it belongs to, which "New chat" may have replaced by the time it ends.
async function answer(history, controller) {
  const started = performance.now();
  let first = 0;
  let count = 0;
  let text = "";
  let finished = false;
  const line = say("assistant", "…");
  const response = await fetch("/v1/chat/completions", {
    method: "POST",
    headers: headers({ "Content-Type": "application/json" }),
    body: JSON.stringify({ messages: history, stream: true, stream_options: { include_usage: true } }),
    signal: controller.signal,
  });
  if (!response.ok) {
    line.remove();
    throw new Error(await errorText(response));
  }
  try {
    await readEvents(response.body, (data) => {
      if (data === "[DONE]") {
        finished = true;
        return;
      }
      const chunk = JSON.parse(data);
      if (chunk.error) throw new Error(chunk.error.message);
      if (chunk.usage) count = chunk.usage.completion_tokens;
      const delta = chunk.choices[0]?.delta?.content;
      if (delta) {
        first ||= performance.now();
        count += 1;
        text += delta;
        line.textContent = text;
        line.scrollIntoView({ block: "nearest" });
      }
      showSpeed(started, first, count);
    });
  } finally {
    if (text) history.push({ role: "assistant", content: text });
    else line.remove();
  }
  if (!finished) throw new Error("the answer broke off");
}

byId("chat-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const prompt = byId("prompt").value.trim();
  if (!prompt || running) return;
  byId("prompt").value = "";
  const history = messages;
  history.push({ role: "user", content: prompt });
  say("user", prompt);
  const controller = new AbortController();
  setRunning(controller);
  try {
    await answer(history, controller);
  } catch (error) {
    if (!controller.signal.aborted) say("error", error.message);
  }
  if (history.at(-1).role === "user") history.pop(); // an unanswered message is not sent again
  setRunning(null);
});

byId("prompt").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    byId("chat-form").requestSubmit();
  }
});
byId("stop").addEventListener("click", () => running?.abort());
byId("clear").addEventListener("click", () => {
  running?.abort();
  messages = [];
  byId("chat-log").replaceChildren();
  byId("chat-figures").textContent = "";
});

poll();
