#!/usr/bin/env python3
"""Streaming: first picture, a film over a poor link, a jump, many viewers, a download. Prints a Markdown table.

    cargo build --release && LINKEMU=/path/to/linkemu benches/streaming.py              everything, about 20 minutes
    … benches/streaming.py first|film|jump|viewers|download                             one of them

The films are made with ffmpeg's test sources. Players run without screen or sound: mpv and ffplay as they are. `first` and
`jump` compare with the player alone on the local file, in turns, medians of `RUNS`. The link is two network namespaces joined by
`linkemu` (see paths.py); needs root, `ip` and TUN, and skips without.
"""
import json, os, pathlib, re, shutil, signal, socket, statistics, subprocess, sys, tempfile, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from paths import LINKEMU, NLS, Path, inside

RUNS = 7
DUMMY = ["env", "SDL_VIDEODRIVER=dummy", "SDL_AUDIODRIVER=dummy"]


def row(*cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def film(lab, name, seconds, kbit, *more):
    """A film of test pictures with an index at its end, unless `more` says otherwise."""
    sources = ["-f", "lavfi", "-i", f"testsrc2=size=640x360:rate=25:duration={seconds}", "-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}"]
    rate = ["-b:v", f"{kbit}k", "-minrate", f"{kbit}k", "-maxrate", f"{kbit}k", "-bufsize", f"{kbit}k", "-nal-hrd", "cbr"]
    words = ["ffmpeg", "-v", "error", "-y", *sources, "-c:v", "libx264", "-preset", "ultrafast", "-g", "50", *rate, "-c:a", "aac", *more, str(lab / name)]
    subprocess.run(words, check=True)
    return lab / name


def repeated(lab, source, name, times):
    """The same film, so many times in a row."""
    (lab / "list.txt").write_text(f"file '{source}'\n" * times)
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "concat", "-safe", "0", "-i", str(lab / "list.txt"), "-c", "copy", str(lab / name)], check=True)
    return lab / name


class Server:
    """A stream server on port 9003, in a namespace or here."""

    def __init__(self, lab, where=(), words=""):
        line = f"listen udp 9003 stream on any root {lab} {words} as cinema; print ready; wait"
        self.process = subprocess.Popen([*where, NLS, "-q", "-c", line], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def __enter__(self):
        assert self.process.stdout.readline() == "ready\n", "the server did not start"
        return self.process

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def command(player, log):
    """The player, and what its log says at the first picture."""
    if player == "mpv":
        return ["mpv", "--no-config", "--vo=null", "--ao=null", "--really-quiet", f"--log-file={log}", "--msg-level=all=v"], "first video frame after restart shown"
    return [*DUMMY, "ffplay", "-loglevel", "info", "-autoexit", "-nostats", "-vf", "showinfo"], " n:   0 "


def first_picture(player, log, launch):
    """Seconds from the start to the first picture; `launch` starts it and gives the process."""
    log.write_text("")
    words, sign = command(player, log)
    began = time.monotonic()
    process = launch(words)
    try:
        while time.monotonic() < began + 20:
            if sign in log.read_text(errors="replace"):
                return time.monotonic() - began
            time.sleep(0.002)
        return float("nan")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def alone(player, log, source):
    def launch(words):
        with open(log, "a") as out:
            return subprocess.Popen([*words, str(source)], stdout=subprocess.DEVNULL, stderr=out if player != "mpv" else subprocess.DEVNULL, start_new_session=True)

    return first_picture(player, log, launch)


def streamed(player, log, name, at, where=()):
    def launch(words):
        # ffplay says what it shows on its standard error, which nls keeps to itself.
        text = " ".join(words) + " {url}"
        play = f"'{text}'" if player == "mpv" else f"'sh -c \"exec {text} 2> {log}\"'"
        return subprocess.Popen([*where, NLS, "-q", "-c", f"stream {name} from {at} play {play}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    return first_picture(player, log, launch)


def first(lab):
    source = film(lab, "end.mp4", 60, 2000)
    log = lab / "player.log"
    for what, loss, wanted in (("loopback", None, "0.5 s"), ("50 ms, 5 % loss", 0.05, "1.2 s")):
        for player in ("mpv", "ffplay"):
            times = {True: [], False: []}

            def measure(at, where=()):
                for _ in range(RUNS):
                    times[False].append(alone(player, log, source))
                    times[True].append(streamed(player, log, "end.mp4", at, where))

            if loss is None:
                with Server(lab):
                    measure("127.0.0.1:9003")
            elif LINKEMU:
                with Path(loss, 100, 50) as path, Server(lab, inside(path.b)):
                    measure("10.77.0.2:9003", inside(path.a))
            else:
                print("SKIPPED: LINKEMU is not set")
                continue
            mine, local = statistics.median(times[True]), statistics.median(times[False])
            row(f"first picture, {player}, index at the end, {what}", f"{mine - local:+.2f} s ({mine:.2f} against {local:.2f} alone; worst {max(times[True]):.2f})", wanted)


def long_film(lab, seconds, kbit):
    part = film(lab, "part.mp4", 60, kbit)
    return repeated(lab, part, "long.mp4", seconds // 60)


def over_the_link(lab, name, play, link=("--burst", "4"), words="", more="", limit=3600):
    with Path(0.05, 10, 80, *link) as path, Server(lab, inside(path.b), words):
        script = f"stream {name} from 10.77.0.2:9003 play {play} {more} as f; print $f.stalls $f.bytes $f.playhead $f.datagrams $f.repaired"
        done = subprocess.run([*inside(path.a), NLS, "-q", "-c", script], capture_output=True, text=True, timeout=limit)
    return done


def watch(lab):
    """20 minutes of 5 Mbit/s, by the clock and at real speed."""
    if not LINKEMU:
        return print("SKIPPED: LINKEMU is not set")
    source = long_film(lab, 20 * 60, 4800)
    done = over_the_link(lab, "long.mp4", "clock")
    print(done.stderr.strip() or "", end="")
    stalls, size, playhead, datagrams, repaired = done.stdout.split()
    assert int(size) == source.stat().st_size
    row("20 min of 5 Mbit/s over 10 Mbit/s, 80 ms, 5 % loss in bursts of 4, by the clock", f"{stalls} stalls, {int(size) - int(playhead)} bytes missing ({int(size) / 1e6:.0f} MB, {repaired} of {datagrams} repaired)", "0, 0")


def ask(pipe, *words):
    """One command to mpv over its socket."""
    with socket.socket(socket.AF_UNIX) as to:
        to.connect(str(pipe))
        to.sendall(json.dumps({"command": words}).encode() + b"\n")
        return to.recv(65536)


def jump(lab):
    """To 90 % of 1 GiB, while it plays."""
    if not LINKEMU:
        return print("SKIPPED: LINKEMU is not set")
    part = film(lab, "part.mp4", 60, 4800)
    source = repeated(lab, part, "gib.mp4", (1 << 30) // part.stat().st_size + 1)
    log, pipe, sign = lab / "player.log", lab / "mpv.sock", "first video frame after restart shown"
    times = []
    with Path(0.05, 10, 80, "--burst", "4") as path, Server(lab, inside(path.b)):
        for _ in range(RUNS):
            log.write_text("")
            words = " ".join([*command("mpv", log)[0], f"--input-ipc-server={pipe}", "{url}"])
            pipe.unlink(missing_ok=True)
            process = subprocess.Popen([*inside(path.a), NLS, "-q", "-c", f"stream gib.mp4 from 10.77.0.2:9003 play '{words}'"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
            while sign not in log.read_text(errors="replace"):
                if process.poll() is not None:
                    sys.exit("the player did not start: " + process.stderr.read())
                time.sleep(0.01)
            time.sleep(5)  # it plays for a while; this is no wait for something
            began = time.monotonic()
            ask(pipe, "seek", 90, "absolute-percent")
            while log.read_text(errors="replace").count(sign) < 2 and time.monotonic() < began + 20:
                time.sleep(0.002)
            times.append(time.monotonic() - began)
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
    row(f"jump to 90 % of {source.stat().st_size / 2**30:.2f} GiB over the same link, mpv", f"{statistics.median(times):.2f} s (worst {max(times):.2f})", "1.5 s")


def memory(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


def processor(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def viewers(lab, count=200, seconds=60):
    """So many viewers of one film, each by the clock, in one process beside the server."""
    film(lab, "short.mp4", seconds, 4800)
    with Server(lab, words="max 1000") as server:
        before = memory(server.pid)
        names = [f"v{n}" for n in range(count)]
        script = "".join(f"stream short.mp4 from 127.0.0.1:9003 play clock cache 16M as {name} &\n" for name in names)
        script += "".join(f"wait ${name}\nprint ${name}.stalls\n" for name in names)
        (lab / "viewers.nls").write_text(script)
        began, spent = time.monotonic(), processor(server.pid)
        process = subprocess.Popen([NLS, "-q", str(lab / "viewers.nls")], stdout=subprocess.PIPE, text=True)
        peak = 0
        while process.poll() is None:
            peak = max(peak, memory(server.pid))
            time.sleep(0.2)
        out = process.stdout.read()
        cores = (processor(server.pid) - spent) / (time.monotonic() - began)
    stalls = [int(line) for line in out.split()]
    assert len(stalls) == count, out[-500:]
    row(f"{count} viewers at 5 Mbit/s from one server on loopback, {seconds} s", f"{sum(stalls)} stalls ({sum(s > 0 for s in stalls)} viewers), {(peak - before) / count:.0f} KiB each, {cores:.2f} cores", "0, 256 KiB, 1 core")


def download(lab):
    """`stream … to` against `get`, both over UDP on loopback."""
    size = 500_000_000
    with open(lab / "big.bin", "wb") as out:
        for _ in range(size // 1_000_000):
            out.write(os.urandom(1_000_000))
    times = {"stream": [], "get": []}
    line = f"listen udp 9003 stream root {lab}; listen udp 9004 ftp root {lab}; print ready; wait"
    server = subprocess.Popen([NLS, "-q", "-c", line], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    server.stdout.readline()
    scripts = {"stream": "stream big.bin from 127.0.0.1:9003 to kept.bin replace", "get": "get big.bin from udp 127.0.0.1:9004 to kept2.bin replace fast"}
    for _ in range(RUNS):
        for verb, script in scripts.items():
            began = time.monotonic()
            subprocess.run([NLS, "-q", "-c", script], cwd=lab, check=True, stdout=subprocess.DEVNULL)
            times[verb].append(time.monotonic() - began)
    server.terminate()
    server.wait()
    mine, other = (statistics.median(times[verb]) for verb in ("stream", "get"))
    row("download of 500 MB with `to`, loopback, against `get` over UDP", f"{other / mine:.2f} × its rate ({size * 8 / mine / 1e6:.0f} against {size * 8 / other / 1e6:.0f} Mbit/s)", "0.3 ×")


PARTS = {"first": first, "film": watch, "jump": jump, "viewers": viewers, "download": download}


def main():
    for need in ("mpv", "ffmpeg", "ffplay"):
        if not shutil.which(need):
            sys.exit(f"SKIPPED: {need} is not installed")
    lab = pathlib.Path(tempfile.mkdtemp(prefix="nls-streaming-", dir="/dev/shm"))
    try:
        print("| measure | | wanted |\n|---|---|---|")
        for name in sys.argv[1:] or PARTS:
            PARTS[name](lab)
    finally:
        shutil.rmtree(lab)


main()
