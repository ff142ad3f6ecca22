#!/usr/bin/env python3
"""What a key costs a server, with and without it in one run:

    cargo build --release && python3 benches/keys.py

Opens and closes connections to a calculator over loopback, one after the other and some at once, with a handshake and
without, and prints how many a second one core of the server's machine serves: the processor time of the server, not of
this client. A server that has much to do is woken for several clients at a time, and sleeps less. With
`BASE`, a build without the feature `keys` (`cargo build --release --no-default-features --features shell,tls
--target-dir target/keyless`), also what encryption adds to the program: its size, its start, and its memory.
`NLS` names another binary, `COUNT` the number of connections. Needs the Python package `cryptography`.
"""

import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(HERE, "../tests/keyed"))
from client import AES, SEALED, agreed, exactly, over_tcp, read_key  # noqa: E402

NLS = os.environ.get("NLS", os.path.join(HERE, "../target/release/nls"))
BASE = os.environ.get("BASE")
COUNT = int(os.environ.get("COUNT", "5000"))
# Connections that are opened together.
AT_ONCE = (1, 16)
STARTS = 300
CALC = 2
PREFACE = bytes.fromhex("8b4e4c5307") + bytes([CALC, 0, 0])


def processor_seconds(process):
    with open(f"/proc/{process.pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def keyed(port, key, at_once):
    """Opens connections at the same time, and closes them when all are there."""
    preface = bytes.fromhex("8b4e4c5307") + bytes([CALC, SEALED | AES, 0])
    opened = [(opening(port), over_tcp(key, preface)) for _ in range(at_once)]
    for (connection, _), shake in opened:
        connection.sendall(preface + shake.first)
    for (connection, stream), shake in opened:
        sealer, _ = agreed(shake, exactly(stream, 8), exactly(stream, 56))
        # An empty record ends it; the server's answers.
        connection.sendall(sealer.seal(b"") + sealer.seal(b""))
    for ends, _ in opened:
        assert len(close(*ends)) == 18, "it is not served"


def plain(port, _, at_once):
    opened = [opening(port) for _ in range(at_once)]
    for connection, _ in opened:
        connection.sendall(PREFACE)
    for connection, stream in opened:
        assert exactly(stream, len(PREFACE)) == PREFACE, "it is not served"
        connection.shutdown(socket.SHUT_WR)
    for ends in opened:
        close(*ends)


def opening(port):
    connection = socket.create_connection(("127.0.0.1", port), 20)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection, connection.makefile("rb")


def close(connection, stream):
    """What still comes."""
    last = stream.read()
    stream.close()
    connection.close()
    return last


def serve(folder, words):
    """A calculator; its process and its port."""
    command = [NLS, "-c", f"listen tcp 0 calc max 1000{words}; wait"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return process, int(re.search(r":(\d+):", process.stdout.readline()).group(1))


def handshakes(folder):
    subprocess.run([NLS, "-c", "key new to team.key"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    with open(os.path.join(folder, "team.key")) as file:
        key = read_key(file.read())
    cost = {}
    for name, words, once in (("plain", "", plain), ("keyed", " key team.key", keyed)):
        process, port = serve(folder, words)
        try:
            for _ in range(COUNT // 10):
                once(port, key, 1)
            for at_once in AT_ONCE:
                before, began = processor_seconds(process), time.monotonic()
                for _ in range(COUNT // at_once):
                    once(port, key, at_once)
                made = COUNT // at_once * at_once
                spent = cost[name, at_once] = (processor_seconds(process) - before) / made
                wall = (time.monotonic() - began) / made
                print(f"{name}, {at_once} at once: {1 / spent:.0f} connections a second and core ({spent * 1e6:.0f} µs of the server; {wall * 1e6:.0f} µs with this client)")
        finally:
            process.terminate()
            process.wait()
    for at_once in AT_ONCE:
        print(f"the handshake, {at_once} at once: {(cost['keyed', at_once] - cost['plain', at_once]) * 1e6:.0f} µs more")


def start(binary):
    """Milliseconds from the start to the first line, and bytes in memory then."""
    began = time.perf_counter()
    process = subprocess.Popen([binary, "-c", "print x; sleep 1h"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    process.stdout.readline()
    took = (time.perf_counter() - began) * 1e3
    with open(f"/proc/{process.pid}/status") as status:
        memory = int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1)) << 10
    process.kill()
    process.wait()
    process.stdout.close()
    return took, memory


def starts():
    """The medians of both programs, in turn."""
    found = {NLS: [], BASE: []}
    for binary in [NLS, BASE] * STARTS:
        found[binary].append(start(binary))
    return [[statistics.median(values) for values in zip(*runs)] for runs in found.values()]


def main():
    with tempfile.TemporaryDirectory(prefix="nls-keys-") as folder:
        handshakes(folder)
    if BASE:
        (ours, memory), (base, base_memory) = starts()
        size = os.path.getsize(NLS) - os.path.getsize(BASE)
        print(f"the program: {size / 1e3:+.0f} KB, start {ours - base:+.2f} ms ({ours:.2f}), memory {(memory - base_memory) / 1e6:+.2f} MB ({memory / 1e6:.1f})")


if __name__ == "__main__":
    main()
