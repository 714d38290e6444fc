"""Sends byte streams over connections to one port and checks both ends: redis-sockmap must not change the streams."""

import hashlib
import os
import random
import socket
import sys
import threading
import time

PORT = int(sys.argv[1])
ADDRESS = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1"


def pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of a new connection to the port, with the same options as Redis and its clients set."""
    family = socket.AF_INET6 if ":" in ADDRESS else socket.AF_INET
    with socket.create_server((ADDRESS, PORT), family=family, reuse_port=True) as server:
        client = socket.create_connection((ADDRESS, PORT), timeout=180)
        accepted, _ = server.accept()
    for end in (client, accepted):
        end.settimeout(180)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client, accepted


def receive(end: socket.socket, size: int) -> bytes:
    """Exactly `size` bytes."""
    parts, have = [], 0
    while have < size:
        part = end.recv(min(1 << 16, size - have))
        if not part:
            raise AssertionError(f"end of stream after {have} of {size} bytes")
        parts.append(part)
        have += len(part)
    return b"".join(parts)


def same(sent: bytes, got: bytes, what: str) -> None:
    """Fail when two byte strings differ."""
    if hashlib.sha256(sent).digest() != hashlib.sha256(got).digest():
        where = next((i for i, (a, b) in enumerate(zip(sent, got, strict=False)) if a != b), min(len(sent), len(got)))
        raise AssertionError(f"{what}: {len(sent)} bytes sent, {len(got)} received, first difference at {where}")


def both_ways(client: socket.socket, server: socket.socket, seed: int) -> None:
    """Random messages of 1 to 60,000 bytes in both directions at once, read in other sizes than they were sent."""
    numbers = random.Random(seed)
    data = [numbers.randbytes(3_000_000), numbers.randbytes(2_000_000)]
    sizes = [numbers.choice([1, 7, 100, 1400, 9000, 60_000]) for _ in range(5000)]

    def send(end: socket.socket, text: bytes) -> None:
        position = 0
        for size in sizes:
            if position >= len(text):
                break
            end.sendall(text[position : position + size])
            position += size
        end.sendall(text[position:])

    threads = [threading.Thread(target=send, args=pair) for pair in zip((client, server), data, strict=True)]
    got: list[bytes] = [b"", b""]

    def read(index: int, end: socket.socket) -> None:
        got[index] = receive(end, len(data[index]))

    threads += [threading.Thread(target=read, args=pair) for pair in ((0, server), (1, client))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    same(data[0], got[0], "client to server")
    same(data[1], got[1], "server to client")


def pipelining() -> None:
    """Three connections, one after the other."""
    for seed in range(3):
        both_ways(*pair(), seed)


def large() -> None:
    """One value of 32 MiB in one call."""
    client, server = pair()
    text = random.Random(2).randbytes(32 << 20)
    sender = threading.Thread(target=client.sendall, args=(text,))
    sender.start()
    same(text, receive(server, len(text)), "32 MiB")
    sender.join()


def half_close() -> None:
    """The client ends its direction; the server reads all, sees the end, and can still answer."""
    client, server = pair()
    client.sendall(b"*1\r\n" * 10_000)
    client.shutdown(socket.SHUT_WR)
    same(b"*1\r\n" * 10_000, receive(server, 40_000), "before the end")
    if server.recv(1) != b"":
        raise AssertionError("no end of stream after shutdown")
    server.sendall(b"+OK\r\n" * 10_000)
    server.close()
    same(b"+OK\r\n" * 10_000, receive(client, 50_000), "after the end")
    if client.recv(1) != b"":
        raise AssertionError("no end of stream after close")


def tls() -> None:
    """A TLS handshake's first bytes: the data arrives, and the counts must show that TCP carried it."""
    client, server = pair()
    hello = b"\x16\x03\x01" + os.urandom(500)
    client.sendall(hello)
    same(hello, receive(server, len(hello)), "ClientHello")
    server.sendall(b"\x16\x03\x03" + hello[3:])
    same(b"\x16\x03\x03" + hello[3:], receive(client, len(hello)), "ServerHello")
    client.sendall(hello)
    same(hello, receive(server, len(hello)), "after the handshake")


def stream() -> None:
    """Both ways, a line a round, until standard input ends. For what happens to live connections."""
    client, server = pair()
    stop = threading.Event()

    def until_the_end() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=until_the_end, daemon=True).start()
    rounds = 0
    print("started", flush=True)
    while not stop.is_set():
        text = random.Random(rounds).randbytes(50_000)
        sender = threading.Thread(target=client.sendall, args=(text,))
        sender.start()
        same(text, receive(server, len(text)), f"round {rounds}")
        sender.join()
        server.sendall(text[:1000])
        same(text[:1000], receive(client, 1000), f"answer {rounds}")
        rounds += 1
        print(f"rounds {rounds}", flush=True)


def unread() -> None:
    """Data that is not read until standard input ends; then all of it must arrive."""
    client, server = pair()
    text = random.Random(3).randbytes(30_000)
    client.sendall(text)
    print("started", flush=True)
    sys.stdin.read()
    same(text, receive(server, len(text)), "after the wait")


def stopped() -> None:
    """A long reply (so many MiB) to a reader that has stopped: the sender has to wait, and all arrives in the end."""
    size = int(sys.argv[4] if len(sys.argv) > 4 else "1024") << 20
    client, server = pair()
    block = random.Random(4).randbytes(1 << 20)
    sent = [0]

    def reply() -> None:
        server.settimeout(None)
        while sent[0] < size:
            server.sendall(block)
            sent[0] += len(block)

    sender = threading.Thread(target=reply)
    sender.start()
    before = -1
    while before != sent[0]:
        before = sent[0]
        time.sleep(5)
        if sent[0] > 128 << 20:
            raise AssertionError(f"{sent[0] >> 20} MiB are kept for a reader that has stopped")
    print(f"{sent[0] >> 20} MiB before the sender waits", flush=True)
    for index in range(size // len(block)):
        same(block, receive(client, len(block)), f"MiB {index}")
    sender.join()


TESTS = {
    "pipelining": pipelining,
    "large": large,
    "half-close": half_close,
    "tls": tls,
    "stream": stream,
    "unread": unread,
    "stopped": stopped,
}
TESTS[sys.argv[3]]()
