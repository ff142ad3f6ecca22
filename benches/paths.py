#!/usr/bin/env python3
"""A file over UDP on bad paths, beside TCP with CUBIC and BBR (iperf3) where that is installed. Prints Markdown tables.

    cargo build --release && LINKEMU=/path/to/linkemu benches/paths.py              all tables, about 40 minutes
    … benches/paths.py MEGABYTES… [--rate MBIT] [--rtt MS] [--loss P…] [--tcp]     one table of one's own
    … benches/paths.py MEGABYTES… --keyed [ROUNDS] …                               plain and with a key, in turn

Two network namespaces of its own are joined by `linkemu`, which delays, loses and limits (loss is drawn in both directions,
before the bottleneck; the queue holds 100 ms). Rates are of the file's bytes over the whole command, from its start to its
exit: handshake, verification and the commit on tmpfs (`fast`) included. Needs root, `ip` and TUN; skips without.
"""
import argparse, json, os, pathlib, re, shutil, signal, statistics, subprocess, sys, tempfile, threading, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
NLS = os.environ.get("NLS", str(ROOT / "target/release/nls"))
LINKEMU = os.environ.get("LINKEMU", "")


def sh(*words, **more):
    return subprocess.run(words, check=True, capture_output=True, text=True, **more)


def inside(name):
    return ["ip", "netns", "exec", name]


class Path:
    """Two namespaces and the link between them, as long as it is entered."""

    def __init__(self, loss, rate, rtt, *more):
        self.a, self.b = f"nlsa{os.getpid()}", f"nlsb{os.getpid()}"
        self.words = [LINKEMU, "--a", self.a, "--b", self.b, "--delay-ms", str(rtt / 2), "--loss", str(loss)]
        self.words += ["--rate-mbit", str(rate), "--queue-ms", "100", *more]

    def __enter__(self):
        for name in (self.a, self.b):
            sh("ip", "netns", "add", name)
            sh(*inside(name), "ip", "link", "set", "lo", "up")
        self.link = subprocess.Popen(self.words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for _ in range(500):
            if subprocess.run([*inside(self.b), "ip", "addr", "show", "linkB"], capture_output=True, text=True).stdout.count("10.77.0.2"):
                return self
            time.sleep(0.01)
        sys.exit("the link did not come up")

    def __exit__(self, *_):
        self.link.send_signal(signal.SIGTERM)
        self.link.wait()
        for name in (self.a, self.b):
            subprocess.run(["ip", "netns", "del", name])


def ours(path, lab, name, size, words, serve="open"):
    (lab / "root").mkdir(exist_ok=True)
    line = f"listen udp 9000 ftp on any {serve} root root as f; print ready; wait"
    server = subprocess.Popen([*inside(path.b), NLS, "-q", "-c", line], cwd=lab, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    server.stdout.readline()
    script = f"send {name} to udp 10.77.0.2:9000 fast {words} as up; print $up.retransmitted $up.sent_bytes"
    began = time.monotonic()
    done = subprocess.run(
        [*inside(path.a), NLS, "-q", "-c", script], cwd=lab, capture_output=True, text=True, timeout=600
    )
    seconds = time.monotonic() - began
    server.terminate()
    server.wait()
    if done.returncode != 0:
        return None, done.stderr.strip().splitlines()[0]
    (lab / "root" / name).unlink()
    _, sent = (int(word) for word in done.stdout.split())
    return size * 8 / seconds / 1e6, sent / size


def tcp(path, control, seconds):
    server = subprocess.Popen([*inside(path.b), "iperf3", "-s", "-1", "--forceflush"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    server.stdout.readline()
    out = subprocess.run(
        [*inside(path.a), "iperf3", "-c", "10.77.0.2", "-C", control, "-t", str(seconds), "-J"], capture_output=True, text=True, timeout=seconds + 30
    ).stdout
    server.terminate()
    server.wait()
    return json.loads(out)["end"]["sum_received"]["bits_per_second"] / 1e6


class Lab:
    """A folder in memory, with files of random bytes."""

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="nls-paths-", dir="/dev/shm"))
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)

    def file(self, megabytes):
        name = f"f{megabytes}"
        if not (self.folder / name).exists():
            with open(self.folder / name, "wb") as out:
                for _ in range(megabytes):
                    out.write(os.urandom(1_000_000))
        return name

    def measure(self, megabytes, loss, rate, rtt, link="", words=""):
        with Path(loss, rate, rtt, *link.split()) as path:
            mbit, sent = ours(path, self.folder, self.file(megabytes), megabytes * 1_000_000, words)
        return f"{mbit:.1f} ({sent:.3f})" if mbit else f"failed: {sent}"


def table(lab, megabytes, rate, rtt, losses, with_tcp=False, link="", words=""):
    print(f"\n{rate} Mbit/s, {rtt:g} ms, queue 100 ms {link}; Mbit/s (sent / needed)\n")
    with_tcp = with_tcp and shutil.which("iperf3")
    print("| loss | " + " | ".join(f"{size} MB" for size in megabytes) + (" | TCP CUBIC | TCP BBR |" if with_tcp else " |"))
    print("|---" * (1 + len(megabytes) + 2 * bool(with_tcp)) + "|")
    for loss in losses:
        cells = [f"{loss * 100:g} %"] + [lab.measure(size, loss, rate, rtt, link, words) for size in megabytes]
        for control in ("cubic", "bbr") if with_tcp else ():
            with Path(loss, rate, rtt, *link.split()) as path:
                cells.append(f"{tcp(path, control, 10):.1f}")
        print("| " + " | ".join(cells) + " |", flush=True)


def keyed(lab, megabytes, rate, rtt, losses, rounds):
    """The same transfers plain and with a key, in turn on the same path: the medians, and how they differ."""
    subprocess.run([NLS, "-q", "-c", "key new to team.key"], cwd=lab.folder, check=True, stdout=subprocess.DEVNULL)
    print(f"\n{rate} Mbit/s, {rtt:g} ms, queue 100 ms; Mbit/s plain, with a key, of {rounds} rounds each\n")
    print("| loss | " + " | ".join(f"{size} MB" for size in megabytes) + " |\n|---" + "|---" * len(megabytes) + "|")
    for loss in losses:
        cells = [f"{loss * 100:g} %"]
        for size in megabytes:
            found = {"open": [], "key team.key": []}
            for serve in list(found) * rounds:
                with Path(loss, rate, rtt) as path:
                    words = serve.removeprefix("open")
                    mbit, sent = ours(path, lab.folder, lab.file(size), size * 1_000_000, words, serve)
                found[serve].append(mbit or sys.exit(f"failed: {sent}"))
            plain, with_key = (statistics.median(rates) for rates in found.values())
            cells.append(f"{plain:.1f}, {with_key:.1f} ({(with_key / plain - 1) * 100:+.1f} %)")
        print("| " + " | ".join(cells) + " |", flush=True)


def odd_paths(lab):
    print("\nother paths; Mbit/s (sent / needed)\n\n| path | |\n|---|---|")
    bursts = "--burst 8 --dup 0.01"
    for what, size, loss, rate, rtt, link in (
        ("20 Mbit/s, 300 ms, 2 % loss, 100 MB", 100, 0.02, 20, 300, ""),
        ("100 Mbit/s, 50 ms, 5 % loss, 50 MB", 50, 0.05, 100, 50, ""),
        ("… in bursts of 8, 1 % twice", 50, 0.05, 100, 50, bursts),
        ("… a queue of 10 ms", 50, 0.05, 100, 50, "--queue-ms 10"),
    ):
        print(f"| {what} | {lab.measure(size, loss, rate, rtt, link)} |", flush=True)


SHARING_SECONDS = 40


def share(lab, path, name):
    """Starts a transfer that lasts; a function that gives its rate in Mbit/s after `SHARING_SECONDS`."""
    script = f"send {lab.file(1000)} to udp 10.77.0.2:9000 name {name} fast as up &\nsleep {SHARING_SECONDS}s\nprint $up.bytes_out\nstop $up"
    words = [*inside(path.a), NLS, "-q", "-c", script]
    client = subprocess.Popen(words, cwd=lab.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return lambda: int(client.communicate(timeout=SHARING_SECONDS + 20)[0].split()[0]) * 8 / SHARING_SECONDS / 1e6


def sharing(lab):
    print(f"\n100 Mbit/s, 50 ms, queue 100 ms, no loss, {SHARING_SECONDS} s together; Mbit/s\n\n| beside | nls | the other |\n|---|---|---|")
    (lab.folder / "root").mkdir(exist_ok=True)
    for what in ("nls", "cubic", "bbr"):
        if what != "nls" and not shutil.which("iperf3"):
            continue
        with Path(0, 100, 50) as path:
            line = "listen udp 9000 ftp on any open root root as f; print ready; wait"
            server = subprocess.Popen([*inside(path.b), NLS, "-q", "-c", line], cwd=lab.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            server.stdout.readline()
            first = share(lab, path, "one")
            other = share(lab, path, "two")() if what == "nls" else tcp(path, what, SHARING_SECONDS)
            print(f"| {what} | {first():.1f} | {other:.1f} |", flush=True)
            server.terminate()
            server.wait()
        shutil.rmtree(lab.folder / "root")
        (lab.folder / "root").mkdir()


LOSSES = [0, 0.01, 0.05, 0.1, 0.2]


def main():
    options = argparse.ArgumentParser()
    options.add_argument("megabytes", type=int, nargs="*")
    options.add_argument("--rate", type=int, default=100)
    options.add_argument("--rtt", type=float, default=50)
    options.add_argument("--loss", type=float, nargs="*", default=LOSSES)
    options.add_argument("--tcp", action="store_true")
    options.add_argument("--keyed", type=int, nargs="?", const=5, default=0, metavar="ROUNDS")
    options.add_argument("--with", dest="words", default="", help="more words for `send`")
    options.add_argument("--link", default="", help="more words for linkemu")
    chosen = options.parse_args()
    if os.geteuid() != 0 or not os.access(LINKEMU, os.X_OK) or not shutil.which("ip"):
        print("SKIPPED: needs root, ip, TUN, and LINKEMU=/path/to/linkemu")
        return
    with Lab() as lab:
        if chosen.keyed:
            keyed(lab, chosen.megabytes or [50], chosen.rate, chosen.rtt, chosen.loss, chosen.keyed)
            return
        if chosen.megabytes:
            table(lab, chosen.megabytes, chosen.rate, chosen.rtt, chosen.loss, chosen.tcp, chosen.link, chosen.words)
            return
        table(lab, [50, 1000], 100, 50, LOSSES, with_tcp=True)
        table(lab, [4000], 1000, 50, LOSSES, with_tcp=True)
        odd_paths(lab)
        sharing(lab)


if __name__ == "__main__":
    main()
