#!/usr/bin/env python3
"""Clients that do not have nls, against the servers that they know, each pair in one run:

    cargo build --release && python3 benches/clients.py [http] [small] [ftp] [tftp]

http: 1 GiB down with curl from nginx, from Python's http.server and from nls, and up with `curl -T` and `nls send`;
small: small files with `wrk`, 50 connections kept alive, nginx and nls; ftp: 1 GiB with curl from vsftpd and from nls;
tftp: 64 MiB with a client of this file, blksize 1428 and windowsize 16, from atftpd or tftpd-hpa and from nls. Prints
the median of each and the ratio. Servers that are not installed are left out, visibly. All on loopback, in a folder
of its own. `NLS` names another binary, `ROUNDS` the number of rounds. Some minutes.
"""

import os
import re
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
NLS = os.path.abspath(os.environ.get("NLS", os.path.join(HERE, "../target/release/nls")))
ROUNDS = int(os.environ.get("ROUNDS", "5"))
SIZE = 1 << 30
TFTP_SIZE = 64 << 20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port):
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.01)
    raise SystemExit(f"nothing listens on {port}")


class Servers:
    """Programs that run until the end."""

    def __init__(self, folder):
        self.folder, self.running = folder, []

    def start(self, command, **more):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, **more)
        self.running.append(process)
        return process

    def nls(self, transport="tcp", words=""):
        port = free_port()
        self.start([NLS, "-c", f"listen {transport} {port} ftp root {self.folder}/root {words}; wait"], cwd=self.folder)
        if transport == "tcp":
            wait_for(port)
        else:
            time.sleep(0.5)
        return port

    def nginx(self):
        port = free_port()
        conf = os.path.join(self.folder, "nginx.conf")
        with open(conf, "w") as out:
            out.write(f"""daemon off; pid {self.folder}/nginx.pid; error_log /dev/null; worker_processes 2; user root;
events {{ worker_connections 1024; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
  client_body_temp_path {self.folder}/n1; proxy_temp_path {self.folder}/n2; fastcgi_temp_path {self.folder}/n3; uwsgi_temp_path {self.folder}/n4; scgi_temp_path {self.folder}/n5;
  server {{ listen 127.0.0.1:{port}; root {self.folder}/root; }} }}
""")
        self.start(["nginx", "-p", self.folder, "-c", conf])
        wait_for(port)
        return port

    def python(self):
        port = free_port()
        self.start([sys.executable, "-m", "http.server", "-b", "127.0.0.1", "-d", f"{self.folder}/root", str(port)])
        wait_for(port)
        return port

    def vsftpd(self):
        port = free_port()
        conf, empty = os.path.join(self.folder, "vsftpd.conf"), os.path.join(self.folder, "empty")
        os.makedirs(empty, exist_ok=True)
        with open(conf, "w") as out:
            out.write(f"""listen=YES
listen_address=127.0.0.1
listen_port={port}
anonymous_enable=YES
anon_root={self.folder}/root
no_anon_password=YES
secure_chroot_dir={empty}
background=NO
seccomp_sandbox=NO
xferlog_enable=NO
""")
        os.chmod(os.path.join(self.folder, "root"), 0o755)
        os.chmod(self.folder, 0o755)
        self.start(["vsftpd", conf])
        wait_for(port)
        return port

    def tftpd(self):
        port = free_port()
        if shutil.which("atftpd"):
            self.start(["atftpd", "--daemon", "--no-fork", "--port", str(port), "--bind-address", "127.0.0.1", "--user", "root.root", f"{self.folder}/root"])
            name = "atftpd"
        elif shutil.which("in.tftpd"):
            self.start(["in.tftpd", "-L", "-a", f"127.0.0.1:{port}", "-u", "root", "-s", f"{self.folder}/root"])
            name = "tftpd-hpa"
        else:
            return None, None
        time.sleep(0.5)
        return name, port

    def stop(self):
        for process in self.running:
            process.terminate()
        for process in self.running:
            process.wait()


def timed(command, **more):
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120, **more)
    return time.perf_counter() - began


def compare(title, ways, better="less"):
    """Each way in turn, for some rounds; the ratio of each to the first."""
    times = {name: [] for name, _ in ways}
    for _ in range(ROUNDS):
        for name, way in ways:
            times[name].append(way())
    base = statistics.median(times[ways[0][0]])
    for name, _ in ways:
        middle = statistics.median(times[name])
        ratio = base / middle if better == "less" else middle / base
        unit = "s" if better == "less" else "/s"
        print(f"{title}, {name}: {middle:.3f} {unit} ({min(times[name]):.3f} to {max(times[name]):.3f}), {ratio:.2f} × {ways[0][0]}", flush=True)


def http(servers):
    get = lambda port: lambda: timed(["curl", "-sf", "-o", "/dev/null", f"http://127.0.0.1:{port}/big"])
    ways = [("nginx", get(servers.nginx()))] if shutil.which("nginx") else []
    ways += [("http.server", get(servers.python())), ("nls", get(servers.nls("tcp", "readonly")))]
    compare("http down, 1 GiB", ways)
    port, big = servers.nls("tcp"), os.path.join(servers.folder, "root", "big")
    target = os.path.join(servers.folder, "root", "up")

    def fresh(command):
        if os.path.exists(target):
            os.remove(target)
        return timed(command)

    compare("http up, 1 GiB", [
        ("nls send", lambda: fresh([NLS, "-c", f"send {big} to 127.0.0.1:{port} name up"])),
        ("curl -T", lambda: fresh(["curl", "-sf", "-T", big, f"http://127.0.0.1:{port}/up"])),
    ])
    os.remove(target)


def wrk(port):
    text = subprocess.run(["wrk", "-t1", "-c50", "-d3s", "--latency", f"http://127.0.0.1:{port}/small"], check=True, capture_output=True, text=True, timeout=60).stdout
    late = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
    scale = {"us": 1e-3, "ms": 1, "s": 1e3}[late.group(2)]
    wrk.late[port] = float(late.group(1)) * scale
    assert "Non-2xx" not in text, text
    return float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))


wrk.late = {}


def small(servers):
    nginx, own = servers.nginx(), servers.nls("tcp", "readonly")
    compare("small files", [("nginx", lambda: wrk(nginx)), ("nls", lambda: wrk(own))], "more")
    print(f"small files, 99 % within: nginx {wrk.late[nginx]:.2f} ms, nls {wrk.late[own]:.2f} ms")


def ftp(servers):
    get = lambda port: lambda: timed(["curl", "-sf", "-o", "/dev/null", f"ftp://127.0.0.1:{port}/big"])
    ways = [("vsftpd", get(servers.vsftpd()))] if shutil.which("vsftpd") else []
    ways.append(("nls", get(servers.nls("tcp", "readonly dialects own,ftp"))))
    compare("ftp down, 1 GiB, a port for FTP", ways + [("nls, a port for all", get(servers.nls("tcp", "readonly")))])


def tftp_get(port, name, blksize=1428, window=16):
    """A client by hand: no common one knows windowsize. Returns the seconds."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.settimeout(2)
    began = time.perf_counter()
    request = b"\0\1" + b"\0".join([name.encode(), b"octet", b"blksize", str(blksize).encode(), b"windowsize", str(window).encode(), b""])
    sock.sendto(request, ("127.0.0.1", port))
    data, peer = sock.recvfrom(65536)
    assert data[:2] == b"\0\6", data
    assert b"windowsize" in data, "the server knows no windows"
    sock.connect(peer)
    sock.send(b"\0\4\0\0")
    expected, got, since = 1, 0, 0
    while True:
        data = sock.recv(65536)
        number = struct.unpack(">H", data[2:4])[0]
        if number != expected & 0xffff:
            sock.send(b"\0\4" + struct.pack(">H", (expected - 1) & 0xffff))
            since = 0
            continue
        expected, got, since = expected + 1, got + len(data) - 4, since + 1
        last = len(data) - 4 < blksize
        if since == window or last:
            sock.send(b"\0\4" + data[2:4])
            since = 0
        if last:
            assert got == TFTP_SIZE, got
            return time.perf_counter() - began


def tftp(servers):
    name, port = servers.tftpd()
    ways = [(name, lambda: tftp_get(port, "medium"))] if name else []
    own = servers.nls("udp", "readonly")
    compare("tftp down, 64 MiB", ways + [("nls", lambda: tftp_get(own, "medium"))])


def main():
    folder = tempfile.mkdtemp(prefix="nls-clients-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    servers = Servers(folder)
    try:
        os.makedirs(os.path.join(folder, "root"))
        with open(os.path.join(folder, "root", "big"), "wb") as big:
            for _ in range(SIZE >> 20):
                big.write(os.urandom(1 << 20))
        with open(os.path.join(folder, "root", "medium"), "wb") as medium:
            medium.write(os.urandom(TFTP_SIZE))
        with open(os.path.join(folder, "root", "small"), "wb") as out:
            out.write(b"x" * 1000)
        wanted = sys.argv[1:] or ["http", "small", "ftp", "tftp"]
        for word in wanted:
            {"http": http, "small": small, "ftp": ftp, "tftp": tftp}[word](servers)
    finally:
        servers.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
