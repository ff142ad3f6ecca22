#!/usr/bin/env python3
"""Chat with many clients beside `ncat --chat`, and the calculator beside redis. Prints Markdown tables.

    cargo build --release && cargo build --release --examples && benches/conversation.py [chat|calc]

One room with 1 000 plain clients: 10 of them never read, one floods 10 000 lines a second, the others take turns to say a
line of 1 000 bytes, 20 a second in all. Measured is the time from its sending to its arrival, at each other client that
reads; and the same without those eleven, for peers that do not bear them. The load runs in Python on the same cores as the server. A peer that is not installed is skipped visibly.
"""
import os, pathlib, selectors, shutil, socket, statistics, subprocess, sys, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
NLS = str(ROOT / "target/release/nls")
ASK = str(ROOT / "target/release/examples/ask")
CLIENTS, SILENT, SECONDS, EVERY = 1000, 10, 30, 0.05
FLOOD = """
import socket, sys, time, threading
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def read():
    while s.recv(1 << 16):
        pass
threading.Thread(target=read, daemon=True).start()
try:
    while True:
        began = time.perf_counter()
        s.sendall(b"flood\\n" * 100)
        time.sleep(max(0, 0.01 - (time.perf_counter() - began)))
except OSError:
    pass
"""


def status(pid, key):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith(key):
            return int(line.split()[1])


def start(words):
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def nls_room():
    child = start([NLS, "-q", "-c", f"listen tcp 0 chat relay turns off max {2 * CLIENTS} as room; print $room.port; wait"])
    port = int(child.stdout.readline())
    # What is heard in the room is printed there: somebody has to read it.
    subprocess.Popen(["cat"], stdin=child.stdout, stdout=subprocess.DEVNULL)
    return child, port


def ncat_room():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    child = start(["ncat", "-l", "--broker", "--chat", "--max-conns", str(2 * CLIENTS), "127.0.0.1", str(port)])
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return child, port
        except OSError:
            time.sleep(0.01)
    sys.exit("ncat does not listen")


class Load:
    """The clients of one room, all but the flooder."""

    def __init__(self, port):
        self.port, self.sockets, self.rest = port, [], {}
        self.selector = selectors.DefaultSelector()
        self.latencies, self.closed = [], 0

    def connect(self, reads, hello):
        client = socket.socket()
        client.settimeout(10)
        if not reads:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", self.port))
        # The first word tells the room of nls that it is a person.
        client.sendall(hello)
        self.sockets.append(client)
        if reads:
            client.setblocking(False)
            self.rest[client] = b""
            self.selector.register(client, selectors.EVENT_READ)

    def read(self, until):
        while (wait := until - time.perf_counter()) > 0:
            for key, _ in self.selector.select(wait):
                self.take(key.fileobj)
            if time.perf_counter() >= until:
                return

    def take(self, client):
        try:
            data = client.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.selector.unregister(client)
            self.closed += 1
            return
        now = time.perf_counter_ns()
        lines = (self.rest[client] + data).split(b"\n")
        self.rest[client] = lines.pop()
        for line in lines:
            at = line.find(b"@")
            if at >= 0:
                self.latencies.append((now - int(line[at + 1 : at + 20])) / 1e6)

    def speak(self, seconds):
        speakers, until, turn = list(self.rest), time.perf_counter() + seconds, 0
        while time.perf_counter() < until:
            speaker = speakers[turn * 7 % len(speakers)]
            line = b"@%019d " % time.perf_counter_ns()
            try:
                speaker.send(line.ljust(999, b"x") + b"\n")
            except OSError:
                pass
            turn += 1
            self.read(min(until, time.perf_counter() + EVERY))
        return turn


def room(name, make, hello=b"", hostile=True):
    silent = SILENT if hostile else 0
    server, port = make()
    idle = status(server.pid, "VmRSS")
    load = Load(port)
    for n in range(CLIENTS - 1):
        try:
            load.connect(n >= silent, hello)
        except OSError:
            print(f"| {name} | lets nobody in any more after {n} clients | | | | | | |", flush=True)
            server.kill()
            server.wait()
            return
        if n % 50 == 0:
            load.read(time.perf_counter() + 0.05)
    load.read(time.perf_counter() + 3)
    each = (status(server.pid, "VmRSS") - idle) / CLIENTS
    load.latencies.clear()
    flooder = subprocess.Popen([sys.executable, "-c", FLOOD, str(port)]) if hostile else None
    said = load.speak(SECONDS)
    # The last one has this long to arrive.
    load.read(time.perf_counter() + 1)
    wanted = said * (len(load.rest) - 1)
    times = sorted(load.latencies)
    at = lambda share: f"{times[int(len(times) * share)]:.0f} ms" if times else "-"
    peak = status(server.pid, "VmHWM") / 1024
    print(f"| {name} | {at(0.5)} | {at(0.99)} | {100 * len(times) / wanted:.1f} % | {each:.1f} KiB | {peak:.0f} MiB | {dropped(port) if hostile else 0} of {silent} | {load.closed} |", flush=True)
    if flooder:
        flooder.kill()
        flooder.wait()
    for client in load.sockets:
        client.close()
    server.terminate()
    server.wait()


def dropped(port):
    """Silent clients without a connection at the server's side any more: of all clients those with a tiny buffer stay."""
    out = subprocess.run(["ss", "-tnH", "state", "established", f"( sport = :{port} )"], capture_output=True, text=True).stdout
    # Everybody else reads: only silent ones have bytes waiting.
    return SILENT - sum(int(line.split()[1]) > 10_000 for line in out.splitlines())


def chat():
    print(f"| {CLIENTS} clients | p50 | p99 | arrived | memory of each | peak of the server | silent ones dropped | others closed |\n|---|---|---|---|---|---|---|---|")
    room("nls", nls_room, b"hello\n")
    if shutil.which("ncat"):
        room("ncat --broker --chat", ncat_room)
        room("nls, without silent ones and flood", nls_room, b"hello\n", hostile=False)
        room("ncat, without silent ones and flood", ncat_room, hostile=False)
    else:
        print("SKIPPED: ncat is not installed")


def best(words, runs=5):
    return statistics.median(float(subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()[0]) for _ in range(runs))


def redis(port, connections, pipeline, requests):
    words = ["redis-benchmark", "-p", str(port), "-t", "ping_mbulk", "-c", str(connections), "-P", str(pipeline), "-n", str(requests), "--csv"]
    rates = []
    for _ in range(5):
        out = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        rates.append(float([line for line in out.splitlines() if "PING" in line][-1].split(",")[1].strip('"')))
    return statistics.median(rates)


def calc():
    server = start([NLS, "-q", "-c", "listen tcp 0 calc as c; print $c.port; wait"])
    address = f"127.0.0.1:{server.stdout.readline().strip()}"
    peer, peer_port = None, 0
    if shutil.which("redis-benchmark") and shutil.which("redis-server"):
        with socket.create_server(("127.0.0.1", 0)) as free:
            peer_port = free.getsockname()[1]
        peer = start(["redis-server", "--port", str(peer_port), "--save", "", "--bind", "127.0.0.1"])
        while "Ready to accept" not in peer.stdout.readline():
            pass
    else:
        print("SKIPPED: redis is not installed")
    print("\n| requests a second | nls calc, `7 % 3` | redis, PING | ratio | at least |\n|---|---|---|---|---|")
    for what, connections, pipeline, requests, least in (("1 connection, 64 under way", 1, 64, 2_000_000, 0.5), ("50 connections, 1 each", 50, 1, 200_000, 0.8)):
        ours = best([ASK, address, str(connections), str(pipeline), str(requests)])
        theirs = redis(peer_port, connections, pipeline, requests) if peer else float("nan")
        print(f"| {what} | {ours:,.0f} | {theirs:,.0f} | {ours / theirs:.2f} | {least} |", flush=True)
    long = "9" * 10_000
    for what, expression in (("+", f"{long}+{long}"), ("*, refused: the result is too large", f"{long}*{long}"), ("a product of 10 000 digits", f"{'9' * 5000}*{'9' * 5000}"), ("/", f"{long}/{'7' * 9999}")):
        times = []
        for _ in range(5):
            with socket.create_connection(address.split(":")) as client, client.makefile("rb") as answers:
                began = time.perf_counter()
                client.sendall(expression.encode() + b"\n")
                answers.readline()
                times.append((time.perf_counter() - began) * 1000)
        print(f"| 10 000 digits, {what} | {statistics.median(times):.1f} ms | | | at most 100 ms |", flush=True)
    for child in (server, peer):
        if child:
            child.terminate()
            child.wait()


if __name__ == "__main__":
    chosen = sys.argv[1:] or ["chat", "calc"]
    if "chat" in chosen:
        chat()
    if "calc" in chosen:
        calc()
