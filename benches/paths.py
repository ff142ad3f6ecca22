#!/usr/bin/env python3
"""A file over UDP on bad paths, beside TCP with CUBIC and BBR (iperf3) where that is installed. Prints a Markdown table.

    cargo build --release && LINKEMU=/path/to/linkemu benches/paths.py [MEGABYTES…] [--rate MBIT] [--rtt MS] [--tcp]

Two network namespaces of its own are joined by `linkemu`, which delays, loses and limits (loss is drawn in both directions,
before the bottleneck; the queue holds 100 ms). Rates are of the file's bytes over the whole command, from its start to its
exit: handshake, verification and the commit on tmpfs (`fast`) included. Needs root, `ip` and TUN; skips without.
"""
import argparse, json, os, pathlib, re, shutil, signal, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
NLS = str(ROOT / "target/release/nls")
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


def ours(path, lab, name, size, words):
    (lab / "root").mkdir(exist_ok=True)
    line = "listen udp 9000 ftp on any open root root as f; print ready; wait"
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


def main():
    options = argparse.ArgumentParser()
    options.add_argument("megabytes", type=int, nargs="*", default=[50, 1000])
    options.add_argument("--rate", type=int, default=100)
    options.add_argument("--rtt", type=float, default=50)
    options.add_argument("--loss", type=float, nargs="*", default=[0, 0.01, 0.05, 0.1, 0.2])
    options.add_argument("--tcp", action="store_true")
    options.add_argument("--with", dest="words", default="", help="more words for `send`")
    options.add_argument("--link", default="", help="more words for linkemu")
    chosen = options.parse_args()
    if os.geteuid() != 0 or not os.access(LINKEMU, os.X_OK) or not shutil.which("ip"):
        print("SKIPPED: needs root, ip, TUN, and LINKEMU=/path/to/linkemu")
        return
    print(f"{chosen.rate} Mbit/s, {chosen.rtt:g} ms, queue 100 ms {chosen.link}; Mbit/s (sent / needed)\n")
    print("| loss | " + " | ".join(f"{size} MB" for size in chosen.megabytes) + (" | TCP CUBIC | TCP BBR |" if chosen.tcp else " |"))
    print("|---" * (1 + len(chosen.megabytes) + 2 * chosen.tcp) + "|")
    lab = pathlib.Path(tempfile.mkdtemp(prefix="nls-paths-", dir="/dev/shm"))
    try:
        for size in chosen.megabytes:
            with open(lab / f"f{size}", "wb") as out:
                for _ in range(size):
                    out.write(os.urandom(1_000_000))
        for loss in chosen.loss:
            cells = [f"{loss * 100:g} %"]
            for size in chosen.megabytes:
                with Path(loss, chosen.rate, chosen.rtt, *chosen.link.split()) as path:
                    rate, sent = ours(path, lab, f"f{size}", size * 1_000_000, chosen.words)
                cells.append(f"{rate:.1f} ({sent:.3f})" if rate else f"failed: {sent}")
            if chosen.tcp and shutil.which("iperf3"):
                for control in ("cubic", "bbr"):
                    with Path(loss, chosen.rate, chosen.rtt, *chosen.link.split()) as path:
                        cells.append(f"{tcp(path, control, 10):.1f}")
            print("| " + " | ".join(cells) + " |", flush=True)
    finally:
        shutil.rmtree(lab)


main()
