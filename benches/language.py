#!/usr/bin/env python3
"""The language and the test runner beside what people use instead. Prints a Markdown table.

    cargo build --release && benches/language.py

Peers: a Python script with a plain socket, and redis-cli with its server, where installed (a visible skip where not).
"""
import os, pathlib, shutil, socket, statistics, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
NLS = str(ROOT / "target/release/nls")
RUNS = 7
LINES = [
    "# a comment line that says nothing much",
    "calc {n} + 1 at localhost:9002 as r",
    "expect $r.value == 2",
    "send file.bin to host:9000 chunk 1024 name f{n} replace",
    'print "done $r.value"',
]
PYTHON = """
import socket
s = socket.create_connection(("127.0.0.1", {port}))
f = s.makefile("rw")
for n in range(10000):
    f.write(f"{{n}} % 7\\n"); f.flush()
    assert f.readline()
"""


def seconds(words, **more):
    began = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)
    return time.perf_counter() - began


def interleaved(*commands):
    """The median time of each command; they take turns."""
    times = [[] for _ in commands]
    for _ in range(RUNS):
        for command, own in zip(commands, times):
            own.append(seconds(command))
    return [statistics.median(own) for own in times]


def script(path, lines):
    path.write_text("\n".join(LINES[n % len(LINES)].format(n=n % 100) for n in range(lines)) + "\n")


def row(what, value, wanted):
    print(f"| {what} | {value} | {wanted} |", flush=True)


def server():
    child = subprocess.Popen([NLS, "-q", "-c", "listen tcp 0 calc as c; print $c.port; wait"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return child, child.stdout.readline().strip()


def main():
    lab = pathlib.Path(tempfile.mkdtemp(prefix="nls-language-"))
    print("| measure | | wanted |\n|---|---|---|")
    try:
        for lines in (1_000_000, 1_000):
            script(lab / "x.nls", lines)
            (time_taken,) = interleaved([NLS, "check", str(lab / "x.nls")])
            if lines == 1_000:
                row("`nls check` of 1 000 lines, whole process", f"{time_taken * 1000:.1f} ms", "10 ms")
            else:
                row("`nls check` of 1 000 000 lines, whole process", f"{lines / time_taken / 1e6:.2f} million lines/s", "1")
        calculator, port = server()
        (lab / "calc.nls").write_text("".join(f"calc {n} % 7 at :{port}\n" for n in range(10_000)))
        (lab / "calc.py").write_text(PYTHON.format(port=port))
        nls, python = interleaved([NLS, str(lab / "calc.nls")], [sys.executable, str(lab / "calc.py")])
        row("10 000 `calc` in a script against Python with a plain socket", f"{python / nls:.2f} × faster", "3 ×")
        if shutil.which("redis-cli") and shutil.which("redis-server"):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                redis_port = str(free.getsockname()[1])
            redis = subprocess.Popen(["redis-server", "--port", redis_port, "--save", "", "--appendonly", "no"], stdout=subprocess.DEVNULL, cwd=lab)
            while subprocess.run(["redis-cli", "-p", redis_port, "PING"], capture_output=True).returncode:
                time.sleep(0.01)
            nls, peer = interleaved([NLS, "-c", f"calc 1+1 at :{port}"], ["redis-cli", "-p", redis_port, "PING"])
            row("`nls -c 'calc 1+1 at …'` against `redis-cli PING`, whole processes", f"{nls / peer:.2f} × its time", "1.5 ×")
            redis.terminate()
            redis.wait()
        else:
            print("SKIPPED: redis-cli and redis-server are not installed")
        calculator.terminate()
        calculator.wait()
        tests(lab)
    finally:
        shutil.rmtree(lab)


def tests(lab):
    """200 sample tests, 50 shuffled rounds, while both cores are kept busy."""
    samples = ROOT / "tests/samples"
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count())]
    began = time.perf_counter()
    run = subprocess.run([NLS, "--json", "test", str(samples), "--repeat", "50", "--shuffle", "--seed", "1"], capture_output=True, text=True, cwd=lab)
    for child in busy:
        child.kill()
        child.wait()
    import json
    summary = json.loads(run.stdout.splitlines()[-1])
    row(
        f"sample tests × 50, shuffled, in parallel, both cores loaded ({time.perf_counter() - began:.0f} s)",
        f"{summary['passed']} passed, {summary['failed']} failed, {summary['flaky']} flaky, {summary['leaked']} leaks",
        "0 failures, 0 leaks",
    )
    for line in run.stdout.splitlines():
        if '"verdict":"failed"' in line:
            print(line[:1000], file=sys.stderr)
            break


main()
