#!/usr/bin/env python3
"""A client of another make: fetches a file from a keyed server over TCP, as docs/protocol.md describes it.

usage: client.py HOST PORT KEYFILE NAME  (the file is written to standard output; KEYFILE holds `nls1…`)

It needs the package `cryptography`. BLAKE2s and HMAC are in the standard library.
"""
import hashlib, hmac, socket, struct, sys
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SUITE = b"Noise_NNpsk0_25519_ChaChaPoly_BLAKE2s"
SEALED, AES = 1, 2
BLOCK, ERROR, GET, END = 0x01, 0x02, 0x11, 0x16

def mac(key, data):
    return hmac.new(key, data, hashlib.blake2s).digest()

def hkdf(chaining, data, count):
    secret, out, last = mac(chaining, data), [], b""
    for n in range(count):
        last = mac(secret, last + bytes([n + 1]))
        out.append(last)
    return out

class Handshake:
    """The initiator's side of NNpsk0 (Noise, sections 5 and 9)."""

    def __init__(self, key, prologue, ephemeral=None):
        self.hash = hashlib.blake2s(SUITE).digest()
        self.chaining = self.hash
        self.mix_hash(prologue)
        self.chaining, mixed, self.cipher_key = hkdf(self.chaining, key, 3)  # psk
        self.mix_hash(mixed)
        self.secret = X25519PrivateKey.from_private_bytes(ephemeral) if ephemeral else X25519PrivateKey.generate()
        self.public = self.secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.mix_public(self.public)  # e
        tag = ChaCha20Poly1305(self.cipher_key).encrypt(bytes(12), b"", self.hash)
        self.mix_hash(tag)
        self.first = self.public + tag

    def mix_hash(self, data):
        self.hash = hashlib.blake2s(self.hash + data).digest()

    def mix_key(self, data):
        self.chaining, self.cipher_key = hkdf(self.chaining, data, 2)

    def mix_public(self, public):
        self.mix_hash(public)
        self.mix_key(public)  # with a psk, ephemeral keys are mixed in as keys, too

    def finish(self, second):
        """The second message; returns its text, and the keys of what is sent and of what comes."""
        public, text = second[:32], second[32:]
        self.mix_public(public)  # e
        self.mix_key(self.secret.exchange(X25519PublicKey.from_public_bytes(public)))  # ee
        said = ChaCha20Poly1305(self.cipher_key).decrypt(bytes(12), text, self.hash)
        return said, hkdf(self.chaining, b"", 2)

def over_tcp(key, preface, ephemeral=None):
    return Handshake(key, b"nls over TCP 1" + preface, ephemeral)

def agreed(shake, preface, second):
    """What seals and what opens, behind the server's preface and the second message."""
    said, keys = shake.finish(second)
    if said != preface or not preface[6] & SEALED:
        raise InvalidTag("the preface was changed")
    return [Direction(key, preface[6] & AES) for key in keys]

class Direction:
    def __init__(self, key, is_aes):
        self.make, self.order = (AESGCM, ">Q") if is_aes else (ChaCha20Poly1305, "<Q")
        self.cipher, self.number = self.make(key), 0

    def nonce(self, number):
        return bytes(4) + struct.pack(self.order, number)

    def count(self):
        self.number += 1
        if self.number % 65536 == 0:
            self.cipher = self.make(self.cipher.encrypt(self.nonce(2**64 - 1), bytes(32), None)[:32])

    def seal(self, text):
        header = struct.pack(">H", len(text) + 16)
        record = header + self.cipher.encrypt(self.nonce(self.number), text, header)
        self.count()
        return record

    def open(self, header, sealed):
        text = self.cipher.decrypt(self.nonce(self.number), sealed, header)
        self.count()
        return text

def read_key(text):
    """Bech32m without its check sum: the 52 characters after `nls1` are 32 bytes."""
    digits = ["qpzry9x8gf2tvdw0s3jn54khce6mua7l".index(c) for c in text.strip().lower()[4:-6]]
    number = 0
    for digit in digits:
        number = number << 5 | digit
    return (number >> (5 * len(digits) - 256)).to_bytes(32, "big")

def exactly(stream, count):
    if len(data := stream.read(count)) < count:
        raise EOFError("the connection was cut off")
    return data

def frames(stream, opener):
    """The frames of the server, each (kind, body), from its records."""
    buffer = b""
    while True:
        while len(buffer) >= 4 and len(buffer) >= 4 + (size := struct.unpack(">I", buffer[:4])[0]):
            yield buffer[4], buffer[5 : 4 + size]
            buffer = buffer[4 + size :]
        header = exactly(stream, 2)
        buffer += (text := opener.open(header, exactly(stream, struct.unpack(">H", header)[0])))
        if not text:
            return

def text(value):
    return struct.pack(">H", len(value)) + value

def connect(host, port, key, service=1):
    connection = socket.create_connection((host, int(port)), 20)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream = connection.makefile("rb")
    preface = bytes.fromhex("8b4e4c5307") + bytes([service, SEALED | AES, 0])
    shake = over_tcp(key, preface)
    connection.sendall(preface + shake.first)
    server = exactly(stream, 8)
    if not server[6] & SEALED:
        sys.exit("refused: " + stream.read()[9:-4].decode())
    sealer, opener = agreed(shake, server, exactly(stream, 56))
    connection.sendall(sealer.seal(b""))
    return connection, sealer, frames(stream, opener)

def fetch(host, port, key, name):
    connection, sealer, received = connect(host, port, key)
    # GET: chunk, window, fresh, name.
    body = struct.pack(">IIB", 262144, 1 << 20, 1) + text(name.encode())
    connection.sendall(sealer.seal(struct.pack(">IB", len(body) + 1, GET) + body))
    total, chunks = 0, 0
    for kind, body in received:
        if kind == ERROR:
            sys.exit("error: " + body[4:].decode())
        if kind == BLOCK:
            sys.stdout.buffer.write(body[8:])
            total, chunks = total + len(body) - 8, chunks + 1
        if kind == END:
            ack = struct.pack(">IBQQ", 17, 0x15, chunks, total)
            stored = b"\x17\0" + struct.pack(">Q", total) + body[:32] + bytes(17)
            connection.sendall(sealer.seal(ack + struct.pack(">I", len(stored)) + stored) + sealer.seal(b""))
            connection.shutdown(socket.SHUT_WR)
            break

if __name__ == "__main__":
    host, port, path, name = sys.argv[1:]
    fetch(host, port, read_key(open(path).read()), name)
