"""The routes. Queries of the graph and of the volume run in two separate bounded pools of threads.

A hanging volume blocks only threads of its own pool; searches continue.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Literal

from fastapi import Body, Depends, FastAPI, Query, Request
from fastapi import Path as PathParameter
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from disgrafs import text
from disgrafs.api import session
from disgrafs.api.files import Files
from disgrafs.api.guard import Guard
from disgrafs.api.question import LONGEST, Question, QuestionError, parse, to_search
from disgrafs.api.settings import Settings
from disgrafs.api.stream import Stream
from disgrafs.api.threads import Threads
from disgrafs.api.views import (
    Json,
    common_tags,
    counts_view,
    file_view,
    neighbourhood_view,
    node_id,
    with_shared_tags,
)
from disgrafs.api.volume import GoneError, OpenFile, Volume, VolumeError, shown_as
from disgrafs.graph import GraphUnavailableError, Reader
from disgrafs.graph.model import ROOT, Found, Neighbourhood, Search

WEB = Path(__file__).parent.parent / "web"
PAGE_SIZE = 50
NEIGHBOURS = {"f": 12, "d": 40, "l": 30}
"""Maximum number of neighbours drawn around a node, by its kind: more would overlap."""
# An inode fits in 63 bits; the stores reject larger numbers.
Inode = Annotated[int, PathParameter(ge=1, lt=2**63)]


class Content(FileResponse):
    """A response with an open file, with ranges. The file is closed when the response ends, also after an error."""

    def __init__(self, file: OpenFile, kind: str, name: str, disposition: str) -> None:
        # Sandbox: a browser that shows the file as a page runs no script in it.
        headers = {"Content-Security-Policy": "sandbox; default-src 'none'", "Cache-Control": "private, no-cache"}
        super().__init__(
            file.path,
            headers=headers,
            media_type=kind,
            filename=name,
            stat_result=file.status,
            content_disposition_type=disposition,
        )
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()


def create_app(reader: Reader, settings: Settings) -> FastAPI:
    """The application."""
    app = FastAPI(
        title="DisGraFS", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json", redirect_slashes=False
    )
    sessions = session.Sessions(settings.token)
    app.add_middleware(Guard, sessions=sessions)
    _add_errors(app)
    _add_session(app, sessions)
    graph = Threads(16)
    _add_searches(app, reader, settings.mount, graph)
    _add_files(app, Files(reader, Volume(settings.mount, settings.root), graph))
    _add_stream(app, reader)
    _add_page(app, settings.vendor)

    @app.get("/health")
    async def health() -> Json:
        await graph.run(reader.ping)
        return {"graph": "answers"}

    return app


def _add_errors(app: FastAPI) -> None:
    """Every error is {"error": SENTENCE}."""

    def error(status: int, sentence: str) -> JSONResponse:
        return JSONResponse({"error": sentence}, status)

    @app.exception_handler(HTTPException)
    async def http(_: Request, fault: HTTPException) -> Response:
        return error(fault.status_code, str(fault.detail))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, fault: RequestValidationError) -> Response:
        # Without the input: an error must never repeat a token.
        return error(422, "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in fault.errors()))

    @app.exception_handler(QuestionError)
    async def question(_: Request, fault: QuestionError) -> Response:
        return error(422, str(fault))

    @app.exception_handler(GraphUnavailableError)
    async def graph(_: Request, __: GraphUnavailableError) -> Response:
        return error(503, "the graph does not answer; it may be starting: try again in a few seconds")

    @app.exception_handler(VolumeError)
    async def volume(_: Request, fault: VolumeError) -> Response:
        return error(503, f"{fault}; try again in a few seconds")

    @app.exception_handler(GoneError)
    async def gone(_: Request, __: GoneError) -> Response:
        return error(404, "this file is no longer there; search again")


def _add_session(app: FastAPI, sessions: session.Sessions) -> None:
    @app.post("/api/session", status_code=204)
    async def sign_in(token: Annotated[str, Body(embed=True, max_length=1000)]) -> Response:
        """Issues a cookie for the token."""
        if not sessions.is_token(token):
            raise HTTPException(403, "wrong token; ./lab open disgrafs prints how to read it")
        response = Response(status_code=204)
        response.set_cookie(
            session.COOKIE, sessions.new_cookie(), max_age=session.SECONDS, httponly=True, samesite="strict"
        )
        return response

    @app.get("/api/session")
    async def session_state(request: Request) -> Json:
        """Whether the cookie belongs to a session; the page requests this first."""
        return {"signedIn": sessions.is_cookie(request.cookies.get(session.COOKIE, ""))}

    @app.delete("/api/session", status_code=204)
    async def sign_out() -> Response:
        response = Response(status_code=204)
        response.delete_cookie(session.COOKIE, httponly=True, samesite="strict")
        return response


def _add_searches(app: FastAPI, reader: Reader, mount: Path, graph: Threads) -> None:
    def folder_inode(path: str) -> int:
        root = f"{mount}/"
        below = f"{path}/".removeprefix(root).strip("/")
        if below == "":
            return ROOT
        found = reader.inode(below)
        if found is None or not found.directory:
            raise QuestionError(f"there is no folder {path}; use a path below {mount}")
        return found.inode

    def find(question: Question, limit: int, offset: int) -> Found:
        return Found((), 0) if question.nothing else reader.search(to_search(question, folder_inode, limit, offset))

    @app.get("/api/search")
    async def search(
        q: Annotated[str, Query(max_length=LONGEST)] = "",
        limit: Annotated[int, Query(ge=1, le=200)] = PAGE_SIZE,
        offset: Annotated[int, Query(ge=0, le=100_000)] = 0,
    ) -> Json:
        """Files with all the words and tags in the folder."""
        question = parse(q)
        found = await graph.run(find, question, limit, offset)
        if q.strip():
            tags = common_tags(found.files, question.tags)
        else:
            tags = counts_view(await graph.run(reader.counts, 12))["tags"]
        return {
            "files": [file_view(file, mount) for file in found.files],
            "total": found.total,
            "more": offset + len(found.files) < found.total,
            "tags": tags,
            "volume": str(mount),
        }

    @app.get("/api/suggest")
    async def suggest(q: Annotated[str, Query(max_length=LONGEST)]) -> Json:
        """Tags and files that start with the last part of the typed text."""
        key, colon, value = q.replace('"', "").partition(":")
        if colon and key in {"in", "is"}:
            return {"suggestions": []}
        typed = value if colon and key == "tag" else q
        start = text.label(typed)
        labels = await graph.run(reader.suggest, start, 8) if start else []
        suggestions = [{"kind": "tag", "text": each.label, "count": each.files} for each in labels]
        words = tuple(text.words(typed))
        if not colon and words:
            found = await graph.run(reader.search, Search(words, limit=4))
            names = {file_view(file, mount)["name"]: None for file in found.files}
            suggestions += [{"kind": "file", "text": name, "count": None} for name in names]
        return {"suggestions": suggestions}

    def neighbourhood(centre: str) -> Neighbourhood | None:
        found = reader.neighbours(centre, NEIGHBOURS[centre[0]])
        return None if found is None else with_shared_tags(reader, found)

    @app.get("/api/neighbours")
    async def neighbours(
        kind: Literal["file", "folder", "tag"], key: Annotated[str, Query(min_length=1, max_length=100)]
    ) -> Json:
        """Neighbours of a file, a folder or a tag in the graph."""
        if kind != "tag" and not (key.isascii() and key.isdecimal() and len(key) < 19):
            raise QuestionError(f"the key of a {kind} is its inode")
        centre = node_id(kind, key)
        found = await graph.run(neighbourhood, centre)
        if found is None or centre not in {node.id for node in found.nodes}:
            raise HTTPException(404, f"this {kind} is no longer there; search again")
        return neighbourhood_view(centre, found)

    @app.get("/api/counts")
    async def counts() -> Json:
        """Number of files by state, and the most used tags."""
        return counts_view(await graph.run(reader.counts))


def _add_files(app: FastAPI, files: Files) -> None:
    @app.get("/api/files/{inode}")
    async def facts(inode: Inode) -> Json:
        """Facts about a file, and its nearest files."""
        return await files.facts(inode)

    @app.api_route("/api/files/{inode}/content", methods=["GET", "HEAD"])
    async def content(inode: Inode, inline: bool = False) -> Response:
        """The file's content, with ranges. With `inline`, text and pictures are shown; others are downloads."""
        name, open_file, start = await files.open(inode)
        kind = shown_as(start) if inline else None
        if kind is None:
            return Content(open_file, "application/octet-stream", name, "attachment")
        return Content(open_file, kind, name, "inline")

    @app.delete("/api/files/{inode}")
    async def delete(inode: Inode) -> Json:
        """Removes all current names of the file with this inode."""
        return {"deleted": await files.delete(inode)}


def _add_stream(app: FastAPI, reader: Reader) -> None:
    stream = Stream(reader)

    async def room() -> None:
        if stream.full:
            raise HTTPException(503, "too many pages are open; close some")

    @app.get("/api/events", response_class=EventSourceResponse, dependencies=[Depends(room)])
    async def events() -> AsyncIterator[ServerSentEvent]:
        """Server-sent events: `changed` with inodes, and `counts`."""
        async for event, data in stream.listen():
            yield ServerSentEvent(event=event, data=data)


def _add_page(app: FastAPI, vendor: Path) -> None:
    app.mount("/static", StaticFiles(directory=WEB))
    app.mount("/vendor", StaticFiles(directory=vendor))

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(WEB / "index.html")
