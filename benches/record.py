#!/usr/bin/env python3
"""What the record of packets costs, each pair in one run:

    NLS_WITHOUT_RECORD=1 cargo build --release --target-dir target/without
    cargo build --release && python3 benches/record.py

Moves 1 GiB over loopback, over TCP and UDP, with a build that notes nothing, with this one while nobody looks, with
`trace follow` into a file, and with a capture; prints the ratio of the times. `NLS` and `BASE` name other binaries,
`ROUNDS` the number of rounds. Some minutes.
"""

import os
import statistics
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
NLS = os.environ.get("NLS", os.path.join(HERE, "../target/release/nls"))
BASE = os.environ.get("BASE", os.path.join(HERE, "../target/without/release/nls"))
ROUNDS = int(os.environ.get("ROUNDS", "7"))
SIZE = 1 << 30


def seconds(binary, folder, transport, looks):
    """The time of one transfer, as its own result says it, which leaves out the start of the program."""
    server = f"listen {transport} 0 ftp root . readonly as files\n"
    begin = {"capture": "capture $files to wire.pcapng limit 4G as wire\n"}.get(looks, "")
    end = {"trace": "trace $down follow\n", "capture": "stop $wire\n"}.get(looks, "")
    follow = " &" if looks == "trace" else ""
    script = f"{server}{begin}get big from {transport} $files to copy replace as down{follow}\n{end}wait $down\nprint \"seconds $down.seconds\"\n"
    with open(os.path.join(folder, "out"), "w") as out:
        subprocess.run([binary, "-c", script], cwd=folder, stdout=out, stderr=subprocess.DEVNULL, check=True, timeout=120)
    for name in ("copy", "wire.pcapng"):
        if os.path.exists(os.path.join(folder, name)):
            os.remove(os.path.join(folder, name))
    with open(os.path.join(folder, "out")) as out:
        line = [line for line in out if line.startswith("seconds ")][-1]
    return float(line.split()[1])


def main():
    folder = tempfile.mkdtemp(prefix="nls-record-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    try:
        with open(os.path.join(folder, "big"), "wb") as big:
            for _ in range(SIZE >> 20):
                big.write(os.urandom(1 << 20))
        for transport in ("tcp", "udp"):
            kinds = {"without": (BASE, ""), "nobody": (NLS, ""), "trace": (NLS, "trace"), "capture": (NLS, "capture")}
            times = {kind: [] for kind in kinds}
            for _ in range(ROUNDS):
                for kind, (binary, looks) in kinds.items():
                    times[kind].append(seconds(binary, folder, transport, looks))
            base = statistics.median(times["without"])
            for kind in ("nobody", "trace", "capture"):
                taken = statistics.median(times[kind])
                spread = min(times[kind]), max(times[kind])
                print(f"{transport} 1 GiB, {kind}: {taken:.3f} s ({spread[0]:.3f} to {spread[1]:.3f}), {taken / base:.3f} × without a record ({base:.3f} s)")
    finally:
        for name in os.listdir(folder):
            os.remove(os.path.join(folder, name))
        os.rmdir(folder)


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"{time.monotonic() - started:.0f} s")
