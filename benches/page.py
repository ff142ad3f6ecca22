#!/usr/bin/env python3
"""How a browser bears the pages of a transfer with a million packets:

    cargo build --release && python3 benches/page.py

Moves 1 GiB over UDP in chunks of 1024 bytes, with a record that keeps everything. Headless Chromium opens the page of
`view` while it moves, then the page of `report`; each is scrolled from end to end. Prints the packets, the size of the
page, how long it took to open, and the longest task of the page's thread (a long task is one of more than 50 ms, W3C Long
Tasks). `NLS` names another binary. About two minutes.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
NLS = os.environ.get("NLS", os.path.join(HERE, "../target/release/nls"))
SIZE = 1 << 30
# Notes tasks of more than 50 ms from the first script on.
OBSERVER = """
window.longTasks = [];
new PerformanceObserver((list) => list.getEntries().forEach((task) => window.longTasks.push(task.duration)))
  .observe({ type: "longtask", buffered: true });
"""
SCROLL = """
(async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  let slowest = 0;
  for (const direction of [1, -1]) {
    for (let step = 0; step < 100; step++) {
      const began = performance.now();
      window.scrollBy(0, direction * document.documentElement.scrollHeight / 100);
      await frame();
      slowest = Math.max(slowest, performance.now() - began);
    }
  }
  return slowest;
})()
"""


class Browser:
    """Chromium without a screen, driven through the pipe of its debugging protocol."""

    def __init__(self, folder):
        flags = "--headless=new --no-sandbox --disable-gpu --no-first-run --disable-background-networking --window-size=1280,800"
        script = f"TMPDIR=$PWD exec chromium {flags} --user-data-dir=chrome --remote-debugging-pipe about:blank 3<&0 4>&1 0</dev/null 1>/dev/null 2>&1"
        self.child = subprocess.Popen(["sh", "-c", script], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.last, self.session = 0, None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.ask("Page.enable")
        self.ask("Page.addScriptToEvaluateOnNewDocument", source=OBSERVER)

    def ask(self, method, **params):
        self.last += 1
        request = {"id": self.last, "method": method, "params": params}
        if self.session:
            request["sessionId"] = self.session
        self.child.stdin.write(json.dumps(request).encode() + b"\0")
        self.child.stdin.flush()
        while True:
            answer = bytearray()
            while (byte := self.child.stdout.read(1)) != b"\0":
                if not byte:
                    sys.exit("the browser ended")
                answer += byte
            answer = json.loads(answer)
            if answer.get("id") == self.last:
                return answer["result"]

    def value(self, expression):
        return self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)["result"].get("value")

    def open(self, url):
        """Seconds until the page is loaded."""
        began = time.monotonic()
        self.ask("Page.navigate", url=url)
        while self.value("document.readyState + location.href") != "complete" + url:
            time.sleep(0.01)
        return time.monotonic() - began

    def close(self):
        self.child.stdin.close()
        self.child.wait()


def look(browser, url, what, watch):
    """Opens a page, watches it for a while and scrolls it."""
    opened = browser.open(url)
    until = time.monotonic() + watch
    slowest = 0
    while True:
        slowest = max(slowest, browser.value(SCROLL))
        if time.monotonic() >= until:
            break
    tasks = browser.value("window.longTasks")
    elements = browser.value("document.querySelectorAll('*').length")
    words = browser.value("document.body.innerText.match(/[^\\n]*(older event|more|folded|left out)[^\\n]*/)?.[0]") or "nothing left out"
    print(f"{what}: opened in {opened * 1000:.0f} ms, {elements} elements, longest task "
          f"{max(tasks, default=0):.0f} ms of {len(tasks)} over 50 ms (at most 200 ms), slowest step of scrolling {slowest:.0f} ms; it says: {words.strip()}")


def main():
    folder = tempfile.mkdtemp(prefix="nls-page-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    shell = browser = None
    try:
        with open(os.path.join(folder, "big"), "wb") as big:
            for _ in range(SIZE >> 20):
                big.write(os.urandom(1 << 20))
        script = ("listen udp 0 ftp root . readonly as files\nview none as v\n"
                  "get big from udp $files to copy chunk 1024 rate 40MB/s as down &\nset $down record 4000000\n"
                  "print url $v.url\nwait $down\nprint packets $down.trace.events\nreport $down to report.html\nprint reported\nwait\n")
        shell = subprocess.Popen([NLS, "-c", script], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

        def line(word):
            for text in shell.stdout:
                if text.startswith(word + " ") or text.strip() == word:
                    return text.split()[-1]
            sys.exit("the shell ended")

        url = line("url")
        browser = Browser(folder)
        look(browser, url, "view, while the packets move", 15)
        print(f"events in the record: {line('packets')}")
        look(browser, url, "view, when all have arrived", 3)
        line("reported")
        report = os.path.join(folder, "report.html")
        print(f"report: {os.path.getsize(report) >> 10} KiB")
        look(browser, "file://" + report, "report", 0)
    finally:
        if browser:
            browser.close()
        if shell:
            shell.kill()
            shell.wait()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
