"""Hostile requests by strangers, scripts and slow clients: they reveal, change and block nothing."""

import contextlib
import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from disgrafs.api.guard import MOST_BODY
from disgrafs.api.server import Deadlines
from disgrafs.api.session import COOKIE, SECONDS, Sessions, read_token
from disgrafs.tests.stand import Stand

SLOW_CLIENTS = 1000
MOST_NORMAL = 10
"""Connections that normal clients keep alive."""
DEADLINES = Deadlines(head=4, body=4, read=4)


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    vendor = tmp_path_factory.mktemp("vendor")
    with Stand(tmp_path_factory.mktemp("volume"), vendor, DEADLINES) as stand:
        stand.write_corpus(seed=5, files=30)
        yield stand


@pytest.fixture
def stranger(stand: Stand) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stand.address, timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture
def client(stand: Stand) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {stand.token}"}
    with httpx.Client(base_url=stand.address, headers=headers, timeout=60, trust_env=False) as client:
        yield client


ROUTES = [
    ("GET", "/api/search?q=coffee"),
    ("GET", "/api/suggest?q=c"),
    ("GET", "/api/neighbours?kind=tag&key=coffee"),
    ("GET", "/api/counts"),
    ("GET", "/api/events"),
    ("GET", "/api/files/2"),
    ("GET", "/api/files/2/content"),
    ("HEAD", "/api/files/2/content"),
    ("DELETE", "/api/files/2"),
    ("GET", "/api/openapi.json"),
    ("GET", "/api/no-such-route"),
    ("GET", "//api/counts"),
    ("GET", "/API/counts"),
    ("GET", "/static/../api/counts"),
]


class TestWithoutToken:
    @pytest.mark.parametrize(("method", "path"), ROUTES)
    def test_no_route_answers_without_the_token(self, stranger: httpx.Client, method: str, path: str) -> None:
        wrong = "x" * 64
        for headers in (
            {},
            {"Authorization": f"Bearer {wrong}"},
            {"Authorization": "Bearer"},
            {"Authorization": "Basic YTpi"},
            {"Cookie": f"{COOKIE}={wrong}"},
            {"Cookie": f"{COOKIE}=99999999999.{wrong}"},
            {"Cookie": f"{COOKIE}="},
            {"Cookie": "\\;;==,"},
        ):
            answer = stranger.request(method, path, headers={"X-Disgrafs": "page", **headers})
            assert answer.status_code in {401, 404}, answer.text
            assert "coffee" not in answer.text

    def test_no_answer_and_no_log_has_the_token(
        self, stand: Stand, stranger: httpx.Client, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        almost = stand.token[:-1] + ("0" if stand.token[-1] != "0" else "1")
        bodies = [{"token": almost}, {"token": [stand.token]}, {"token": stand.token * 20}, {}, [stand.token]]
        for body in bodies:
            answer = stranger.post("/api/session", json=body, headers={"X-Disgrafs": "page"})
            assert answer.status_code in {403, 422}
            assert stand.token not in answer.text
        signed_in = stranger.post("/api/session", json={"token": stand.token}, headers={"X-Disgrafs": "page"})
        assert signed_in.status_code == 204
        assert stand.token not in str(signed_in.headers)
        own = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
        assert not any(stand.token in record.getMessage() for record in own)


class TestSession:
    def test_a_cookie_works_like_the_token_until_signing_out(self, stand: Stand, stranger: httpx.Client) -> None:
        answer = stranger.post("/api/session", json={"token": stand.token}, headers={"X-Disgrafs": "page"})
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert stranger.get("/api/counts").status_code == 200
        assert stranger.get("/api/session").json() == {"signedIn": True}
        stranger.delete("/api/session", headers={"X-Disgrafs": "page"})
        assert stranger.get("/api/counts").status_code == 401

    def test_a_page_of_another_origin_cannot_use_the_cookie_to_change_anything(
        self, stand: Stand, stranger: httpx.Client
    ) -> None:
        stranger.post("/api/session", json={"token": stand.token}, headers={"X-Disgrafs": "page"})
        file = stand.mount / stand.pieces[0].path
        answer = stranger.delete(f"/api/files/{file.stat().st_ino}", headers={"Origin": "http://evil.example"})
        assert answer.status_code == 403
        assert file.exists()
        # And it is not allowed to set the header: there is no answer to a preflight.
        preflight = stranger.options("/api/files/2", headers={"Access-Control-Request-Headers": "x-disgrafs"})
        assert "access-control-allow-origin" not in preflight.headers

    def test_a_cookie_expires_and_is_invalid_after_a_change_of_the_token(self) -> None:
        sessions = Sessions("a" * 32)
        cookie = sessions.new_cookie(now=1000)
        assert sessions.is_cookie(cookie, now=1000 + SECONDS - 1)
        assert not sessions.is_cookie(cookie, now=1000 + SECONDS)
        assert not Sessions("b" * 32).is_cookie(cookie, now=1001)
        end, _, signature = cookie.partition(".")
        assert not sessions.is_cookie(f"{int(end) + 1}.{signature}", now=1001)

    def test_a_token_that_others_can_read_or_guess_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "token"
        file.write_text("a" * 64)
        file.chmod(0o640)
        with pytest.raises(ValueError, match="chmod 600"):
            read_token(file)
        file.chmod(0o600)
        assert read_token(file) == "a" * 64
        file.write_text("short")
        with pytest.raises(ValueError, match="at least 32"):
            read_token(file)


INJECTIONS = [
    "'",
    '"',
    "`",
    "\\",
    "') MATCH (n) DETACH DELETE n //",
    '"}) DETACH DELETE f RETURN "',
    "coffee' OR 1=1 --",
    "$words",
    "{name: $tag0}",
    "*",
    "-coffee",
    "~coffee",
    "@search:{coffee}",
    "coffee|(glacier",
    "%%%coffee%%%",
    "[1 2]",
    "=>{$weight: 5}",
    "\u202ecoffee",
    "a\x00b",
    "a\r\nGRAPH.DELETE files\r\n",
    "\ud7ff\U0010ffff",
    "x" * 500,
    "ﷺ" * 100,
    "0" * 400,
]


class TestInjection:
    @pytest.mark.parametrize("text", INJECTIONS)
    def test_typed_text_is_never_executed(self, stand: Stand, client: httpx.Client, text: str) -> None:
        before = stand.graph.counts()
        for typed in (text, f"tag:{text}", f'tag:"{text}"', f"in:{text}", f"is:{text}", f"coffee {text}"):
            assert client.get("/api/search", params={"q": typed[:500]}).status_code in {200, 422}
            assert client.get("/api/suggest", params={"q": typed[:500]}).status_code == 200
        for kind in ("file", "folder", "tag"):
            answer = client.get("/api/neighbours", params={"kind": kind, "key": text})
            assert answer.status_code in {404, 422}, answer.text
        assert client.get(f"/api/files/{httpx.QueryParams({'a': text})}").status_code in {404, 422}
        assert stand.graph.counts() == before

    @pytest.mark.parametrize(
        "inode", ["0", "-1", "9223372036854775808", "1e3", "1;2", "%00", "../1", "٣", "0x10", "9" * 4000, "1.0"]
    )
    def test_an_invalid_inode_is_refused(self, client: httpx.Client, inode: str) -> None:
        for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
            assert client.request(method, f"/api/files/{inode}{path}").status_code in {404, 405, 422}

    def test_an_inode_of_a_file_outside_of_the_volume_is_not_opened(self, stand: Stand, client: httpx.Client) -> None:
        outside = stand.mount.parent / "outside"
        outside.write_text("outside")
        (stand.mount / "way-out").symlink_to(outside)
        stand.walker.step()
        for path in (outside, stand.mount):
            inode = path.stat().st_ino
            assert client.get(f"/api/files/{inode}/content").status_code == 404
            assert client.delete(f"/api/files/{inode}").status_code == 404
        link = (stand.mount / "way-out").lstat().st_ino
        assert client.get(f"/api/files/{link}/content").status_code == 404
        # Deleting a link deletes the link.
        assert client.delete(f"/api/files/{link}").status_code == 200
        assert outside.exists()
        stand.walker.step()


class TestPaths:
    @pytest.mark.parametrize(
        "path",
        [
            "/static/../api/app.py",
            "/static/..%2fapi/app.py",
            "/static/%2e%2e/api/app.py",
            "/static/..\\api\\app.py",
            "/static//etc/passwd",
            "/static/%2fetc%2fpasswd",
            "/static/\x00",
            "/vendor/../../../../../../etc/passwd",
            "/static/",
        ],
    )
    def test_only_the_pages_own_files_are_served(self, stand: Stand, path: str) -> None:
        with connect(stand) as raw:
            raw.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode("latin-1"))
            answer = b"".join(iter(lambda: raw.recv(65536), b""))
        assert answer.split()[1] in {b"400", b"401", b"404", b"405"}, answer
        assert b"import" not in answer
        assert b"root:" not in answer


class TestSizes:
    def test_a_body_that_is_too_large_is_refused_with_or_without_a_length(
        self, stand: Stand, stranger: httpx.Client
    ) -> None:
        headers = {"X-Disgrafs": "page", "Content-Type": "application/json"}
        said = stranger.post("/api/session", content=b" " * (MOST_BODY + 1), headers=headers)
        assert said.status_code == 413
        chunks = (b" " * 1000 for _ in range(MOST_BODY // 500))
        unsaid = stranger.post("/api/session", content=chunks, headers=headers)
        assert unsaid.status_code == 413
        with connect(stand) as raw:
            raw.sendall(b"POST /api/session HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n")
            assert raw.recv(100).split()[1] == b"413"

    def test_an_endless_header_is_refused(self, stand: Stand) -> None:
        with connect(stand) as raw, contextlib.suppress(ConnectionError):
            raw.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Long: " + b"a" * 200_000)
            answer = raw.recv(100)
            assert answer == b"" or answer.split()[1] == b"400"
        assert httpx.get(f"{stand.address}/health", trust_env=False).status_code == 200

    @pytest.mark.parametrize("request_", [b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"\x00" * 100])
    def test_data_that_is_not_http_is_refused(self, stand: Stand, request_: bytes) -> None:
        with connect(stand) as raw, contextlib.suppress(ConnectionError):
            raw.sendall(request_)
            assert b" 400 " in raw.recv(100)


class TestSlowClients:
    """A thousand at once, of each kind: a normal client is served meanwhile, and in the end they are cut off."""

    def test_unfinished_headers_do_not_block_others(self, stand: Stand, client: httpx.Client) -> None:
        self.check(stand, client, b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")

    def test_silent_connections_do_not_block_others(self, stand: Stand, client: httpx.Client) -> None:
        self.check(stand, client, b"")

    def test_missing_bodies_do_not_block_others(self, stand: Stand, client: httpx.Client) -> None:
        head = "POST /api/session HTTP/1.1\r\nHost: x\r\nX-Disgrafs: page\r\nContent-Type: application/json\r\n"
        self.check(stand, client, f"{head}Content-Length: 100\r\n\r\n{{".encode())

    def test_downloads_that_are_never_read_do_not_block_others(self, stand: Stand, client: httpx.Client) -> None:
        large = stand.mount / "large.bin"
        with large.open("wb") as file:
            file.truncate(64 * 1024 * 1024)
        stand.walker.step()
        head = f"GET /api/files/{large.stat().st_ino}/content HTTP/1.1\r\nHost: x\r\n"
        self.check(stand, client, f"{head}Authorization: Bearer {stand.token}\r\n\r\n".encode())
        large.unlink()
        stand.walker.step()

    def check(self, stand: Stand, client: httpx.Client, start: bytes) -> None:
        """`start` is what a slow client sends before it does nothing more."""
        slow = []
        try:
            for _ in range(SLOW_CLIENTS):
                raw = connect(stand, receive_buffer=4096)
                raw.sendall(start)
                slow.append(raw)
            for _ in range(5):
                assert client.get("/api/search", params={"q": "coffee"}).status_code == 200
                assert httpx.get(f"{stand.address}/health", timeout=60, trust_env=False).status_code == 200
            # The client is no witness: a reset does not get past a closed window.
            end = time.monotonic() + 120
            while stand.connections > MOST_NORMAL:
                assert time.monotonic() < end, f"{stand.connections} slow clients are still connected"
                time.sleep(0.2)
        finally:
            for raw in slow:
                raw.close()


def connect(stand: Stand, receive_buffer: int | None = None) -> socket.socket:
    raw = socket.socket()
    raw.settimeout(60)
    if receive_buffer:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    raw.connect(("127.0.0.1", stand.port))
    return raw
