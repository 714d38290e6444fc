# SPDX-License-Identifier: GPL-2.0
"""Ways to reach Redis: TLS, IPv6, Sentinel, a cluster."""

import functools
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import toy as t
from harness import BOUND, MNT, PORT, Agent, Env, Redis, run, same, wait


def redis_cli(*words: str) -> str:
    return run(["redis-cli", *words], capture_output=True, text=True).stdout.strip()


class Server:
    """An additional Redis server or Sentinel."""

    def __init__(self, port: int, *options: str, cli: Sequence[str] = ()) -> None:
        common = ["--bind", "127.0.0.1", "--save", "", "--logfile", f"/tmp/redis-{port}.log"]
        # The configuration file must be the first argument.
        first = [] if options[0].startswith("--") else [options[0]]
        self.process = subprocess.Popen(
            ["redis-server", *first, *common, *options[len(first) :]], close_fds=False, stdout=subprocess.DEVNULL
        )
        wait(lambda: redis_cli("-p", str(port), *cli, "ping") == "PONG", f"Redis on port {port}")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def certificate(name: str, address: str = "127.0.0.1") -> str:
    """A key and a self-signed certificate for one address."""
    run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "1",
            "-subj",
            f"/CN={name}",
            "-addext",
            f"subjectAltName=IP:{address}",
            "-keyout",
            f"/tmp/{name}.key",
            "-out",
            f"/tmp/{name}.crt",
        ],
        check=True,
        capture_output=True,
    )
    return f"/tmp/{name}.crt"


def tls(redis: Redis) -> None:
    """The tracking connection over TLS; with an untrusted certificate, or that of another host, there is no lease."""
    ours, other, elsewhere = certificate("ours"), certificate("other"), certificate("elsewhere", "127.0.0.2")

    def start(name: str) -> tuple[tuple[str, ...], Server]:
        cli = ("--tls", "--cacert", f"/tmp/{name}.crt")
        return cli, Server(
            6396,
            "--port",
            "0",
            "--tls-port",
            "6396",
            "--tls-cert-file",
            f"/tmp/{name}.crt",
            "--tls-key-file",
            f"/tmp/{name}.key",
            "--tls-ca-cert-file",
            f"/tmp/{name}.crt",
            "--tls-auth-clients",
            "no",
            cli=cli,
        )

    cli, server = start("ours")
    try:
        e = Env(redis, extra=["--meta", "rediss://127.0.0.1:6396", "--tls-ca", ours])
        try:
            f = e.file("f")
            e.warm(e.path("f"))
            with e.toy.lock:
                f.size = 555
            redis_cli("-p", "6396", *cli, "incr", f"i{f.ino}")
            e.pushed()
            same(e.path("f"), f)
            for trusted, name in ((other, "ours"), (elsewhere, "elsewhere")):
                e.agent.stop()
                server.stop()
                _, server = start(name)
                e.agent = Agent("lease", extra=["--meta", "rediss://127.0.0.1:6396", "--tls-ca", trusted], ready=False)
                wait(lambda: "TLS with 127.0.0.1" in e.agent.text(), f"the refusal of {name}, trusting {trusted}")
                assert e.agent.metric("efuse_lease_seconds") == 0
                assert e.upcalls((t.LOOKUP, t.GETATTR), lambda: Path(e.path("f")).stat()) > 0
        finally:
            e.close()
    finally:
        server.stop()


def ipv6(redis: Redis) -> None:
    toy = t.Toy(MNT)
    try:
        # Agent() waits for the lease, which needs Redis.
        Agent("lease", extra=["--meta", f"redis://[::1]:{PORT}"]).stop()
    finally:
        toy.close()


def sentinel(redis: Redis) -> None:
    """The agent gets the master's address from a Sentinel with its own port and password, again after a failover."""
    master = Server(6394, "--port", "6394")
    replica = Server(6393, "--port", "6393", "--replicaof", "127.0.0.1 6394", "--repl-diskless-sync-delay", "0")
    with Path("/tmp/sentinel.conf").open("w") as file:
        file.write(
            "port 26394\nrequirepass guarded\nsentinel monitor lab 127.0.0.1 6394 1\n"
            "sentinel down-after-milliseconds lab 5000\n"
        )
    with Path("/tmp/sentinel.password").open("w") as file:
        file.write("guarded\n")
    guard = ("-a", "guarded", "--no-auth-warning")
    watcher = Server(26394, "/tmp/sentinel.conf", "--sentinel", cli=guard)
    try:
        wait(lambda: "slave0" in redis_cli("-p", "6394", "info", "replication"), "the replica")
        wait(lambda: redis_cli("-p", "26394", *guard, "sentinel", "replicas", "lab"), "Sentinel to know the replica")
        e = Env(
            redis,
            extra=[
                "--meta",
                "redis://lab,127.0.0.1:26394,127.0.0.1:1/0",
                "--sentinel-password-file",
                "/tmp/sentinel.password",
            ],
        )
        try:
            f = e.file("f")
            e.warm(e.path("f"))
            wait(
                lambda: redis_cli("-p", "26394", *guard, "sentinel", "failover", "lab") == "OK", "the failover to begin"
            )
            wait(
                lambda: (
                    "role:master" in redis_cli("-p", "6393", "info", "replication")
                    and e.agent.metric("efuse_redis_connects_total") >= 2
                    and e.agent.metric("efuse_lease_seconds") > 0
                ),
                "the agent to follow the new master",
            )
            e.warm(e.path("f"))
            with e.toy.lock:
                f.size = 888
            redis_cli("-p", "6393", "incr", f"i{f.ino}")
            e.pushed()
            same(e.path("f"), f)
        finally:
            e.close()
    finally:
        for server in (watcher, replica, master):
            server.stop()


def cluster(redis: Redis) -> None:
    """A server in cluster mode reports only the changes of its own keys, so it gives no lease."""
    server = Server(6392, "--port", "6392", "--cluster-enabled", "yes", "--cluster-config-file", "/tmp/nodes-6392.conf")
    toy = t.Toy(MNT)
    f = toy.add(toy.nodes[1], "f")
    agent = Agent("lease", extra=["--meta", "redis://127.0.0.1:6392"], ready=False)
    try:
        wait(lambda: "serving" in agent.text(), "the agent")
        wait(lambda: "is a cluster" in agent.text(), "the refusal")
        for size in range(5):
            with toy.lock:
                f.size = size
            assert Path(f"{MNT}/f").stat().st_size == size
        assert agent.metric("efuse_lease_seconds") == 0
    finally:
        agent.stop()
        toy.close()
        server.stop()
        if Path("/tmp/nodes-6392.conf").exists():
            Path("/tmp/nodes-6392.conf").unlink()


def hit(agent: Agent) -> bool:
    return bool(Path(f"{MNT}/f").stat() and agent.result("lookup", "hit") > 0)


def time_namespace(redis: Redis) -> None:
    """The agent's clock differs from that of the BPF programs, but the lease expires on time."""
    for boottime in ("500000", "-1"):
        toy = t.Toy(MNT)
        f = toy.add(toy.nodes[1], "f")
        agent = Agent("lease", prefix=["unshare", "--time", "--fork", "--boottime", boottime])
        child = int(run(["pgrep", "-P", str(agent.process.pid)], capture_output=True, text=True).stdout)
        try:
            wait(functools.partial(hit, agent), "a hit")
            os.kill(child, signal.SIGSTOP)
            with toy.lock:
                f.size = 99
            time.sleep(BOUND + 0.2)
            size = Path(f"{MNT}/f").stat().st_size
            os.kill(child, signal.SIGCONT)
            assert size == 99, f"size {size} with a clock that is {boottime} s ahead"
        finally:
            # unshare does not forward signals.
            os.kill(child, signal.SIGTERM)
            agent.process.wait(30)
            agent.stop()
            toy.close()
