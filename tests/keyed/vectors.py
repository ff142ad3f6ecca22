#!/usr/bin/env python3
"""Checks every byte of tests/samples/keyed.txt with the client of another make.

usage: vectors.py FILE
"""
import sys
from client import Handshake

def check(path):
    """Every connection of the file: what the client sends, and what it opens."""
    connections = open(path).read().split("\n[")[1:]
    for connection in connections:
        lines = dict(line.rsplit(" = ", 1) for line in connection.splitlines()[1:] if " = " in line)
        known = {name.split(",")[0]: bytes.fromhex(value) for name, value in lines.items()}
        shake = Handshake(known["key"], known["client preface"], known["client ephemeral secret"])
        assert shake.first == known["first message"], shake.first.hex()
        sealer, opener = shake.finish(known["server preface"], known["second message"])
        assert sealer.seal(b"") == known["client record 0"]
        assert sealer.seal(bytes.fromhex("0000000e01") + bytes(8)) == known["client record 1"]
        sealer.number = 65535  # those before it change nothing but the number
        assert sealer.seal(b"x") == known["client record 65535"]
        assert sealer.seal(b"next key") == known["client record 65536"]
        for number, text in enumerate([b"hello", b""]):
            record = known[f"server record {number}"]
            assert opener.open(record[:2], record[2:]) == text
    print(f"{len(connections)} connections are as described")

check(sys.argv[1])
