#!/usr/bin/env python3
"""The same with a code: exchanges it for a key over TCP, as docs/protocol.md describes it, and fetches a file.

usage: code.py HOST PORT CODE NAME

It needs the packages `cryptography` and `spake2`.
"""
import hashlib, hmac, socket, sys
from spake2 import SPAKE2_A
from client import SEALED, exactly, fetch

CODE = 4

def exchange(host, port, words):
    state = SPAKE2_A(words.encode(), idA=b"nls client", idB=b"nls server")
    connection = socket.create_connection((host, int(port)), 20)
    stream = connection.makefile("rb")
    connection.sendall(bytes.fromhex("8b4e4c530701") + bytes([SEALED | CODE, 0]) + state.start())
    server = exactly(stream, 8)
    if not server[6] & CODE or server[5] != 1:
        sys.exit("refused: " + stream.read()[9:-4].decode())
    agreed = state.finish(exactly(stream, 33))
    return hmac.new(agreed, b"nls key of a code", hashlib.sha256).digest()

if __name__ == "__main__":
    host, port, words, name = sys.argv[1:]
    fetch(host, port, exchange(host, port, words), name)
