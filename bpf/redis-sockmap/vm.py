"""Sends streams over connections to one port, and checks at both ends that redis-sockmap does not change them.

Usage: vm.py PORT ADDRESS TEST [MIB]
"""

import os
import random
import socket
import sys
import threading
import time

PORT = int(sys.argv[1])
ADDRESS = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1"
MIB = int(sys.argv[4]) if len(sys.argv) > 4 else 1024
# More than the extension's limit for unread data and TCP's buffers together.
MOST_UNREAD_MIB = 128


def pair() -> tuple[socket.socket, socket.socket]:
    """Open a connection to the port, with the options that Redis and its clients set; returns both ends."""
    family = socket.AF_INET6 if ":" in ADDRESS else socket.AF_INET
    with socket.create_server((ADDRESS, PORT), family=family, reuse_port=True) as server:
        client = socket.create_connection((ADDRESS, PORT), timeout=180)
        accepted, _ = server.accept()
    for end in (client, accepted):
        end.settimeout(180)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client, accepted


def receive(end: socket.socket, size: int) -> bytes:
    """Receive exactly `size` bytes."""
    parts, have = [], 0
    while have < size:
        part = end.recv(min(1 << 16, size - have))
        if not part:
            raise AssertionError(f"end of stream after {have} of {size} bytes")
        parts.append(part)
        have += len(part)
    return b"".join(parts)


def same(sent: bytes, got: bytes, what: str) -> None:
    """Fail if two byte strings differ."""
    if sent != got:
        where = next((i for i, (a, b) in enumerate(zip(sent, got, strict=False)) if a != b), min(len(sent), len(got)))
        raise AssertionError(f"{what}: {len(sent)} bytes sent, {len(got)} received, first difference at {where}")


def both_ways(client: socket.socket, server: socket.socket, seed: int) -> None:
    """Send random messages of 1 to 60,000 bytes in both directions at once, and read them in other sizes."""
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
    """Use three connections, one after the other."""
    for seed in range(3):
        both_ways(*pair(), seed)


def large() -> None:
    """Send a value of 32 MiB in one call."""
    client, server = pair()
    text = random.Random(2).randbytes(32 << 20)
    sender = threading.Thread(target=client.sendall, args=(text,))
    sender.start()
    same(text, receive(server, len(text)), "32 MiB")
    sender.join()


def half_close() -> None:
    """The client closes its direction; the server reads everything and the end, and can still answer."""
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
    """Send the first bytes of a TLS handshake; vm.sh checks that TCP carried them."""
    client, server = pair()
    hello = b"\x16\x03\x01" + os.urandom(500)
    client.sendall(hello)
    same(hello, receive(server, len(hello)), "ClientHello")
    server.sendall(b"\x16\x03\x03" + hello[3:])
    same(b"\x16\x03\x03" + hello[3:], receive(client, len(hello)), "ServerHello")
    client.sendall(hello)
    same(hello, receive(server, len(hello)), "after the handshake")


def stream() -> None:
    """Send data in both directions until standard input ends; prints a line per round."""
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
    """Send data that is read only after the end of standard input; then all of it must arrive."""
    client, server = pair()
    text = random.Random(3).randbytes(30_000)
    client.sendall(text)
    print("started", flush=True)
    sys.stdin.read()
    same(text, receive(server, len(text)), "after the wait")


def to_a_stopped_reader(client: socket.socket, server: socket.socket) -> None:
    """Send MIB MiB to a client that has stopped reading: the server must wait, and later all data must arrive."""
    block = random.Random(4).randbytes(1 << 20)
    sent = [0]

    def reply() -> None:
        server.settimeout(None)
        for _ in range(MIB):
            server.sendall(block)
            sent[0] += 1

    sender = threading.Thread(target=reply, daemon=True)
    sender.start()
    before = -1
    while before != sent[0]:
        before = sent[0]
        time.sleep(5)
        if sent[0] > MOST_UNREAD_MIB:
            raise AssertionError(f"{sent[0]} MiB were accepted although the reader has stopped")
    if not sender.is_alive():
        raise AssertionError(f"the sender ended after {sent[0]} MiB although the reader has stopped")
    print(f"{sent[0]} MiB before the sender waits", flush=True)
    for index in range(MIB):
        same(block, receive(client, len(block)), f"MiB {index}")
    sender.join()


def stopped() -> None:
    """The reader stops at once."""
    to_a_stopped_reader(*pair())


def forgotten() -> None:
    """After a first message, wait for the end of standard input; meanwhile, vm.sh removes the reader's entry."""
    client, server = pair()
    server.sendall(b"+OK\r\n")
    same(b"+OK\r\n", receive(client, 5), "before the wait")
    print("started", flush=True)
    sys.stdin.read()
    to_a_stopped_reader(client, server)


def redis_reply() -> None:
    """Ask Redis for MIB MiB and stop reading: Redis keeps most of it and serves others, and later all must arrive."""
    value = random.Random(5).randbytes(1 << 20)
    reply = b"$%d\r\n%b\r\n" % (len(value), value)
    reader, other = (socket.create_connection((ADDRESS, PORT), timeout=180) for _ in range(2))

    def ask(command: bytes) -> bytes:
        """Send a command on the other connection; return its reply, or the value if it is a bulk string."""
        other.sendall(command)
        line = b""
        while not line.endswith(b"\r\n"):
            line += receive(other, 1)
        return receive(other, int(line[1:]) + 2)[:-2] if line.startswith(b"$") else line

    def waiting_mib() -> int:
        """Return what Redis still has to send to the reader."""
        for client in ask(b"CLIENT LIST\r\n").decode().splitlines():
            words = dict(word.split("=", 1) for word in client.split())
            if words["name"] == "reader":
                return int(words["omem"]) >> 20
        raise AssertionError("Redis has closed the reader's connection")

    same(b"+OK\r\n", ask(b"*3\r\n$3\r\nSET\r\n$5\r\nvalue\r\n%b" % reply), "SET")
    reader.sendall(b"CLIENT SETNAME reader\r\n")
    same(b"+OK\r\n", receive(reader, 5), "CLIENT SETNAME")
    reader.sendall(b"GET value\r\n" * MIB)
    before, now = -1, 0
    while before != now or not now:
        before = now
        time.sleep(5)
        now = waiting_mib()
    print(f"{now} of {MIB} MiB wait in Redis", flush=True)
    if now < MIB - MOST_UNREAD_MIB:
        raise AssertionError(f"only {now} of {MIB} MiB wait in Redis although the reader has stopped")
    for index in range(MIB):
        same(reply, receive(reader, len(reply)), f"reply {index}")


TESTS = {
    "pipelining": pipelining,
    "large": large,
    "half-close": half_close,
    "tls": tls,
    "stream": stream,
    "unread": unread,
    "stopped": stopped,
    "forgotten": forgotten,
    "redis-reply": redis_reply,
}
TESTS[sys.argv[3]]()
