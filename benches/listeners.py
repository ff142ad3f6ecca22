#!/usr/bin/env python3
"""Listeners that never say a word: 1 000 of them in one room, as many connections of `nc`, and how soon each hears a line.

    cargo build --release && benches/listeners.py [COUNT]

Nobody is told of them, `/who` does not show them, and all hear every line. Measured is the time from the sending of a line
by one member until the last of the listeners has it, for 50 lines of 100 bytes. The listeners run in one Python process on
the same cores as the server, so the figures are an upper bound. Prints a Markdown table; the goal is 100 ms.
"""
import pathlib, selectors, socket, statistics, subprocess, sys, time

NLS = str(pathlib.Path(__file__).resolve().parent.parent / "target/release/nls")
COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
LINES, EVERY, GOAL = 50, 0.2, 0.1


def status(pid, key):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith(key):
            return int(line.split()[1])


def main():
    script = f"listen tcp 0 chat relay turns off max {2 * COUNT} as room; print $room.port; wait"
    server = subprocess.Popen([NLS, "-q", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    port = int(server.stdout.readline())
    # What is heard in the room is printed there: somebody has to read it.
    reader = subprocess.Popen(["cat"], stdin=server.stdout, stdout=subprocess.DEVNULL)
    before = status(server.pid, "VmRSS")
    selector = selectors.DefaultSelector()
    waiting = {}
    began = time.perf_counter()
    for _ in range(COUNT):
        client = socket.create_connection(("127.0.0.1", port))
        client.setblocking(False)
        selector.register(client, selectors.EVENT_READ)
        waiting[client] = b""

    def read_until(done, limit):
        """Reads from all until `done` holds for each; the times at which it did, and those for which it never did."""
        open_ones, times = set(waiting), []
        end = time.perf_counter() + limit
        while open_ones and time.perf_counter() < end:
            for key, _ in selector.select(end - time.perf_counter()):
                client = key.fileobj
                data = client.recv(1 << 16)
                if not data:
                    sys.exit(f"a listener was sent away: {waiting[client][-200:]!r}")
                waiting[client] += data
                if client in open_ones and done(waiting[client]):
                    open_ones.discard(client)
                    waiting[client] = b""
                    times.append(time.perf_counter())
        return times, len(open_ones)

    _, missing = read_until(lambda text: b"you are guest" in text, 30)
    greeted = time.perf_counter() - began
    if missing:
        sys.exit(f"{missing} of {COUNT} were not greeted")
    speaker = socket.create_connection(("127.0.0.1", port))
    speaker.sendall(b"/name ann\n/who\n")
    speaker.settimeout(5)
    answer = b""
    while b"here: " not in answer:
        answer += speaker.recv(4096)
    here = [line for line in answer.split(b"\n") if b"here: " in line][0].decode()
    slowest, halves = [], []
    for number in range(LINES):
        line = b"line %03d " % number + b"x" * 90
        sent = time.perf_counter()
        speaker.sendall(line + b"\n")
        times, missing = read_until(lambda text: line in text, 10)
        if missing:
            sys.exit(f"{missing} of {COUNT} did not hear line {number}")
        slowest.append(max(times) - sent)
        halves.append(statistics.median(times) - sent)
        time.sleep(EVERY)
    memory = (status(server.pid, "VmRSS") - before) / COUNT
    print(f"{COUNT} silent listeners, all greeted after {greeted:.1f} s; `/who` says `{here}`")
    print("| lines | median listener, median line | last listener, median line | last listener, slowest line | memory of one |")
    print("|---:|---:|---:|---:|---:|")
    print(f"| {LINES} | {statistics.median(halves) * 1000:.1f} ms | {statistics.median(slowest) * 1000:.1f} ms "
          f"| {max(slowest) * 1000:.1f} ms | {memory:.1f} KiB |")
    server.kill()
    reader.wait()
    sys.exit(max(slowest) > GOAL)


if __name__ == "__main__":
    main()
