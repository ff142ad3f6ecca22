#!/usr/bin/env python3
"""What a key costs a server, with and without it in one run:

    cargo build --release && python3 benches/keys.py

Opens and closes connections to a calculator over loopback, one after the other, with a handshake and without, and prints
how many a second one core of the server's machine serves: the processor time of the server, not of this client. With
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
from client import connect, exactly, read_key  # noqa: E402

NLS = os.environ.get("NLS", os.path.join(HERE, "../target/release/nls"))
BASE = os.environ.get("BASE")
COUNT = int(os.environ.get("COUNT", "5000"))
STARTS = 200
CALC = 2
PREFACE = bytes.fromhex("8b4e4c5307") + bytes([CALC, 0, 0])


def processor_seconds(process):
    with open(f"/proc/{process.pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def keyed(port, key):
    connection, sealer, frames = connect("127.0.0.1", port, key, CALC)
    # An empty record ends it; the server's answers.
    connection.sendall(sealer.seal(b""))
    assert not list(frames), "it is not served"
    connection.close()


def plain(port, _):
    connection = socket.create_connection(("127.0.0.1", port), 20)
    connection.sendall(PREFACE)
    assert exactly(connection.makefile("rb"), len(PREFACE)) == PREFACE, "it is not served"
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(4096):
        pass
    connection.close()


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
                once(port, key)
            before, began = processor_seconds(process), time.monotonic()
            for _ in range(COUNT):
                once(port, key)
            cost[name] = (processor_seconds(process) - before) / COUNT
            wall = (time.monotonic() - began) / COUNT
            print(f"{name}: {1 / cost[name]:.0f} connections a second and core ({cost[name] * 1e6:.0f} µs of the server; {wall * 1e6:.0f} µs with this client)")
        finally:
            process.terminate()
            process.wait()
    print(f"the handshake: {(cost['keyed'] - cost['plain']) * 1e6:.0f} µs more")


def start_and_memory(binary):
    """Milliseconds of one start, and bytes that it holds at most."""
    times, most = [], 0
    for _ in range(STARTS):
        began = time.perf_counter()
        process = subprocess.Popen([binary, "-c", "print x"], stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        times.append((time.perf_counter() - began) * 1e3)
        process.returncode = os.waitstatus_to_exitcode(status)
        most = max(most, used.ru_maxrss << 10)
    return statistics.median(times), most


def main():
    with tempfile.TemporaryDirectory(prefix="nls-keys-") as folder:
        handshakes(folder)
    if BASE:
        (start, memory), (base_start, base_memory) = start_and_memory(NLS), start_and_memory(BASE)
        print(f"the program: {(os.path.getsize(NLS) - os.path.getsize(BASE)) / 1e3:+.0f} KB, start {start - base_start:+.2f} ms ({start:.2f}), memory {(memory - base_memory) / 1e6:+.2f} MB ({memory / 1e6:.1f})")


if __name__ == "__main__":
    main()
