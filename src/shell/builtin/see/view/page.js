// The page of `view`. Text of others is only ever set as text. One stream feeds the page; it is opened again for another
// session or filter.
"use strict";

const MOST_DELAY = 500;
const TYPING = 300;
const SVG = "http://www.w3.org/2000/svg";
const at = (id) => document.getElementById(id);

let stream = null;
let chosen = null; // the session whose packets are shown
let pinned = false; // a person chose it; else the newest is followed
let pictures = 0;
const rows = new Map();
const cards = new Map();

function make(tag, cls, parent) {
  const made = document.createElement(tag);
  if (cls) made.className = cls;
  if (parent) parent.append(made);
  return made;
}

function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const label = (session) => session.name ?? `%${session.id}`;

// The stream

function open() {
  if (stream) stream.close();
  const asked = [];
  if (chosen !== null) asked.push(`session=${chosen}`);
  const filter = at("filter").value.trim();
  if (filter) asked.push(`filter=${encodeURIComponent(filter)}`);
  stream = new EventSource(`events?${asked.join("&")}`);
  const own = stream;
  const on = (name, show) =>
    own.addEventListener(name, (event) => {
      if (own === stream) show(JSON.parse(event.data));
    });
  on("sessions", showSessions);
  on("record", showRecord);
  on("diagram", showDiagram);
  own.onopen = () => state("live", false);
  own.onerror = () => {
    if (own !== stream) return;
    const closed = own.readyState === EventSource.CLOSED;
    state(closed ? "not live: too many pages, or the shell has ended; reload" : "not live: the shell does not answer", true);
  };
}

function state(text, bad) {
  put(at("state"), text);
  at("state").className = bad ? "bad" : "";
}

// Sessions

function choose(id, byHand) {
  pinned = byHand;
  if (id === chosen) return;
  chosen = id;
  at("diagram").replaceChildren();
  at("record").replaceChildren();
  put(at("remark"), "");
  open();
}

function showSessions({ sessions, hidden }) {
  const live = sessions.filter((session) => session.live);
  put(at("summary"), `${live.length} live, ${sessions.length - live.length + hidden} ended`);
  put(at("hidden"), hidden > 0 ? `${hidden} older sessions are not shown` : "");
  forget(rows, sessions);
  sessions.forEach((session) => showRow(rowOf(session), session));
  const links = live.filter((session) => session.link);
  at("links-section").hidden = links.length === 0;
  forget(cards, links);
  links.forEach((session) => showLink(cardOf(session), session));
  follow(sessions);
  const one = sessions.find((session) => session.id === chosen);
  document.querySelectorAll("h2 .chosen").forEach((node) => put(node, one ? label(one) : "no session yet"));
  put(at("follows"), chosen === null ? "" : pinned ? "chosen by hand" : "the newest; click a session to stay with it");
}

// The newest session that has packets and is no link; a link if there is nothing else.
function follow(sessions) {
  if (pinned && sessions.some((session) => session.id === chosen)) return;
  const seen = sessions.filter((session) => session.packets > 0);
  const newest = seen.filter((session) => !session.link).pop() ?? seen.pop();
  if (newest) choose(newest.id, false);
}

function forget(known, sessions) {
  const left = new Set(sessions.map((session) => session.id));
  for (const [id, { node }] of known) {
    if (!left.has(id)) {
      node.remove();
      known.delete(id);
    }
  }
}

function rowOf(session) {
  if (rows.has(session.id)) return rows.get(session.id);
  const node = make("tr", "", at("sessions"));
  const cell = (cls) => make("td", cls, node);
  const first = cell("");
  const row = { node, name: make("button", "", first), kind: make("span", "kind", first) };
  row.progress = make("progress", "", first);
  row.state = make("span", "state", cell(""));
  row.peer = cell("");
  [row.in, row.out, row.rate] = [cell("number"), cell("number"), cell("number")];
  const curve = document.createElementNS(SVG, "svg");
  curve.setAttribute("class", "curve");
  curve.setAttribute("viewBox", "0 0 60 20");
  curve.setAttribute("preserveAspectRatio", "none");
  curve.setAttribute("aria-hidden", "true");
  row.path = document.createElementNS(SVG, "path");
  curve.append(row.path);
  cell("").append(curve);
  row.age = cell("number");
  node.addEventListener("click", () => choose(session.id, !(pinned && chosen === session.id)));
  rows.set(session.id, row);
  return row;
}

function showRow(row, session) {
  put(row.name, label(session));
  put(row.kind, session.kind);
  row.progress.hidden = session.done === null;
  if (session.done !== null) row.progress.value = session.done;
  put(row.state, session.state);
  put(row.peer, session.peer);
  put(row.in, session.in);
  put(row.out, session.out);
  put(row.rate, session.rate);
  put(row.age, session.live ? session.age : `${session.age} ago`);
  row.path.setAttribute("d", curve(session.curve));
  const life = session.live ? "live" : session.state === "failed" ? "over failed" : "over";
  row.node.className = session.id === chosen ? `${life} chosen` : life;
}

// A filled curve that ends at the right; the highest point is at the top.
function curve(points) {
  const most = Math.max(...points, 0);
  if (most === 0) return "";
  const left = 60 - (points.length - 1);
  const spots = points.map((point, n) => `${left + n} ${(19 - (18 * point) / most).toFixed(2)}`);
  return `M${left} 19.5L${spots.join("L")}L60 19.5Z`;
}

// Links

function cardOf(session) {
  if (cards.has(session.id)) return cards.get(session.id);
  const node = make("div", "link", at("links"));
  const title = make("div", "", node);
  const card = { node, name: make("b", "", title), words: make("span", "words", title) };
  card.loss = slider(node, session, "loss", "%", 100, 1);
  card.delay = slider(node, session, "delay", "ms", MOST_DELAY, 5);
  card.hand = buttons(node, session);
  cards.set(session.id, card);
  return card;
}

// Packets by hand: what waits goes one by one, and the next of a kind can be lost.
function buttons(parent, session) {
  const line = make("div", "hand", parent);
  const button = (word, hand) => {
    const made = make("button", "", line);
    made.type = "button";
    put(made, word);
    made.addEventListener("click", () => turn({ session: session.id, hand: hand() }));
    return made;
  };
  const hold = button("hold", () => (hold.textContent === "hold" ? "hold" : "release"));
  const step = button("step", () => "step");
  const drops = [button("drop data", () => "drop data"), button("drop ack", () => "drop ack")];
  return { hold, step, drops, count: make("span", "words", line) };
}

function slider(parent, session, word, unit, most, step) {
  const line = make("label", "", parent);
  put(make("span", "", line), word);
  const input = make("input", "", line);
  Object.assign(input, { type: "range", min: 0, max: most, step });
  const output = make("output", "", line);
  const made = { line, input, output, unit, busy: false };
  input.addEventListener("input", () => {
    made.busy = true;
    put(output, `${input.value} ${unit}`);
  });
  input.addEventListener("change", () => {
    turn({ session: session.id, [word]: `${input.value}${unit}` }).finally(() => (made.busy = false));
  });
  return made;
}

function showLink(card, session) {
  put(card.name, label(session));
  put(card.words, session.link.words);
  card.loss.line.hidden = session.link.lossless;
  const { hold, step, drops, count } = card.hand;
  put(hold, session.link.holds ? "release" : "hold");
  step.disabled = session.link.held === 0;
  for (const drop of drops) drop.hidden = session.link.lossless;
  put(count, session.link.holds ? `${session.link.held} wait` : "");
  for (const word of ["loss", "delay"]) {
    const { input, output, unit, busy } = card[word];
    if (busy) continue;
    input.value = session.link[word];
    put(output, `${Number(session.link[word].toFixed(2))} ${unit}`);
  }
}

async function turn(wish) {
  try {
    const answer = await fetch("link", { method: "POST", body: JSON.stringify(wish) });
    put(at("link-error"), answer.ok ? "" : (await answer.text()) || `refused: ${answer.status}`);
  } catch {
    put(at("link-error"), "the shell does not answer");
  }
}

// Packets

const isAtEnd = (box) => box.scrollTop + box.clientHeight >= box.scrollHeight - 40;

function showRecord({ session, lines, error, remark }) {
  if (session !== chosen) return;
  put(at("filter-error"), error ?? "");
  at("filter").setAttribute("aria-invalid", String(error !== null));
  put(at("remark"), remark);
  const box = at("record");
  const follows = isAtEnd(box);
  box.replaceChildren(...lines.map(({ text, look }) => {
    const line = make("div", look);
    line.textContent = text;
    return line;
  }));
  if (follows) box.scrollTop = box.scrollHeight;
}

// The names of the lifelines, which stay in sight while the picture moves.
function laneNames(lanes) {
  const node = make("div", "lanes");
  const places = lanes.length === 2 ? ["left", "right"] : ["left", "middle", "right"];
  lanes.slice(0, 3).forEach((name, n) => put(make("span", places[n], node), name));
  return node;
}

async function showDiagram({ session, lanes, svg }) {
  if (session !== chosen) return;
  at("no-diagram").hidden = svg !== null;
  const box = at("diagram");
  const own = ++pictures;
  if (svg === null) return box.replaceChildren();
  // As an image it can load nothing and run nothing, and its style stays inside.
  const image = new Image();
  image.alt = "the newest packets as arrows between the sides";
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode().catch(() => {});
  if (own !== pictures) return;
  const follows = isAtEnd(box);
  const isFirst = box.childElementCount === 0;
  const picture = make("div");
  picture.append(laneNames(lanes), image);
  box.replaceChildren(picture);
  // Where it is wider than the screen, its middle says most.
  if (isFirst) box.scrollLeft = (box.scrollWidth - box.clientWidth) / 2;
  if (follows) box.scrollTop = box.scrollHeight;
}

let typing = 0;
at("filter").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(open, TYPING);
});

open();
