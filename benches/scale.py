#!/usr/bin/env python3
"""Large files, many files, many clients: what benches/transfers.sh does not show. Prints a Markdown table.

    cargo build --release && benches/scale.py [GIBIBYTES]

Everything runs over loopback, in a folder of its own on tmpfs ($TMPDIR) or, where it says so, on a disk ($DISK, with room
for two such files), and ends by itself. Sizes of memory are the peaks of whole
processes (VmHWM); those of idle clients are what the server's own memory (RssAnon) grew by.
"""
import os, pathlib, re, resource, shutil, socket, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
NLS = str(ROOT / "target/release/nls")
GIB = 1 << 30
SIZE = int(sys.argv[1] if len(sys.argv) > 1 else 10) * GIB
IDLE = 10_000
ROUNDS = 3


def start(lab, listen):
    """A server, its port, and what ends it."""
    line = f"listen tcp 0 ftp {listen} as f; print $f.port; wait"
    server = subprocess.Popen([NLS, "-q", "-c", line], cwd=lab, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return server, int(server.stdout.readline())


def stop(server):
    server.terminate()
    server.wait()


def figure(process, name):
    text = pathlib.Path(f"/proc/{process}/status").read_text()
    return int(re.search(rf"^{name}:\s+(\d+)", text, re.M).group(1))


def run(lab, script, seconds=600):
    """Runs a script to its end: its output, how long it took, and its peak memory in KiB."""
    began = time.monotonic()
    process = subprocess.Popen([NLS, "-q", "-c", script], cwd=lab, stdout=subprocess.PIPE, text=True)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"failed: {script}")
    return process.stdout.read(), time.monotonic() - began, usage.ru_maxrss


def row(what, value, wanted):
    print(f"| {what} | {value} | {wanted} |", flush=True)


def sparse(lab):
    """A large file of which only the last tenth has content; the rest is a hole, so that memory holds it and its copy."""
    with open(lab / "big", "wb") as big:
        big.truncate(SIZE)
        big.seek(SIZE * 9 // 10)
        while big.tell() < SIZE:
            big.write(os.urandom(1 << 20))


def full(lab):
    """A large file, each MiB of which is another one."""
    block = bytearray(os.urandom(1 << 20))
    with open(lab / "big", "wb") as big:
        for number in range(SIZE >> 20):
            block[:8] = number.to_bytes(8, "big")
            big.write(block)


def fill(path):
    """Gives the holes of a part their pages, as if the source had none: reading it costs what it costs then."""
    zeros = bytes(1 << 20)
    with open(path, "r+b") as part:
        for _ in range((SIZE * 9 // 10) >> 20):
            part.write(zeros)


def length(path):
    """Of a file; -1 if there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1


def forget(path):
    """Where files are on a disk, the system no longer has it in memory."""
    with open(path, "rb") as file:
        os.fsync(file)
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def reads(path, size):
    """Seconds to read that many bytes of a file once."""
    forget(path)
    buffer = bytearray(1 << 20)
    began = time.monotonic()
    with open(path, "rb", buffering=0) as part:
        for _ in range(size >> 20):
            part.readinto(buffer)
    return time.monotonic() - began


def interrupted(lab):
    """The server is killed when nine tenths of the file have come: the peak memory of sender and receiver."""
    server, port = start(lab, "root root")
    part = lab / "root/.big.nls-part"
    sender = subprocess.Popen([NLS, "-q", "-c", f"send big to :{port} fast"], cwd=lab, stderr=subprocess.DEVNULL)
    while not (part.exists() and part.stat().st_size >= SIZE * 9 // 10):
        time.sleep(0.002)  # a poll, bounded by the transfer
    peak = (figure(sender.pid, "VmHWM"), figure(server.pid, "VmHWM"))
    server.kill()
    server.wait()
    sender.wait()
    return peak


def missing(lab, offset):
    """What was missing behind the offset, as a file of its own."""
    with open(lab / "big", "rb") as big, open(lab / "missing", "wb") as rest:
        big.seek(offset)
        shutil.copyfileobj(big, rest, 1 << 20)


def resumed(lab):
    """Seconds of the next attempt until its first new byte and its end, and those of a fresh transfer of what was missing
    and of reading the rest once."""
    part = lab / "root/.big.nls-part"
    before = part.stat().st_size
    reading = reads(part, before)
    forget(part)
    forget(lab / "big")
    server, port = start(lab, "root root")
    began = time.monotonic()
    sender = subprocess.Popen([NLS, "-q", "-c", f"send big to :{port} fast as up; print $up.resumed"], cwd=lab, stdout=subprocess.PIPE, text=True)
    while 0 <= length(part) <= before:
        time.sleep(0.001)  # a poll, bounded by the transfer
    first = time.monotonic() - began
    offset = int(sender.stdout.read())
    sender.wait()
    whole = time.monotonic() - began
    os.remove(lab / "root/big")
    missing(lab, offset)
    forget(lab / "missing")
    fresh = run(lab, f"send missing to :{port} fast")[1]
    os.remove(lab / "root/missing")
    stop(server)
    return first, whole, fresh, reading


def row_of_resumes(where, rounds):
    """The middle one of several."""
    ratio = lambda one: one[1] / (one[2] + one[3])
    rounds.sort(key=ratio)
    first, whole, fresh, reading = rounds[len(rounds) // 2]
    row(f"resume of {SIZE * 9 / 10 / GIB:.1f} GiB {where}: first new byte", f"{first:.2f} s", "2 s")
    row(f"… whole ({whole:.2f} s), against a fresh transfer of what was missing ({fresh:.2f} s) and reading the rest once ({reading:.2f} s)",
        f"{ratio(rounds[len(rounds) // 2]):.2f} × ({ratio(rounds[0]):.2f} to {ratio(rounds[-1]):.2f})", "1.2 ×")


def large(lab):
    """Files on a disk. The sender knows the hashes of a file that it sent before, if the file did not change for a minute."""
    full(lab)
    (lab / "root").mkdir()
    forget(lab / "big")
    print("waiting until nothing has changed in the file for a minute", file=sys.stderr)
    time.sleep(61)
    rounds = []
    for _ in range(ROUNDS):
        peak = interrupted(lab)
        rounds.append(resumed(lab))
    row(f"peak memory of sender and receiver, {SIZE // GIB} GiB", f"{peak[0] / 1024:.1f} and {peak[1] / 1024:.1f} MiB", "32 MiB each")
    row_of_resumes("on a disk", rounds)


def large_in_memory(lab):
    """Files on tmpfs, where no hashes are kept: both sides read and hash all."""
    sparse(lab)
    (lab / "root").mkdir()
    rounds = []
    for _ in range(ROUNDS):
        interrupted(lab)
        fill(lab / "root/.big.nls-part")
        # Memory that a virtual machine uses for the first time is slow: so much is used now as the rest takes.
        with open(lab / "warm", "wb") as warm:
            for _ in range((SIZE // 10) >> 20):
                warm.write(bytes(1 << 20))
        os.remove(lab / "warm")
        rounds.append(resumed(lab))
    row_of_resumes("on tmpfs", rounds)


def many(lab):
    """1 000 clients in one process, 1 MiB each, beside one client that fetches the same bytes: the median of 5 pairs."""
    (lab / "root").mkdir()
    (lab / "out").mkdir()
    (lab / "root/one").write_bytes(os.urandom(1 << 20))
    with open(lab / "root/all", "wb") as out:
        for _ in range(1000):
            out.write(os.urandom(1 << 20))
    server, port = start(lab, "root root max 2000")
    script = "".join(f"get one from :{port} to out/{n} fast as c{n} &\n" for n in range(1000))
    script += "".join(f"wait $c{n}\nexpect $c{n}.blake3 == $c0.blake3\n" for n in range(1000))
    ratios = []
    for _ in range(5):
        _, single, _ = run(lab, f"get all/ from :{port} to out/all fast")
        os.remove(lab / "out/all")
        _, together, _ = run(lab, script)
        ratios.append(single / together)
        for name in (lab / "out").iterdir():
            name.unlink()
    ratios.sort()
    spread = f"{ratios[2]:.2f} × ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    row("1 000 clients at once against one, the same bytes, all verified", spread, "0.7 ×")
    row("… peak memory of the server", f"{figure(server.pid, 'VmHWM') / 1024:.0f} MiB", "-")
    stop(server)


def idle(lab):
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    server, port = start(lab, f"max {2 * IDLE}")
    before = figure(server.pid, "RssAnon")
    clients = []
    for _ in range(IDLE):
        client = socket.create_connection(("127.0.0.1", port))
        client.sendall(b"\x8bNLS\x07\x01\0\0")
        clients.append(client)
    for client in clients:
        if len(client.recv(8, socket.MSG_WAITALL)) != 8:
            sys.exit("a client was not let in")
    each = (figure(server.pid, "RssAnon") - before) / IDLE
    row(f"{IDLE} idle connected clients: memory of each", f"{each:.1f} KiB", "8 KiB")
    for client in clients:
        client.close()
    stop(server)


def folders(lab):
    """10 000 files of 1 KiB beside tar through ncat, in turn."""
    for folder in range(100):
        (lab / f"src/d{folder:02}").mkdir(parents=True)
        for file in range(100):
            (lab / f"src/d{folder:02}/f{file:02}").write_bytes(os.urandom(1024))
    server, port = start(lab, "root root") if (lab / "root").mkdir() is None else None
    ours, theirs = [], []
    for _ in range(5):
        shutil.rmtree(lab / "root/src", ignore_errors=True)
        ours.append(run(lab, f"send src to :{port} fast")[1])
        if shutil.which("ncat"):
            theirs.append(tar(lab))
    if theirs:
        row("10 000 files of 1 KiB against `tar | ncat`", f"{sorted(ours)[2] / sorted(theirs)[2]:.2f} × its time", "3 ×")
    else:
        print("SKIPPED: ncat is not installed", file=sys.stderr)
    stop(server)


def tar(lab):
    shutil.rmtree(lab / "tar", ignore_errors=True)
    (lab / "tar").mkdir()
    receiver = subprocess.Popen("ncat -l 127.0.0.1 45993 | tar -xf - -C tar", shell=True, cwd=lab)
    while ":B3A9 " not in pathlib.Path("/proc/net/tcp").read_text():  # port 45993
        time.sleep(0.005)
    began = time.monotonic()
    subprocess.run("tar -cf - src | ncat --send-only 127.0.0.1 45993", shell=True, cwd=lab, check=True)
    receiver.wait()
    return time.monotonic() - began


def main():
    print("| measure | here | at least / at most |\n|---|---|---|", flush=True)
    memory, disk = os.environ.get("TMPDIR", "/dev/shm"), os.environ.get("DISK", "/var/tmp")
    for part in (large, large_in_memory, many, idle, folders):
        lab = pathlib.Path(tempfile.mkdtemp(prefix="nls-scale-", dir=disk if part is large else memory))
        try:
            # The hashes of large files are kept where this says.
            os.environ["XDG_CACHE_HOME"] = str(lab / "cache")
            part(lab)
        finally:
            shutil.rmtree(lab)


main()
