"use strict";
// One file after another: a phone's radio and a small server are better off with one stream.
const drop = document.getElementById("drop");
const list = document.getElementById("uploads");
const input = document.getElementById("files");
const waiting = [];
let busy = false, stored = 0;

function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let n = 0;
  while (bytes >= 1024 && n < units.length - 1) { bytes /= 1024; n++; }
  return (n ? bytes.toFixed(1) : bytes) + " " + units[n];
}

function add(files) {
  for (const file of files) {
    const row = document.createElement("li");
    const text = document.createElement("span");
    const bar = document.createElement("progress");
    text.textContent = file.name + ", " + size(file.size);
    bar.max = 1; bar.value = 0;
    row.append(text, bar);
    list.append(row);
    waiting.push({ file, row, text, bar });
  }
  next();
}

function done(item, ok, words) {
  item.bar.remove();
  item.text.textContent = item.file.name + ": " + words;
  item.row.className = ok ? "good" : "bad";
  if (ok) stored++;
  busy = false;
  next();
}

function next() {
  if (busy) return;
  const item = waiting.shift();
  if (!item) {
    // All rows stay readable where one failed.
    if (stored && !list.querySelector(".bad")) location.reload();
    return;
  }
  busy = true;
  const request = new XMLHttpRequest();
  request.open("PUT", encodeURIComponent(item.file.name));
  request.upload.onprogress = (event) => {
    if (event.lengthComputable && event.total) {
      item.bar.value = event.loaded / event.total;
      item.text.textContent = item.file.name + ", " + size(event.loaded) + " of " + size(event.total);
    }
  };
  request.onload = () => done(item, request.status < 300, request.responseText.trim() || "status " + request.status);
  request.onerror = () => done(item, false, "the connection broke");
  request.send(item.file);
}

document.getElementById("choose").onclick = () => input.click();
input.onchange = () => { add(input.files); input.value = ""; };
for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
}
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const items = [...event.dataTransfer.items];
  const folders = items.some((item) => item.webkitGetAsEntry && item.webkitGetAsEntry()?.isDirectory);
  if (folders) {
    const row = document.createElement("li");
    row.className = "bad";
    row.textContent = "a folder cannot be sent from a page: send its files, or use `nls send FOLDER to …`";
    list.append(row);
  }
  add([...event.dataTransfer.files].filter((file, n) => !(items[n]?.webkitGetAsEntry?.()?.isDirectory)));
});
window.onbeforeunload = () => (busy ? true : undefined);
