"""Operations on one file, identified by its inode: reading its facts, opening it, deleting it.

The graph lags slightly behind the volume. If a path from the graph does not lead to the file, which may just have been
moved, the graph is queried again for about a second.
"""

from collections.abc import AsyncIterator

import anyio

from disgrafs.api.threads import Threads
from disgrafs.api.views import Json, file_view, node_id, whole
from disgrafs.api.volume import GoneError, OpenFile, Volume
from disgrafs.graph import Reader
from disgrafs.graph.model import File
from disgrafs.names import shown

NEAREST = 5
_PAUSES = (0.2, 0.3, 0.5)


class Files:
    """Files of a volume, and the graph's facts about them."""

    def __init__(self, reader: Reader, volume: Volume, graph_threads: Threads) -> None:
        self._reader = reader
        self._volume = volume
        self._graph_threads = graph_threads
        self._volume_threads = Threads(16)

    async def facts(self, inode: int) -> Json:
        """Facts about a file, and its nearest files."""
        file = await self._known(inode)
        near = await self._graph_threads.run(self._nearest, file)
        return {**file_view(file, self._volume.mount), "near": near}

    async def open(self, inode: int) -> tuple[str, OpenFile, bytes]:
        """The file's name, the open file, and its first bytes."""
        async for file in self._as_it_moves(inode):
            for path in file.paths:
                try:
                    opened = await self._volume_threads.run(self._volume.open, path, inode)
                except GoneError:
                    continue
                try:
                    start = await self._volume_threads.run(opened.peek)
                except BaseException:
                    opened.close()
                    raise
                return shown(path.rpartition("/")[2]), opened, start
        raise GoneError(str(inode))

    async def delete(self, inode: int) -> list[str]:
        """Removes all names of a file, and returns them."""
        async for file in self._as_it_moves(inode):
            deleted = []
            for path in file.paths:
                try:
                    await self._volume_threads.run(self._volume.delete, path, inode)
                except GoneError:
                    continue
                deleted.append(shown(whole(self._volume.mount, path)))
            if deleted:
                return deleted
        raise GoneError(str(inode))

    async def _as_it_moves(self, inode: int) -> AsyncIterator[File]:
        yield await self._known(inode)
        for pause in _PAUSES:
            await anyio.sleep(pause)
            yield await self._known(inode)

    async def _known(self, inode: int) -> File:
        file = await self._graph_threads.run(self._reader.file, inode)
        if file is None:
            raise GoneError(str(inode))
        return file

    def _nearest(self, file: File) -> list[Json]:
        own = node_id("file", str(file.inode))
        around = self._reader.neighbours(own)
        edges = () if around is None else around.edges
        ends = [
            (edge.weight, edge.target if edge.source == own else edge.source) for edge in edges if edge.kind == "near"
        ]
        labels = {tag.label for tag in file.tags}
        near = []
        for _, node in sorted(ends, reverse=True)[:NEAREST]:
            if (other := self._reader.file(int(node[1:]))) is not None:
                shared = [tag.label for tag in other.tags if tag.label in labels]
                near.append({**file_view(other, self._volume.mount), "shared": shared})
        return near
