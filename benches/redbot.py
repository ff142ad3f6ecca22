#!/usr/bin/env python3
"""What REDbot (https://redbot.org), a checker of HTTP servers, says of ours:

    pip install redbot && cargo build --release && python3 benches/redbot.py

Asks it about files, a folder, what is missing, the calculator, a room and the films, and prints what it warns of; exits
with 1 if it finds a fault. On loopback; half a minute. `NLS` names another binary, `REDBOT` another way to start REDbot.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
NLS = os.path.abspath(os.environ.get("NLS", os.path.join(HERE, "../target/release/nls")))
REDBOT = shlex.split(os.environ.get("REDBOT", "redbot"))
SERVERS = {
    "files": ("listen tcp 0 ftp root .", ["a.txt", "b.bin", "page.html", "", "sub/", "missing"]),
    "calculator": ("listen tcp 0 calc", ["", "?q=7%20%25%203"]),
    "room": ("listen tcp 0 chat relay", [""]),
    "films": ("listen udp 0 stream root . web", [""]),
}


def notes(url):
    """What REDbot says of the address: level, identifier and sentence of each note."""
    run = subprocess.run([*REDBOT, "-o", "har", url], capture_output=True, text=True, timeout=60, check=True)
    entries = json.loads(run.stdout)["log"]["entries"]
    return [(note["level"], note["note_id"], note["summary"]) for note in entries[0]["_red_messages"]]


def ask(name, command, paths, folder):
    process = subprocess.Popen([NLS, "-c", f"{command}; wait"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    faults = 0
    try:
        port = re.search(r":(\d+):", process.stdout.readline()).group(1)
        for path in paths:
            said = notes(f"http://127.0.0.1:{port}/{path}")
            counts = {level: sum(1 for note in said if note[0] == level) for level in ("GOOD", "WARN", "BAD")}
            faults += counts["BAD"]
            print(f"{name} /{path}: " + ", ".join(f"{count} {level}" for level, count in counts.items()))
            for level, identifier, summary in said:
                if level in ("WARN", "BAD"):
                    print(f"    {level} {identifier}: {summary}")
    finally:
        process.terminate()
        process.wait()
    return faults


def main():
    with tempfile.TemporaryDirectory(prefix="nls-redbot-") as folder:
        os.mkdir(os.path.join(folder, "sub"))
        for name, content in (("a.txt", b"hello\n" * 500), ("b.bin", os.urandom(300_000)), ("page.html", b"<html><body>hello</body></html>" * 50)):
            with open(os.path.join(folder, name), "wb") as file:
                file.write(content)
        faults = sum(ask(name, command, paths, folder) for name, (command, paths) in SERVERS.items())
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
