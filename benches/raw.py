#!/usr/bin/env python3
"""Raw sessions beside ncat, socat and Python, each pair in one run:

    cargo build --release && python3 benches/raw.py [pipes] [mock] [handlers] [echo]

Prints a ratio for each line: above 1, nls is faster. Talks to loopback only; some seconds for each line.
"""

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

NLS = os.environ.get("NLS", os.path.join(os.path.dirname(__file__), "../target/release/nls"))
SIZE = 1 << 30
ROUNDS = 3


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port):
    for _ in range(500):
        try:
            with open("/proc/net/tcp") as table:
                if f":{port:04X} 00000000:0000 0A" in table.read():
                    return
        except OSError:
            pass
        time.sleep(0.01)
    sys.exit(f"nothing listens on {port}")


def peak(process):
    """The peak memory of a process in KiB, once it has ended. (That of wait4 counts what Python had before its exec.)"""
    most = 0
    while process.poll() is None:
        try:
            with open(f"/proc/{process.pid}/status") as status:
                most = next((int(line.split()[1]) for line in status if line.startswith("VmHWM")), most)
        except ProcessLookupError:
            break
        time.sleep(0.01)  # of a measurement: it never falls
    process.wait()
    return most


def one_way(client, up):
    """Seconds for SIZE bytes between a client of this command and `ncat -l`, and the client's peak memory in KiB."""
    port = free_port()
    flag = "--recv-only" if up else "--send-only"
    with open(FILE, "rb") as data, open(os.devnull, "r+b") as null:
        listener = subprocess.Popen(
            ["ncat", "-l", "127.0.0.1", str(port), flag], stdin=null if up else data, stdout=null
        )
        wait_for(port)
        command = [word.replace("PORT", str(port)) for word in client]
        began = time.monotonic()
        if up:
            feed = subprocess.Popen(["cat", FILE], stdout=subprocess.PIPE)
            talker = subprocess.Popen(command, stdin=feed.stdout, stdout=null)
        else:
            talker = subprocess.Popen(command, stdin=null, stdout=subprocess.PIPE)
            sink = subprocess.Popen(["cat"], stdin=talker.stdout, stdout=null)
        memory = peak(talker)
        listener.wait()
        if not up:
            talker.stdout.close()
            sink.wait()
        return time.monotonic() - began, memory


def pipes():
    for up in (True, False):
        what = "cat 1G | CLIENT → ncat -l" if up else "ncat -l → CLIENT | cat"
        clients = {
            "nls": [NLS, "connect", "tcp", "127.0.0.1:PORT"],
            "ncat": ["ncat", "--send-only" if up else "--recv-only", "127.0.0.1", "PORT"],
            "socat": ["socat", "-u", "-", "TCP:127.0.0.1:PORT"] if up else ["socat", "-u", "TCP:127.0.0.1:PORT", "-"],
        }
        times = {name: [] for name in clients}
        memory = 0
        for _ in range(ROUNDS):
            for name, command in clients.items():
                if shutil.which(command[0]) is None:
                    continue
                seconds, held = one_way(command, up)
                times[name].append(seconds)
                memory = max(memory, held) if name == "nls" else memory
        nls = statistics.median(times["nls"])
        for peer in ("ncat", "socat"):
            if times[peer]:
                ratio = statistics.median(times[peer]) / nls
                print(f"{what}: {SIZE / nls / 1e6:.0f} MB/s, {ratio:.2f} × {peer}, {memory / 1024:.1f} MiB")


def server(handlers):
    port = free_port()
    lines = [f"listen tcp {port} raw as s"] + handlers + ["wait"]
    process = subprocess.Popen([NLS, "-q", "-c", "\n".join(lines)], stdout=subprocess.DEVNULL)
    wait_for(port)
    return process, port


def ask(port, connections, seconds, question):
    """Answers a second over this number of connections, each with one question under way."""
    counts = [0] * connections
    stop = time.monotonic() + seconds
    sockets = []
    for _ in range(connections):
        one = socket.create_connection(("127.0.0.1", port))
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sockets.append(one)

    import selectors

    chosen = selectors.DefaultSelector()
    for index, one in enumerate(sockets):
        chosen.register(one, selectors.EVENT_READ, index)
        one.sendall(question)
    began = time.monotonic()
    while time.monotonic() < stop:
        for key, _ in chosen.select(0.1):
            if key.fileobj.recv(65536):
                counts[key.data] += 1
                key.fileobj.sendall(question)
    elapsed = time.monotonic() - began
    for one in sockets:
        one.close()
    return sum(counts) / elapsed


def batched(port, connections, seconds, question, batch=64):
    """The same with many questions under way: the load costs less than what answers."""
    import selectors

    chosen, sockets, total = selectors.DefaultSelector(), [], 0
    for _ in range(connections):
        one = socket.create_connection(("127.0.0.1", port))
        sockets.append(one)
        chosen.register(one, selectors.EVENT_READ)
        one.sendall(question * batch)
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        for key, _ in chosen.select(0.1):
            lines = key.fileobj.recv(1 << 20).count(b"\n")
            total += lines
            key.fileobj.sendall(question * lines)
    elapsed = time.monotonic() - began
    for one in sockets:
        one.close()
    return total / elapsed


def mock():
    question = b"PING" + b"x" * 59 + b"\n"
    handlers = ['on $s says "HELLO": say it "hi"', 'on $s matching "^PING.*": say it "PONG"', 'on $s says "QUIT": say it "bye"']
    process, port = server(handlers)
    single, many = ask(port, 50, 3, question), batched(port, 50, 3, question)
    process.kill()
    process.wait()
    print(f"mock server, 3 handlers, 50 connections, 64-byte questions: {single:.0f}/s one at a time, {many:.0f}/s with 64 under way")


def many_handlers():
    rows = [f'on $s says "handler number {n} of many": say it "{n}"' for n in range(1000)]
    process, port = server(rows + ['on $s says "MARK": say it "mark"'])
    line = b"a line that matches none of them, with some sixty bytes of text\n"
    one = socket.create_connection(("127.0.0.1", port))
    one.sendall(line * 100 + b"MARK\n")
    one.recv(100)
    count = 100_000
    began = time.monotonic()
    threading.Thread(target=lambda: one.sendall(line * count + b"MARK\n")).start()
    one.recv(100)
    cost = (time.monotonic() - began) / count
    process.kill()
    process.wait()
    print(f"1000 handlers, a line that matches none: {cost * 1e6:.2f} µs")


def echo():
    """Round trips of 64-byte lines with our echo, from a script of ours and from Python."""
    port = free_port()
    process = subprocess.Popen([NLS, "-q", "-c", f"listen tcp {port} echo\nwait"], stdout=subprocess.DEVNULL)
    wait_for(port)
    count, text = 20_000, "x" * 63
    script = f'connect tcp :{port} as c\n' + f'say $c "{text}"\nexpect $c says "{text}" within 5s\n' * count
    with tempfile.NamedTemporaryFile("w", suffix=".nls") as file:
        file.write(script)
        file.flush()
        began = time.monotonic()
        subprocess.run([NLS, "-q", file.name], check=True, stdout=subprocess.DEVNULL)
        ours = count / (time.monotonic() - began)
    one = socket.create_connection(("127.0.0.1", port))
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    began = time.monotonic()
    for _ in range(count):
        one.sendall(text.encode() + b"\n")
        left = 64
        while left:
            left -= len(one.recv(left))
    python = count / (time.monotonic() - began)
    process.kill()
    process.wait()
    print(f"echo, 1 connection, 64-byte lines: {ours:.0f}/s from a script, {ours / python:.2f} × Python's socket")


WHAT = sys.argv[1:] or ["pipes", "mock", "handlers", "echo"]
if "pipes" in WHAT:
    with tempfile.TemporaryDirectory() as folder:
        FILE = os.path.join(folder, "1g")
        with open(FILE, "wb") as out:
            block = os.urandom(1 << 20)
            for _ in range(SIZE >> 20):
                out.write(block)
        pipes()
if "mock" in WHAT:
    mock()
if "handlers" in WHAT:
    many_handlers()
if "echo" in WHAT:
    echo()
