#!/usr/bin/env python3
"""The prompt beside an empty Rust program and its peers, in a pseudo terminal. Prints a Markdown table.

    cargo build --release && benches/prompt.py

Peers: sqlite3, redis-cli and lftp, where installed (a visible skip where not).
"""
import fcntl, os, pathlib, pty, re, select, shutil, signal, statistics, struct, subprocess, sys, tempfile, termios, threading, time, socket

ROOT = pathlib.Path(__file__).resolve().parent.parent
NLS = str(ROOT / "target/release/nls")
RUNS = 21
EMPTY = """
use std::io::Write;
fn main() {
    std::io::stdout().write_all(b"nls> ").unwrap();
    std::io::stdout().flush().unwrap();
    std::io::stdin().read_line(&mut String::new()).unwrap();
}
"""


class Terminal:
    """A program in a pseudo terminal."""

    def __init__(self, words, prompt, folder):
        self.began = time.perf_counter()
        self.child, self.fd = pty.fork()
        if self.child == 0:
            os.chdir(folder)
            keep = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
            os.execvpe(words[0], words, {**keep, "HOME": folder, "TERM": "xterm-256color", "NLS_HISTFILE": "", "NLS_RC": ""})
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 120, 0, 0))
        self.seen = b""
        self.until(prompt)

    def some(self, limit=10.0):
        if not select.select([self.fd], [], [], limit)[0]:
            raise TimeoutError(self.seen[-500:])
        part = os.read(self.fd, 65536)
        self.seen += part
        return part

    def until(self, pattern, limit=20.0):
        """Reads until what came since the last call holds the pattern; the seconds since the start."""
        held, end = b"", time.perf_counter() + limit
        while not re.search(pattern, held):
            held += self.some(max(0.0, end - time.perf_counter()))
        return time.perf_counter() - self.began

    def keys(self, text):
        os.write(self.fd, text.encode())

    def memory(self):
        """Resident, in KiB."""
        return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{self.child}/status").read_text())[1])

    def end(self):
        os.kill(self.child, signal.SIGKILL)
        os.waitpid(self.child, 0)
        os.close(self.fd)


def start(words, prompt, folder):
    """Milliseconds to the prompt and KiB at it: medians."""
    times, sizes = [], []
    for _ in range(RUNS):
        began = time.perf_counter()
        terminal = Terminal(words, prompt, folder)
        times.append((time.perf_counter() - began) * 1000)
        sizes.append(terminal.memory())
        terminal.end()
    return statistics.median(times), statistics.median(sizes)


def starts(folder):
    source = pathlib.Path(folder, "empty.rs")
    source.write_text(EMPTY)
    empty = str(source.with_suffix(""))
    subprocess.run(["rustc", "-O", "-o", empty, source], check=True)
    rows = [("an empty Rust program", [empty], rb"nls> "), ("nls", [NLS, "-n"], rb"nls> ")]
    for name, words, prompt in [
        ("sqlite3", ["sqlite3"], rb"sqlite> "),
        ("redis-cli", ["redis-cli", "-p", "1"], rb"not connected> "),
        ("lftp", ["lftp"], rb"lftp .*> "),
    ]:
        if shutil.which(words[0]):
            rows.append((name, words, prompt))
        else:
            print(f"{name} is not installed: skipped", file=sys.stderr)
    print("| start to prompt | ms | RSS, MiB |\n|---|---|---|")
    for name, words, prompt in rows:
        ms, size = start(words, prompt, folder)
        print(f"| {name} | {ms:.1f} | {size / 1024:.1f} |")


class Talkers:
    """People who say `rate` lines a second in a room, in turn."""

    def __init__(self, port, rate):
        self.sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(max(1, rate // 12))]
        self.rate, self.going = rate, True
        self.thread = threading.Thread(target=self.talk, daemon=True)
        self.thread.start()

    def talk(self):
        count = 0
        while self.going:
            self.sockets[count % len(self.sockets)].sendall(f"line {count}\n".encode())
            count += 1
            time.sleep(1 / self.rate)

    def end(self):
        self.going = False
        self.thread.join()
        for one in self.sockets:
            one.close()


def room(folder):
    terminal = Terminal([NLS, "-n"], rb"nls> ", folder)
    terminal.keys("listen tcp 0 chat as room max 200 turns off\r")
    terminal.until(rb"next, .*nls> |next, (.|\n)*nls> ")
    port = int(re.search(rb"listening on tcp 127.0.0.1:(\d+)", terminal.seen)[1])
    return terminal, port


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def keys(folder, rate):
    """Milliseconds from a key to the line redrawn with it."""
    terminal, port = room(folder)
    talkers = Talkers(port, rate) if rate else None
    time.sleep(0.5)
    line, times = "send film.mp4 to 127.0.0.1:9000 chunk 64K as up", []
    for _ in range(20):
        for end in range(1, len(line) + 1):
            while select.select([terminal.fd], [], [], 0)[0]:
                terminal.some()
            began = time.perf_counter()
            terminal.keys(line[end - 1])
            # The whole line is drawn again: words in colour, so letters are looked for without it.
            held = b""
            wanted = line[:end].encode()
            while wanted not in re.sub(rb"\x1b\[[0-9;]*m", b"", held):
                held += terminal.some()
            times.append((time.perf_counter() - began) * 1000)
        terminal.keys("\x03")
        terminal.until(rb"nls> ")
    if talkers:
        talkers.end()
    terminal.end()
    return statistics.median(times), percentile(times, 0.99), max(times)


def stall(folder):
    """The longest time from a key to its echo, in ms, while 1000 commands run among 1000 events a second, with the search,
    lists, a new size and pasted text in between."""
    terminal, port = room(folder)
    talkers = Talkers(port, 1000)
    time.sleep(0.5)
    longest, order = 0.0, 0

    def key(text, wanted):
        nonlocal longest
        began = time.perf_counter()
        terminal.keys(text)
        held = b""
        while not re.search(wanted, re.sub(rb"\x1b\[[0-9;]*m", b"", held)):
            held += terminal.some()
            if time.perf_counter() - began > 10:
                raise TimeoutError(f"{text!r}: {wanted} is not in {held[-2000:]}")
        longest = max(longest, (time.perf_counter() - began) * 1000)

    for n in range(1000):
        key(f"print r{n}.\r", rb"(?s)\nr%d\.\r\n.*nls> " % n)
        if n % 10 == 0:
            key("\x12", rb"reverse-i-search")
            key("p", rb"`p'")
            key("\x07", rb"nls> ")
            key("\x15lis\t", rb"listen")
            key("\x15", rb"nls> ")
            fcntl.ioctl(terminal.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100 + n % 20, 0, 0))
            key("\x1b[200~pasted\x1b[201~", rb"pasted")
            key("\x15", rb"nls> ")
    talkers.end()
    skipped = sum(int(count) for count in re.findall(rb"(\d+) events skipped", terminal.seen))
    terminal.end()
    return longest, skipped


def idle(folder):
    """KiB for each of 500 idle sessions."""
    terminal = Terminal([NLS, "-n"], rb"nls> ", folder)
    before = terminal.memory()
    terminal.keys("repeat 500: listen tcp 0 calc; print made it\r")
    terminal.until(rb"\nmade it\r\n")
    time.sleep(1)
    after = terminal.memory()
    terminal.end()
    return (after - before) / 500


def completion(folder):
    """Milliseconds to complete a path among 10 000 files with 1000 sessions, and a session among them: medians."""
    many = pathlib.Path(folder, "many")
    many.mkdir()
    for n in range(10_000):
        (many / f"file-{n:05}").touch()
    terminal = Terminal([NLS, "-n"], rb"nls> ", folder)
    lines = "; ".join(f"listen tcp 0 calc as s{n:04}" for n in range(1000))
    script = pathlib.Path(folder, "many.nls")
    script.write_text(lines.replace("; ", "\n") + "\nprint made it\n")
    terminal.keys("source many.nls\r")
    terminal.until(rb"\nmade it\r\n", 60)
    found = {}
    for name, line, wanted in [
        ("a path", "send many/file-0777\t", rb"file-07770"),
        ("a path, unique", "send many/file-07777\t", rb"many/file-07777 "),
        ("a session", "stop s077\t", rb"s0770"),
    ]:
        times = []
        for _ in range(RUNS):
            text, tab = line[:-1], line[-1]
            terminal.keys(text)
            plain = b""
            while text.encode() not in re.sub(rb"\x1b\[[0-9;]*m", b"", plain):
                plain += terminal.some()
            time.sleep(0.05)
            while select.select([terminal.fd], [], [], 0)[0]:
                terminal.some()
            began = time.perf_counter()
            terminal.keys(tab + (tab if not wanted.endswith(b" ") else ""))
            held = b""
            while not re.search(wanted, re.sub(rb"\x1b\[[0-9;]*m", b"", held)):
                held += terminal.some()
            times.append((time.perf_counter() - began) * 1000)
            terminal.keys("\x03")
            terminal.until(rb"nls> ")
        found[name] = statistics.median(times)
    terminal.end()
    return found


def main():
    with tempfile.TemporaryDirectory() as folder:
        starts(folder)
        print("\n| measure | |\n|---|---|")
        for rate in (0, 100):
            p50, p99, most = keys(folder, rate)
            print(f"| key to redraw with hint and colours, {rate} events/s | p50 {p50:.2f} ms, p99 {p99:.2f} ms, worst {most:.1f} ms |")
        longest, skipped = stall(folder)
        print(f"| 1000 commands among 1000 events/s: longest wait for a key or a result | {longest:.0f} ms, {skipped} events skipped |")
        print(f"| an idle session | {idle(folder):.1f} KiB |")
        for name, ms in completion(folder).items():
            print(f"| completing {name}, 10 000 files and 1000 sessions | {ms:.1f} ms |")


main()
