#!/usr/bin/env python3
"""Checks every byte of tests/samples/keyed.txt with the client of another make.

usage: vectors.py FILE
"""
import hashlib, hmac, struct, sys
from client import Direction, Handshake, agreed, over_tcp

def check_tcp(known):
    """What the client sends, and what it opens."""
    shake = over_tcp(known["key"], known["client preface"], known["client ephemeral secret"])
    assert shake.first == known["first message"], shake.first.hex()
    sealer, opener = agreed(shake, known["server preface"], known["second message"])
    assert sealer.seal(b"") == known["client record 0"]
    assert sealer.seal(bytes.fromhex("0000000e01") + bytes(8)) == known["client record 1"]
    sealer.number = 65535  # those before it change nothing but the number
    assert sealer.seal(b"x") == known["client record 65535"]
    assert sealer.seal(b"next key") == known["client record 65536"]
    for number, text in enumerate([b"hello", b""]):
        record = known[f"server record {number}"]
        assert opener.open(record[:2], record[2:]) == text

class Packets:
    """The packets of one direction over UDP: the number of each is its nonce."""

    def __init__(self, key, is_aes):
        self.direction = Direction(key, is_aes)
        self.proves = hmac.digest(key, b"nls proof", hashlib.sha256)

    def opened(self, datagram):
        head, number = datagram[:17], struct.unpack(">Q", datagram[9:17])[0]
        while self.direction.number // 65536 < number // 65536:
            self.direction.number = self.direction.number // 65536 * 65536 + 65535
            self.direction.count()
        return self.direction.cipher.decrypt(self.direction.nonce(number), datagram[17:], head)

def check_udp(known):
    offered, message = known["message in HELLO"][:1], known["message in HELLO"][1:]
    prologue = b"nls over UDP 1" + known["HELLO before its cookie"] + offered
    shake = Handshake(known["key"], prologue, known["client ephemeral secret"])
    assert shake.first == message, shake.first.hex()
    chosen, keys = shake.finish(known["message in RETRY"])
    assert not chosen[0] & ~offered[0]
    client, server = (Packets(key, chosen[0] & 2) for key in keys)
    assert client.opened(known["client SEALED 0"]) == b"hello"
    assert client.opened(known["client SEALED 65536"]) == b"next key"
    assert server.opened(known["server SEALED 0"]) == b"welcome"
    accept, proof = known["ACCEPT"][:25], known["ACCEPT"][25:41]
    assert hmac.digest(server.proves, accept, hashlib.sha256)[:16] == proof

def check(path):
    """Every connection of the file."""
    connections = open(path).read().split("\n[")[1:]
    for connection in connections:
        lines = dict(line.rsplit(" = ", 1) for line in connection.splitlines()[1:] if " = " in line)
        known = {name.split(",")[0]: bytes.fromhex(value) for name, value in lines.items()}
        (check_udp if connection.startswith("UDP") else check_tcp)(known)
    print(f"{len(connections)} connections are as described")

check(sys.argv[1])
