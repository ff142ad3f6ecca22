#!/usr/bin/env python3
"""What hostile peers cost: the memory of the process, and how long everybody else waits.

    cargo build --release && python3 benches/hostile.py [--memory] [KIND…]

For each kind a shell of its own serves files, a calculator, a room, raw sessions and a link, over loopback. `PEERS` (256)
peers do one thing that is wrong, or never read what they asked for, for `SECONDS` (4), and keep their connections open.
Meanwhile a process of its own asks other sessions of the shell, and a client of the attacked server that was there
before: a file of 1 KiB over an old and over a new connection, a calculation, a list of a short folder, a file that is
stored, and a line that one says and another hears in the room. Prints, for each kind, the peak memory
of the shell (VmHWM) and the waits of those who asked, and ends with 1 if a limit of `LIMITS` is passed: with `--memory`
only that of memory. `NLS` names another binary.
"""
import asyncio
import functools
import os
import pathlib
import queue
import re
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
NLS = os.environ.get("NLS", str(ROOT / "target/release/nls"))
PEERS = int(os.environ.get("PEERS", "256"))
SECONDS = float(os.environ.get("SECONDS", "4"))
LIMITS = {"MiB": 256, "wait": 0.1}
GROUP = 262_144
FTP, CALC, CHAT = 1, 2, 3
SERVERS = {
    "ftp": "listen tcp 0 ftp root root open",
    "udp": "listen udp 0 ftp root root open",
    "calc": "listen tcp 0 calc",
    "chat": "listen tcp 0 chat relay turns off",
    "raw": "listen tcp 0 raw",
    "echo": "listen tcp 0 echo",
    "chargen": "listen tcp 0 chargen",
    "other": "listen tcp 0 ftp root root open",
    "sums": "listen tcp 0 calc",
}

TABLE = []
for byte in range(256):
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    TABLE.append(byte)


def checked(data):
    """With its CRC-32C."""
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ TABLE[(value ^ byte) & 0xFF]
    return data + struct.pack(">I", value ^ 0xFFFFFFFF)


# --- What the protocol calls its messages (docs/protocol.md) ---------------------------------------------------------


def preface(service):
    return b"\x8bNLS\x07" + bytes([service, 0, 0])


def frame(kind, body):
    return checked(struct.pack(">IB", len(body) + 1, kind) + body)


def block(offset, data):
    return struct.pack(">IBQ", len(data) + 9, 1, offset) + data


def text(value):
    return struct.pack(">H", len(value)) + value.encode()


def put(name, size):
    return frame(0x10, struct.pack(">IIBHQQ", GROUP, 64, 2, 0o644, size, 1) + text(name))


def get(name):
    return frame(0x11, struct.pack(">IIB", GROUP, 64, 1) + text(name))


def fetch(name):
    return frame(0x1F, b"\0" + text(name))


def hashes(first):
    return frame(0x19, struct.pack(">Q", first) + bytes(32))


def hello(identity, rest):
    begin = b"\x04" + identity + bytes([7, FTP]) + rest
    return checked(begin + bytes(1196 - len(begin)))


def http_get(path):
    return b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % path


def varint(value):
    return struct.pack(">Q", value | 3 << 62)


# --- What a peer does. Each gets a socket that does not block, and sends until it is told to stop. -------------------


@functools.cache
def have(first):
    """A receiver says that it has 1024 groups."""
    return frame(0x1A, struct.pack(">Q", first) + bytes(1024 * 32))


class Peer:
    def __init__(self, number, ports, until):
        self.number, self.ports, self.until = number, ports, until
        self.loop = asyncio.get_running_loop()
        self.kept = []

    async def connect(self, server):
        stream = socket.socket()
        stream.setblocking(False)
        await self.loop.sock_connect(stream, ("127.0.0.1", self.ports[server]))
        self.kept.append(stream)
        return stream

    async def asks_over_http(self, path):
        stream = await self.connect("ftp")
        await self.send(stream, http_get(path))
        return stream

    def datagrams(self):
        stream = socket.socket(type=socket.SOCK_DGRAM)
        stream.setblocking(False)
        self.kept.append(stream)
        return stream

    async def send(self, stream, data):
        await self.loop.sock_sendall(stream, data)

    async def read(self, stream, most=65536):
        return await self.loop.sock_recv(stream, most)

    async def begin(self, server, service):
        stream = await self.connect(server)
        await self.send(stream, preface(service))
        return stream

    def goes_on(self):
        return self.loop.time() < self.until

    async def sends_forever(self, stream, *pieces):
        while self.goes_on():
            for piece in pieces:
                await self.send(stream, piece)
            await asyncio.sleep(0)

    async def drips(self, stream, pieces, pause=0.05):
        for piece in pieces:
            await self.send(stream, piece)
            await asyncio.sleep(pause)


KINDS = {}


def kind(what):
    def keep(function):
        KINDS[function.__name__] = (what, function)
        return function

    return keep


@kind("blocks of a file without their hashes")
async def unhashed(peer):
    stream = await peer.begin("ftp", FTP)
    await peer.send(stream, put(f"u{peer.number}", 1 << 30))
    await peer.sends_forever(stream, block(0, bytes(GROUP)))


@kind("blocks of a file, each one byte short")
async def short(peer):
    stream = await peer.begin("ftp", FTP)
    await peer.send(stream, put(f"s{peer.number}", 256 * GROUP))
    for group in range(256):
        await peer.send(stream, hashes(group) + block(group * GROUP, bytes(GROUP - 1)))


@kind("frames without their last byte")
async def unfinished(peer):
    stream = await peer.begin("ftp", FTP)
    await peer.send(stream, struct.pack(">IB", 393_217, 0x1E) + bytes(393_215))


@kind("a flood of small files")
async def small(peer):
    stream = await peer.begin("ftp", FTP)
    data = os.urandom(4096)
    # A hash that is wrong is as much work.
    message = [frame(0x1E, struct.pack(">BHQ", 2, 0o644, 1) + bytes(32) + text(f"f{peer.number}-{n}") + data) for n in range(4)]
    await peer.sends_forever(stream, *message)


@kind("WALK again and again, no answer read")
async def walks(peer):
    stream = await peer.begin("ftp", FTP)
    await peer.sends_forever(stream, frame(0x22, b"\0" + text("many")))


@kind("LIST again and again, no answer read")
async def lists(peer):
    stream = await peer.begin("ftp", FTP)
    await peer.sends_forever(stream, frame(0x12, text("many")))


@kind("LIST again and again, answers read")
async def listing(peer):
    stream = await peer.begin("ftp", FTP)
    while peer.goes_on():
        await peer.send(stream, frame(0x12, text("many")))
        await peer.read(stream)


@kind("a very long folder as list, walk, page, JSON and tar, nothing read")
async def long_folder(peer):
    requests = [frame(0x12, text("long")), frame(0x22, b"\0" + text("long")), b"/long/", b"/long/?json", b"/long/?tar"]
    request = requests[peer.number % len(requests)]
    if request[:1] == b"/":
        return await peer.asks_over_http(request)
    stream = await peer.begin("ftp", FTP)
    await peer.send(stream, request)


@kind("PUT of large files that are there, no answer read")
async def compared(peer):
    stream = await peer.begin("ftp", FTP)
    await peer.send(stream, put("larger", 40 << 30))


@kind("FETCH again and again, no answer read")
async def fetches(peer):
    stream = await peer.begin("ftp", FTP)
    await peer.sends_forever(stream, fetch("small"))


@kind("GET of a large file, nothing read")
async def deaf(peer):
    stream = await peer.begin("ftp", FTP)
    await peer.send(stream, get("large"))


@kind("GET of a large file of which all is there, as they say")
async def haves(peer):
    stream = await peer.begin("ftp", FTP)
    await peer.send(stream, frame(0x11, struct.pack(">IIB", GROUP, 64, 0) + text("larger")))
    for first in range(0, 40 << 12, 1024):
        await peer.send(stream, have(first))


@kind("connect and leave")
async def fleeting(peer):
    while peer.goes_on():
        (await peer.connect("ftp")).close()
        peer.kept.clear()


@kind("noise after the preface")
async def noise(peer):
    while peer.goes_on():
        stream = await peer.begin("ftp", FTP)
        await peer.send(stream, os.urandom(64))
        await peer.read(stream)
        stream.close()
        peer.kept.clear()


@kind("HTTP: heads that do not end")
async def heads(peer):
    stream = await peer.connect("ftp")
    await peer.send(stream, b"GET / HTTP/1.1\r\nHost: x\r\n")
    await peer.drips(stream, [b"X-%d: %s\r\n" % (n, b"y" * 200) for n in range(30)])


@kind("HTTP: a large file, nothing read")
async def http_deaf(peer):
    await peer.asks_over_http(b"/large")


@kind("HTTP: requests in advance, no answer read")
async def http_many(peer):
    stream = await peer.connect("ftp")
    await peer.sends_forever(stream, http_get(b"/small") * 20)


@kind("HTTP: a long folder as a page, answers read")
async def http_pages(peer):
    stream = await peer.connect("ftp")
    while peer.goes_on():
        await peer.send(stream, http_get(b"/many/"))
        await peer.read(stream)


@kind("HTTP: a long folder as a page, nothing read")
async def http_deaf_pages(peer):
    await peer.asks_over_http(b"/many/")


@kind("HTTP: a folder as tar, nothing read")
async def http_tar(peer):
    await peer.asks_over_http(b"/?tar")


@kind("HTTP: uploads that never end")
async def http_uploads(peer):
    stream = await peer.connect("ftp")
    await peer.send(stream, b"PUT /h%d HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000000\r\n\r\n" % peer.number)
    await peer.drips(stream, [bytes(1000)] * 60)


@kind("FTP: LIST with data connections, nothing read")
async def ftp_lists(peer):
    stream = await peer.connect("ftp")
    await peer.send(stream, b"USER anonymous\r\nPASS x\r\nCWD many\r\nEPSV\r\nLIST\r\n")
    answer = b""
    while b"|||" not in answer and peer.goes_on():
        answer += await peer.read(stream)
    if port := re.search(rb"\|\|\|(\d+)\|", answer):
        data = socket.socket()
        data.setblocking(False)
        peer.kept.append(data)
        await peer.loop.sock_connect(data, ("127.0.0.1", int(port[1])))


@kind("FTP: a line that does not end")
async def ftp_line(peer):
    stream = await peer.connect("ftp")
    await peer.send(stream, b"USER ")
    await peer.drips(stream, [b"x" * 1000] * 60)


@kind("calculator: long products, answers read")
async def products(peer):
    stream = await peer.connect("calc")
    line = b"*".join([b"9" * 900] * 10) + b"\n"
    while peer.goes_on():
        await peer.send(stream, line)
        await peer.read(stream)


@kind("calculator: questions, no answer read")
async def questions(peer):
    stream = await peer.connect("calc")
    await peer.sends_forever(stream, b"9" * 4000 + b"\n")


@kind("room: everybody talks, nobody reads")
async def talkers(peer):
    stream = await peer.connect("chat")
    await peer.sends_forever(stream, b"x" * 1000 + b"\n")


@kind("room: say 51 lines, leave, and come again")
async def returning(peer):
    while peer.goes_on():
        stream = await peer.connect("chat")

        async def says():
            for _ in range(51):
                await peer.send(stream, b"x" * 4000 + b"\n")
            stream.shutdown(socket.SHUT_WR)

        saying = asyncio.create_task(says())
        while await peer.read(stream, 1 << 20):
            pass
        await saying
        stream.close()
        peer.kept.clear()


@kind("room: a line that does not end")
async def endless(peer):
    stream = await peer.connect("chat")
    await peer.sends_forever(stream, b"x" * 4000)


@kind("raw: bytes that nobody takes")
async def raw(peer):
    stream = await peer.connect("raw")
    await peer.sends_forever(stream, b"x" * 65536)


@kind("echo: nothing read")
async def echo(peer):
    stream = await peer.connect("echo")
    await peer.sends_forever(stream, b"x" * 65536)


@kind("chargen: nothing read")
async def chargen(peer):
    await peer.connect("chargen")


async def over_udp(peer):
    """A connection over UDP: its socket, and its id."""
    identity, credit = os.urandom(8), struct.pack(">QQ", 2_097_280, 110_400)
    stream = peer.datagrams()
    stream.connect(("127.0.0.1", peer.ports["udp"]))
    cookie = b""
    while peer.goes_on():
        await peer.send(stream, hello(identity, credit + bytes([len(cookie)]) + cookie))
        try:
            answer = await asyncio.wait_for(peer.read(stream), 1)
        except asyncio.TimeoutError:
            continue
        if answer[0] == 5:
            cookie = answer[10:10 + answer[9]]
        elif answer[0] in (6, 8, 9):
            break
    return stream, identity


def data(identity, number, frames):
    return checked(b"\x09" + identity + struct.pack(">Q", number) + frames)


@kind("UDP: parts of the stream behind gaps")
async def gaps(peer):
    stream, identity = await over_udp(peer)
    for number in range(400):
        parts, at = b"", 1 + number * 60
        while len(parts) < 1100:
            parts += b"\x02" + varint(2 * at) + varint(1) + b"x"
            at += 1
        await peer.send(stream, data(identity, number, parts))
        await asyncio.sleep(0.002)


@kind("UDP: groups that lack their hash, or a byte")
async def holes(peer):
    stream, identity = await over_udp(peer)
    request = put(f"d{peer.number}", 1 << 30)[:-4]
    await peer.send(stream, data(identity, 0, b"\x02" + varint(0) + varint(len(request)) + request))
    for number in range(1, 300):
        piece = b"\x03" + varint(number) + varint(number * GROUP + 1) + varint(1100) + bytes(1100)
        await peer.send(stream, data(identity, number, piece))
        await asyncio.sleep(0.002)


@kind("UDP: a very long folder as list and walk, no answer taken")
async def udp_long_folder(peer):
    stream, identity = await over_udp(peer)
    request = frame(0x12, text("long")) if peer.number % 2 else frame(0x22, b"\0" + text("long"))
    await peer.send(stream, data(identity, 0, b"\x02" + varint(0) + varint(len(request)) + request))


@kind("UDP: HELLO without end")
async def hellos(peer):
    stream = peer.datagrams()
    stream.connect(("127.0.0.1", peer.ports["udp"]))
    await peer.sends_forever(stream, hello(os.urandom(8), bytes(17)))


@kind("TFTP: reads that are never acknowledged")
async def tftp(peer):
    stream = peer.datagrams()
    request = b"\0\x01large\0octet\0blksize\x0065464\0windowsize\x0064\0"
    while peer.goes_on():
        await peer.loop.sock_sendto(stream, request, ("127.0.0.1", peer.ports["udp"]))
        await asyncio.sleep(0.1)


# --- Those who are to be served meanwhile ----------------------------------------------------------------------------


class Client:
    """A client of our own protocol, as the protocol describes it."""

    def __init__(self, port, service):
        self.stream = socket.create_connection(("127.0.0.1", port), 30)
        self.stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.stream.makefile("rb")
        self.stream.sendall(preface(service))
        assert self.file.read(8) == preface(service)

    def ask(self, request):
        self.stream.sendall(request)
        return self.answer()

    def answer(self):
        size = struct.unpack(">I", self.file.read(4))[0]
        return self.file.read(size + 4)

    def close(self):
        self.file.close()
        self.stream.close()


class Room:
    """Two who talk: one says a line, the other hears it."""

    def __init__(self, port):
        self.says, self.hears = (socket.create_connection(("127.0.0.1", port), 30) for _ in range(2))
        self.says.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number, self.said, self.heard = 0, 0.0, queue.SimpleQueue()
        # Who says nothing is not known to speak in lines.
        self.hears.sendall(b"/who\n")
        self.hears.recv(1 << 16)
        for member in (self.says, self.hears):
            threading.Thread(target=self.hear, args=(member,), daemon=True).start()

    def hear(self, member):
        """Reads all the time: who does not is dropped."""
        with member.makefile("rb") as lines:
            for line in lines:
                if b"of the probe" in line:
                    self.heard.put(line)

    def ask(self):
        self.number += 1
        line = b"line %d of the probe\n" % self.number
        self.says.sendall(line)
        assert self.heard.get(timeout=30).endswith(line)
        return b"\0"


def stored(client, name):
    """Stores an empty file; the answer that says so."""
    nothing = bytes.fromhex("af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262")
    message = frame(0x1E, struct.pack(">BHQ", 0, 0o644, 1) + nothing + text(name))
    answer = client.ask(message + frame(0x23, b""))
    # How many were processed may be told before.
    while answer[0] == 0x20:
        answer = client.answer()
    return answer


def probe(attacked, other, sums, chat):
    """Asks until its input ends, and prints how long each took, the longest and the 99th percentile of each kind."""
    if os.geteuid() == 0:
        os.nice(-15)
    old, calc, files, room = Client(attacked, FTP), Client(sums, CALC), Client(other, FTP), Room(chat)
    question = frame(0x10, struct.pack(">Q", 1) + text("6*7"))
    waits = {}

    def new():
        client = Client(other, FTP)
        answer = client.ask(fetch("little"))
        client.close()
        return answer

    def store():
        return stored(files, f"probe {len(waits['stored'])}")

    asks = {
        "old": (lambda: old.ask(fetch("little")), 0x1E),
        "new": (new, 0x1E),
        "calc": (lambda: calc.ask(question), 0x11),
        "list": (lambda: files.ask(frame(0x12, text("few"))), 0x18),
        "stored": (store, 0x23),
        "room": (room.ask, 0),
    }
    waits = {what: [] for what in asks}
    print("ready", flush=True)
    os.set_blocking(0, False)
    while sys.stdin.buffer.read(1) is None:
        for what, (ask, kind) in asks.items():
            began = time.monotonic()
            # Nobody may say more than 20 lines a second.
            if what == "room" and began < room.said + 0.06:
                continue
            answer = ask()
            waits[what].append(time.monotonic() - began)
            room.said = began if what == "room" else room.said
            if answer[0] != kind:
                sys.exit(f"{what}: {answer[:300]}")
        time.sleep(0.02)
    for found in waits.values():
        print(max(found), statistics.quantiles(found, n=100, method="inclusive")[-1])


def folder(lab):
    root = lab / "root"
    (root / "many").mkdir(parents=True)
    for n in range(20_000):
        (root / "many" / f"a file with a name of some length {n:06}").touch()
    (root / "long").mkdir()
    for n in range(60_000):
        (root / "long" / f"{n:06} {'n' * 180}").touch()
    (root / "few").mkdir()
    (root / "few" / "one").touch()
    (root / "small").write_bytes(os.urandom(60_000))
    (root / "little").write_bytes(os.urandom(1024))
    for name, gibibytes in (("large", 1), ("larger", 40)):
        with open(root / name, "wb") as sparse:
            sparse.truncate(gibibytes << 30)


async def attack(what, ports):
    loop = asyncio.get_running_loop()
    peers = [Peer(n, ports, loop.time() + SECONDS) for n in range(PEERS)]
    tasks = [asyncio.create_task(what(peer)) for peer in peers]
    done, late = await asyncio.wait(tasks, timeout=SECONDS)
    wrong = [task.exception() for task in done if task.exception()]
    for task in late:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(max(0, peers[0].until - loop.time()))
    # Whoever is refused or closed has done its worst; anything else is a fault of this program.
    for error in wrong:
        if not isinstance(error, OSError):
            raise error
    return peers


def measure(lab, what):
    script = "; ".join(f"{listen} as {name}" for name, listen in SERVERS.items())
    script += "; print " + " ".join(f"${name}.port" for name in SERVERS) + "; wait"
    shell = subprocess.Popen([NLS, "-n", "-q", "-c", script], cwd=lab, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        ports = dict(zip(SERVERS, map(int, shell.stdout.readline().split())))
        asks = [sys.executable, __file__, "--probe", *(str(ports[name]) for name in ("ftp", "other", "sums", "chat"))]
        asking = subprocess.Popen(asks, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert asking.stdout.readline() == "ready\n"
        peers = asyncio.run(attack(what, ports))
        answers, _ = asking.communicate("x")
        for stream in (stream for peer in peers for stream in peer.kept):
            stream.close()
        if asking.returncode != 0 or shell.poll() is not None:
            sys.exit(f"others were not served: {answers}")
        peak = int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{shell.pid}/status").read_text())[1]) / 1024
        return peak, [list(map(float, line.split())) for line in answers.splitlines()]
    finally:
        shell.terminate()
        shell.wait()


def main():
    if sys.argv[1:2] == ["--probe"]:
        return probe(*map(int, sys.argv[2:]))
    wanted = [word for word in sys.argv[1:] if word != "--memory"] or list(KINDS)
    counted = ["MiB"] if "--memory" in sys.argv else list(LIMITS)
    worst = {"MiB": 0.0, "wait": 0.0}
    print(f"{PEERS} peers of each kind for {SECONDS:g} s; waits in ms: the longest (99th percentile)\n")
    print("| what they do | peak MiB | file, old connection | file, new connection | calculation | list | stored | room |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for name in wanted:
        about, what = KINDS[name]
        with tempfile.TemporaryDirectory(prefix="nls-hostile-", dir=os.environ.get("TMPDIR", "/dev/shm")) as lab:
            folder(pathlib.Path(lab))
            peak, waits = measure(lab, what)
        shown = " | ".join(f"{1000 * longest:.0f} ({1000 * most:.0f})" for longest, most in waits)
        print(f"| {about} | {peak:.0f} | {shown} |", flush=True)
        worst = {"MiB": max(worst["MiB"], peak), "wait": max(worst["wait"], *(most for _, most in waits))}
    print(f"\nmost memory {worst['MiB']:.0f} MiB of {LIMITS['MiB']}, longest wait (99th percentile) {worst['wait']:.3f} s of {LIMITS['wait']}")
    return int(any(worst[what] > LIMITS[what] for what in counted))


if __name__ == "__main__":
    sys.exit(main())
