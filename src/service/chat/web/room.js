"use strict";
// A member is there while its stream is read. What others say is only ever set as text.
const byId = (id) => document.getElementById(id);
const log = byId("log"), text = byId("text"), send = byId("send"), hint = byId("hint");
const LINES = 500;          // kept on the page
const DEAD_AFTER = 40000;   // the server is heard every 15 s
const PATIENCE = 15000;     // longest pause between two attempts to come back

let me = null;              // what the server said in its welcome
let yours = true;           // it is our turn
let stream = null;          // the AbortController of the stream
let wanted = false;         // we are in the room, or coming back
let attempt = 0, retry = 0, watch = 0;

function time() {
  return new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

function hue(name) {
  let n = 0;
  for (const c of name) n = (n * 31 + c.codePointAt(0)) % 360;
  return n;
}

function add(line) {
  const low = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  log.append(line);
  while (log.children.length > LINES) log.firstChild.remove();
  if (low || line.className === "own") log.scrollTop = log.scrollHeight;
}

function element(name, words, kind) {
  const made = document.createElement(name);
  made.textContent = words;
  if (kind) made.className = kind;
  return made;
}

function said(from, words, kind) {
  const line = document.createElement("li");
  line.className = kind;
  if (kind !== "own") {
    const who = element("span", from, "from");
    who.style.setProperty("--hue", hue(from));
    line.append(who);
  }
  line.append(element("span", words), element("time", time()));
  add(line);
}

function notice(words, kind) {
  add(element("li", words, kind ? "notice " + kind : "notice"));
}

function showTurn() {
  const connected = stream !== null && me !== null;
  send.disabled = !connected || !yours;
  hint.className = "soft";
  if (!connected) hint.textContent = "The connection is lost; trying to come back…";
  else if (!me.turns) hint.textContent = "";
  else if (yours) { hint.textContent = "Your turn."; hint.className = "now"; }
  else hint.textContent = "Wait: your last message must be answered before you may say the next.";
}

function showState(state) {
  byId("dot").className = state;
  byId("dot").title = { on: "connected", lost: "trying to come back", "": "not connected" }[state];
  byId("join").hidden = wanted;
  for (const id of ["log", "speak", "leave"]) byId(id).hidden = !wanted;
  byId("here").hidden = !wanted;
  showTurn();
}

function showMembers(members) {
  const here = byId("here");
  here.replaceChildren("here: ", ...members.names.flatMap((name, n) => {
    const who = me && name === me.name ? element("b", name + " (you)") : name;
    return n ? [", ", who] : [who];
  }));
  if (members.more) here.append(" and " + members.more + " others");
}

const tell = {
  welcome(data) {
    const before = me && me.name;
    me = data;
    attempt = 0;
    sessionStorage.setItem("member", JSON.stringify({ name: me.name, token: me.token }));
    if (before !== me.name) notice("you are " + me.name);
    showState("on");
  },
  message(data) { said(data.from, data.text, data.from === me.host ? "host" : "other"); },
  notice(data) { notice(data.text); },
  members(data) { showMembers(data); },
  turn(data) { yours = data.yours; showTurn(); },
  end(data) { over(data.reason); },
};

// The visit is over: nobody comes back by itself.
function over(reason) {
  wanted = false;
  sessionStorage.removeItem("member");
  if (stream) stream.abort();
  stream = null;
  me = null;
  clearTimeout(retry);
  byId("refusal").textContent = reason || "";
  showState("");
}

function dispatch(block) {
  let name = "", data = "";
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) name = line.slice(7);
    else if (line.startsWith("data: ")) data = line.slice(6);
  }
  if (Object.hasOwn(tell, name)) tell[name](JSON.parse(data));
}

async function listen(name, token) {
  clearTimeout(retry);
  const own = stream = new AbortController();
  const alive = () => { clearTimeout(watch); watch = setTimeout(() => own.abort(), DEAD_AFTER); };
  const headers = token ? { Authorization: "Bearer " + token } : {};
  alive();
  try {
    const reply = await fetch("/events?name=" + encodeURIComponent(name), { headers, signal: own.signal, cache: "no-store" });
    if (!reply.ok) {
      const why = await reply.json().catch(() => ({ error: "status " + reply.status }));
      // A busy room may have a place later, for who was there.
      if (reply.status !== 503 || !me) return over(why.error);
      throw new Error(why.error);
    }
    const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ;) {
      const { value, done } = await reader.read();
      if (done) break;
      alive();
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      blocks.forEach(dispatch);
      if (own !== stream) return;
    }
  } catch (error) {
    if (wanted && !me && own === stream) return over("no answer: " + error.message);
  }
  if (own !== stream) return;
  stream = null;
  clearTimeout(watch);
  if (wanted) {
    showState("lost");
    retry = setTimeout(comeBack, Math.min(PATIENCE, 500 * 2 ** attempt++));
  }
}

function comeBack() {
  if (wanted && me && !stream) listen(me.name, me.token);
}

// A phone that wakes up does not wait for the next attempt.
document.addEventListener("visibilitychange", () => { if (!document.hidden) comeBack(); });
addEventListener("online", comeBack);

async function post(path, body) {
  const headers = { Authorization: "Bearer " + me.token, "Content-Type": "text/plain" };
  const reply = await fetch(path, { method: "POST", headers, body });
  const answer = await reply.json().catch(() => ({ error: "status " + reply.status }));
  return answer;
}

byId("join").addEventListener("submit", (event) => {
  event.preventDefault();
  wanted = true;
  yours = true;
  byId("refusal").textContent = "";
  log.replaceChildren();
  const name = byId("name").value.trim();
  localStorage.setItem("name", name);
  listen(name, "");
  showState("");
  text.focus();
});

byId("speak").addEventListener("submit", async (event) => {
  event.preventDefault();
  const words = text.value;
  if (!words.trim() || send.disabled) return;
  send.disabled = true;
  let answer;
  try {
    answer = await post("/say", words);
  } catch {
    answer = { error: "not sent: the server does not answer" };
  }
  if (answer.said) {
    if (answer.turn !== null) yours = answer.turn;
    said(answer.from, words.replace(/^\/\//, "/"), "own");
  }
  // What was refused stays, to be sent later.
  if (answer.error) notice(answer.error, "bad");
  else text.value = "";
  if (answer.notice) notice(answer.notice);
  showTurn();
  text.focus();
});

byId("leave").addEventListener("click", async () => {
  try { await post("/leave", ""); } catch { /* it hears that the stream ends */ }
  over("");
});

// A page that is loaded again is the same member.
const last = JSON.parse(sessionStorage.getItem("member") || "null");
byId("name").value = (last && last.name) || localStorage.getItem("name") || "";
if (last) {
  wanted = true;
  showState("");
  listen(last.name, last.token);
} else {
  showState("");
  byId("name").focus();
}
