"use strict";
// Without this script the form asks, and the page comes again with the answer.
const form = document.getElementById("form");
const input = document.getElementById("q");
const results = document.getElementById("results");
const keys = document.getElementById("keys");
const KEPT = 50;

function element(name, text, kind) {
  const made = document.createElement(name);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function row(answer) {
  const line = document.createElement("li");
  const asked = element("button", answer.expression, "asked");
  asked.type = "button";
  line.append(asked);
  if (answer.error !== undefined) {
    line.className = "bad";
    if (answer.column) {
      // The column counts characters, not units of UTF-16.
      const column = Array.from(answer.expression).slice(0, answer.column - 1).length;
      line.append(element("pre", answer.expression + "\n" + " ".repeat(column) + "^"));
    }
  }
  line.append(element("output", answer.error === undefined ? answer.value : answer.error));
  return line;
}

function add(answer) {
  results.prepend(row(answer));
  while (results.children.length > KEPT) results.lastChild.remove();
}

async function ask(expression) {
  try {
    const reply = await fetch("/", { method: "POST", headers: { "Accept": "application/json" }, body: expression });
    const answer = await reply.json();
    return answer.expression === undefined ? { expression, error: answer.error } : answer;
  } catch {
    return { expression, error: "the calculator does not answer; is it still running?" };
  }
}

let last = 0;
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const expression = input.value.trim();
  if (!expression) return;
  const own = ++last;
  const answer = await ask(expression);
  add(answer);
  // What was typed meanwhile stays.
  if (own === last && input.value.trim() === expression && answer.error === undefined) input.select();
});

results.addEventListener("click", (event) => {
  const asked = event.target.closest(".asked, pre");
  if (!asked) return;
  input.value = asked.textContent.split("\n")[0];
  input.focus();
});

for (const sign of ["+", "−", "×", "÷", "%", "(", ")", "⌫"]) {
  const key = element("button", sign);
  key.type = "button";
  if (sign === "⌫") key.ariaLabel = "delete";
  // The keyboard of a phone stays where it is.
  key.addEventListener("pointerdown", (event) => event.preventDefault());
  key.addEventListener("click", () => {
    const start = input.selectionStart, end = input.selectionEnd;
    if (sign === "⌫") input.setRangeText("", start === end ? Math.max(0, start - 1) : start, end, "end");
    else input.setRangeText(sign, start, end, "end");
    input.focus();
  });
  keys.append(key);
}
keys.hidden = false;
document.getElementById("place").textContent = location.host;
