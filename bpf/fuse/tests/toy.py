# SPDX-License-Identifier: GPL-2.0
"""A FUSE daemon in memory, for tests.

It uses the raw protocol of /dev/fuse, counts requests and can hold back a reply. A test can change its files without
the kernel noticing, like another client of a shared volume.
"""

import collections
import ctypes
import errno
import fcntl
import functools
import mmap
import os
import select
import stat
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, cast

LOOKUP, FORGET, GETATTR, SETATTR, READLINK, SYMLINK = 1, 2, 3, 4, 5, 6
MKNOD, MKDIR, UNLINK, RMDIR, RENAME, LINK, OPEN, READ = 8, 9, 10, 11, 12, 13, 14, 15
WRITE, STATFS, RELEASE, FSYNC, SETXATTR, GETXATTR, LISTXATTR = 16, 17, 18, 20, 21, 22, 23
REMOVEXATTR, FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR = 24, 25, 26, 27, 28, 29
CREATE, INTERRUPT, DESTROY, IOCTL, POLL, BATCH_FORGET = 35, 36, 38, 39, 40, 42
READDIRPLUS = 44
FALLOCATE, RENAME2, COPY_FILE_RANGE, TMPFILE = 43, 45, 47, 51

INTERNAL = 0x7FFFFFFF00000000

libc = ctypes.CDLL(None, use_errno=True)

# Bytes: the reply; a number: an error; None: no reply.
Answer = bytes | int | None


class Error(Exception):
    def __init__(self, number: int) -> None:
        self.number = number


class Node:
    def __init__(self, ino: int, mode: int) -> None:
        self.ino, self.mode, self.nlink = ino, mode, 2 if stat.S_ISDIR(mode) else 1
        self.data, self.size, self.atime, self.mtime, self.ctime = b"", 0, 1, 1, 1
        self.children: dict[bytes, int] = {}
        self.xattrs: dict[bytes, bytes] = {}

    def touch(self) -> None:
        self.ctime += 1


class Trap:
    """A buffer in which the daemon's read() blocks halfway: its second page is missing until release()."""

    PAGE = 4096

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, 80 * self.PAGE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.memory[: self.PAGE] = bytes(self.PAGE)
        self.address = start + self.PAGE - 40  # the header of a request is 40 bytes
        self.hole = start + self.PAGE
        self.fd = libc.syscall(323, os.O_NONBLOCK)  # userfaultfd
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "userfaultfd")
        fcntl.ioctl(self.fd, 0xC018AA3F, struct.pack("<QQQ", 0xAA, 0, 0))
        fcntl.ioctl(self.fd, 0xC020AA00, struct.pack("<QQQQ", self.hole, 79 * self.PAGE, 1, 0))

    def waiting(self) -> bool:
        return bool(select.select([self.fd], [], [], 0.05)[0])

    def release(self) -> None:
        fcntl.ioctl(self.fd, 0xC020AA04, struct.pack("<QQQq", self.hole, 79 * self.PAGE, 0, 0))

    def read(self, fd: int) -> bytes:
        """Like os.read(), into this buffer."""
        n = libc.read(fd, ctypes.c_void_p(self.address), ctypes.c_size_t(78 * self.PAGE))
        if n < 0:
            raise OSError(ctypes.get_errno(), "read")
        return ctypes.string_at(self.address, n)


class Toy:
    """Mounts itself on `path`. `ttl`: (entry, attr) validity in seconds. `disk`: the block device of a fuseblk.

    `config`: content of its .config.
    """

    def __init__(
        self,
        path: str,
        ttl: tuple[float, float] = (0, 0),
        default_permissions: bool = True,
        flush_error: int = 0,
        plus: bool = False,
        disk: str = "",
        fstype: str = "fuse.toy",
        config: bytes | None = None,
    ) -> None:
        self.path, self.ttl, self.flush_error, self.plus = path, ttl, flush_error, plus
        self.nodes = {1: Node(1, stat.S_IFDIR | 0o755)}
        self.next_ino, self.next_fh = 2, 1
        self.asked: collections.Counter[int] = collections.Counter()
        self.ioctl_result = errno.ENOTTY
        self.holds: list[tuple[int, bool, threading.Event]] = []
        self.held: list[Callable[[], None]] = []
        # Content by handle: with `sticky`, a handle keeps the content from its open, as JuiceFS's readahead does.
        self.sticky = False
        self.kept: dict[int, bytes] = {}
        # As JuiceFS, it lets the kernel keep its cache of a file that is unchanged since its last open(), and otherwise
        # notifies the kernel before it replies.
        self.keeping = False
        self.opened_at: dict[int, int] = {}
        # Entries by handle: a directory as it was at the first request for its entries, as JuiceFS keeps it.
        self.listed: dict[int, list[bytes]] = {}
        # Names that are not listed, but can be looked up, as JuiceFS's own.
        self.unlisted: set[bytes] = set()
        # Entries, and a whole reply, that READDIRPLUS returns instead of the correct ones.
        self.given: dict[bytes, bytes] = {}
        self.listing: bytes | None = None
        self.trapped: Trap | None = None
        self.lock = threading.RLock()
        self.fd = os.open("/dev/fuse", os.O_RDWR)
        Path(path).mkdir(exist_ok=True, parents=True)
        options = f"fd={self.fd},rootmode=40000,user_id=0,group_id=0,allow_other"
        if default_permissions:
            options += ",default_permissions"
        if config is not None:
            node = self.add(self.nodes[1], ".config")
            node.data, node.size = config, len(config)
        kind = "fuseblk" if disk else fstype
        if libc.mount((disk or "toy").encode(), path.encode(), kind.encode(), 0, options.encode()):
            raise OSError(ctypes.get_errno(), "mount")
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        self.device = Path(path).stat().st_dev

    def close(self) -> None:
        with self.lock:
            self.holds = []
        self.release()
        # MNT_FORCE ends the connection even if files are still open.
        libc.umount2(self.path.encode(), 1 | 2)
        self.thread.join(5)
        os.close(self.fd)

    # For tests: changes that the kernel does not notice, and control of replies.

    def node(self, path: str) -> Node:
        node = self.nodes[1]
        for part in path.strip("/").split("/"):
            if part:
                node = self.nodes[node.children[part.encode()]]
        return node

    def add(self, parent: Node, name: str, mode: int = stat.S_IFREG | 0o644, ino: int | None = None) -> Node:
        with self.lock:
            if ino is None:
                ino, self.next_ino = self.next_ino, self.next_ino + 1
            node = self.nodes[ino] = Node(ino, mode)
            parent.children[name.encode()] = ino
            if stat.S_ISDIR(mode):
                parent.nlink += 1
            parent.touch()
            return node

    def hold(self, opcode: int, before: bool = False) -> threading.Event:
        """Holds back the next reply to `opcode`; `before`: also does not execute the request until then."""
        event = threading.Event()
        with self.lock:
            self.holds.append((opcode, before, event))
        return event

    def release(self) -> None:
        with self.lock:
            held, self.held = self.held, []
        for run in held:
            run()

    def trap(self) -> Trap:
        """Makes the daemon's next read() block in the middle of a request."""
        trap = Trap()
        self.trapped = trap
        os.statvfs(self.path)  # completes the read() that has already begun
        return trap

    def notify_inode(self, ino: int) -> None:
        self.write(struct.pack("<IiQ", 16 + 24, 2, 0) + struct.pack("<Qqq", ino, -1, 0))

    # The protocol.

    def write(self, data: bytes) -> None:
        try:
            os.write(self.fd, data)
        except OSError as e:
            if e.errno not in (errno.ENOENT, errno.ENODEV):
                raise

    def reply(self, unique: int, data: bytes = b"", error: int = 0) -> None:
        self.write(struct.pack("<IiQ", 16 + len(data), -error, unique) + data)

    def serve(self) -> None:
        while True:
            try:
                request = self.trapped.read(self.fd) if self.trapped else os.read(self.fd, 1 << 18)
            except OSError as e:
                if e.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                    continue
                return
            length, opcode, unique, nodeid = struct.unpack_from("<IIQQ", request)
            body = request[40:length]
            with self.lock:
                self.asked[opcode] += 1
                match = next((h for h in self.holds if h[0] == opcode), None)
                if match:
                    self.holds.remove(match)
                if match and match[1]:
                    self.held.append(functools.partial(self.answer, opcode, unique, nodeid, body))
                    match[2].set()
                    continue
                answer = self.carry_out(opcode, nodeid, body)
                if match:
                    self.held.append(functools.partial(self.send, unique, answer))
                    match[2].set()
                    continue
            self.send(unique, answer)

    def answer(self, opcode: int, unique: int, nodeid: int, body: bytes) -> None:
        with self.lock:
            answer = self.carry_out(opcode, nodeid, body)
        self.send(unique, answer)

    def send(self, unique: int, answer: Answer) -> None:
        if answer is None:
            return
        if isinstance(answer, int):
            self.reply(unique, error=answer)
        else:
            self.reply(unique, answer)

    def carry_out(self, opcode: int, nodeid: int, body: bytes) -> Answer:
        handler = self.handlers.get(opcode)
        if not handler:
            return errno.ENOSYS
        try:
            node = self.nodes.get(nodeid)
            if node is None and opcode not in (INIT, FORGET, BATCH_FORGET, INTERRUPT, DESTROY):
                return errno.ENOENT
            # Handlers of requests without a node do not use it.
            return handler(self, cast("Node", node), body)
        except Error as e:
            return e.number

    def attr(self, n: Node) -> bytes:
        return struct.pack(
            "<QQQQQQIIIIIIIIII",
            n.ino,
            n.size,
            (n.size + 511) // 512,
            n.atime,
            n.mtime,
            n.ctime,
            0,
            0,
            0,
            n.mode,
            n.nlink,
            0,
            0,
            0,
            4096,
            0,
        )

    @staticmethod
    def split(seconds: float) -> tuple[int, int]:
        return int(seconds), int((seconds - int(seconds)) * 1e9)

    def entry(self, n: Node) -> bytes:
        es, en = self.split(self.ttl[0])
        as_, an = self.split(self.ttl[1])
        return struct.pack("<QQQQII", n.ino, 1, es, as_, en, an) + self.attr(n)

    def opened(self, flags: int = 0) -> bytes:
        self.next_fh += 1
        return struct.pack("<QII", self.next_fh, flags, 0)

    def child(self, parent: Node, name: bytes) -> Node:
        ino = parent.children.get(name)
        if ino is None:
            raise Error(errno.ENOENT)
        return self.nodes[ino]

    def make(self, parent: Node, name: bytes, mode: int) -> Node:
        if name in parent.children:
            raise Error(errno.EEXIST)
        return self.add(parent, name.decode(), mode)

    def drop(self, parent: Node, name: bytes) -> None:
        node = self.child(parent, name)
        del parent.children[name]
        node.nlink -= 1
        node.touch()
        parent.touch()
        if stat.S_ISDIR(node.mode):
            parent.nlink -= 1

    def do_init(self, node: Node, body: bytes) -> Answer:
        flags = 1 | 8 | 32 | (1 << 13 | 1 << 14 if self.plus else 0)  # DO_READDIRPLUS, READDIRPLUS_AUTO
        return struct.pack("<IIIIHHIIHHI7I", 7, 31, 1 << 17, flags, 16, 12, 1 << 17, 1, 0, 0, 0, *[0] * 7)

    def do_lookup(self, node: Node, body: bytes) -> Answer:
        return self.entry(self.child(node, body.rstrip(b"\0")))

    def do_getattr(self, node: Node, body: bytes) -> Answer:
        s, n = self.split(self.ttl[1])
        return struct.pack("<QII", s, n, 0) + self.attr(node)

    def do_setattr(self, node: Node, body: bytes) -> Answer:
        valid, _, _, size, _, _, mtime, _, _, _mtimensec, _, mode = struct.unpack_from("<IIQQQQQQIIII", body)
        if valid & 1:
            node.mode = stat.S_IFMT(node.mode) | (mode & 0o7777)
        if valid & 8:
            node.size = size
            node.data = node.data[:size]
        if valid & 32:
            node.mtime = mtime
        node.touch()
        return self.do_getattr(node, b"")

    def do_mknod(self, node: Node, body: bytes) -> Answer:
        (mode,) = struct.unpack_from("<I", body)
        return self.entry(self.make(node, body[16:].rstrip(b"\0"), mode))

    def do_mkdir(self, node: Node, body: bytes) -> Answer:
        return self.entry(self.make(node, body[8:].rstrip(b"\0"), stat.S_IFDIR | 0o755))

    def do_symlink(self, node: Node, body: bytes) -> Answer:
        name, target, _ = body.split(b"\0")
        link = self.make(node, name, stat.S_IFLNK | 0o777)
        link.data, link.size = target, len(target)
        return self.entry(link)

    def do_readlink(self, node: Node, body: bytes) -> Answer:
        return node.data

    def do_unlink(self, node: Node, body: bytes) -> bytes:
        self.drop(node, body.rstrip(b"\0"))
        return b""

    def rename(self, parent: Node, to: Node, names: bytes, exchange: int) -> bytes:
        old, new, _ = names.split(b"\0")
        node = self.child(parent, old)
        if exchange:
            other = self.child(to, new)
            parent.children[old], to.children[new] = other.ino, node.ino
            other.touch()
        else:
            if new in to.children:
                self.drop(to, new)
            del parent.children[old]
            to.children[new] = node.ino
            if stat.S_ISDIR(node.mode):
                parent.nlink -= 1
                to.nlink += 1
        for n in (node, parent, to):
            n.touch()
        return b""

    def do_rename(self, node: Node, body: bytes) -> Answer:
        return self.rename(node, self.nodes[struct.unpack_from("<Q", body)[0]], body[8:], False)

    def do_rename2(self, node: Node, body: bytes) -> Answer:
        to, flags = struct.unpack_from("<QI", body)
        return self.rename(node, self.nodes[to], body[16:], flags & 2)

    def do_link(self, node: Node, body: bytes) -> Answer:
        old = self.nodes[struct.unpack_from("<Q", body)[0]]
        node.children[body[8:].rstrip(b"\0")] = old.ino
        old.nlink += 1
        old.touch()
        node.touch()
        return self.entry(old)

    def do_open(self, node: Node, body: bytes) -> Answer:
        (flags,) = struct.unpack_from("<I", body)
        if flags & os.O_TRUNC and stat.S_ISREG(node.mode):
            node.data, node.size = b"", 0
            node.touch()
        keep = False
        if self.keeping and stat.S_ISREG(node.mode):
            keep = self.opened_at.get(node.ino) == node.mtime
            self.opened_at[node.ino] = node.mtime
            if not keep:
                self.notify_inode(node.ino)
        reply = self.opened(2 if keep else 0)  # FOPEN_KEEP_CACHE
        if self.sticky:
            self.kept[self.next_fh] = node.data.ljust(node.size, b"\0")
        return reply

    def do_create(self, node: Node, body: bytes) -> Answer:
        _flags, mode = struct.unpack_from("<II", body)
        return self.entry(self.make(node, body[16:].rstrip(b"\0"), mode)) + self.opened()

    def do_tmpfile(self, node: Node, body: bytes) -> Answer:
        _flags, mode = struct.unpack_from("<II", body)
        ino, self.next_ino = self.next_ino, self.next_ino + 1
        self.nodes[ino] = new = Node(ino, mode)
        new.nlink = 0
        node.touch()
        return self.entry(new) + self.opened()

    def do_read(self, node: Node, body: bytes) -> Answer:
        fh, offset, size = struct.unpack_from("<QQI", body)
        data = self.kept.get(fh, node.data.ljust(node.size, b"\0"))
        return data[offset : offset + size]

    def do_write(self, node: Node, body: bytes) -> Answer:
        _, offset, size = struct.unpack_from("<QQI", body)
        data = body[40 : 40 + size]
        node.data = node.data.ljust(offset, b"\0")
        node.data = node.data[:offset] + data + node.data[offset + size :]
        node.size = max(node.size, offset + size)
        node.mtime += 1
        node.touch()
        return struct.pack("<II", size, 0)

    def do_release(self, node: Node, body: bytes) -> bytes:
        return b""

    def do_flush(self, node: Node, body: bytes) -> Answer:
        return self.flush_error or b""

    def do_statfs(self, node: Node, body: bytes) -> Answer:
        return struct.pack("<QQQQQIII7I", 1000, 500, 500, 100, self.asked[STATFS], 4096, 255, 4096, *[0] * 7)

    def do_getxattr(self, node: Node, body: bytes) -> Answer:
        size, _ = struct.unpack_from("<II", body)
        value = node.xattrs.get(body[8:].rstrip(b"\0"))
        if value is None:
            return errno.ENODATA
        return value if size else struct.pack("<II", len(value), 0)

    def do_setxattr(self, node: Node, body: bytes) -> bytes:
        size, _ = struct.unpack_from("<II", body)
        name, rest = body[8:].split(b"\0", 1)
        node.xattrs[name] = rest[:size]
        node.touch()
        return b""

    def do_removexattr(self, node: Node, body: bytes) -> Answer:
        if node.xattrs.pop(body.rstrip(b"\0"), None) is None:
            return errno.ENODATA
        node.touch()
        return b""

    def do_readdir(self, node: Node, body: bytes) -> Answer:
        _, offset, size = struct.unpack_from("<QQI", body)
        out = b""
        for i, (name, ino) in enumerate(list(node.children.items())[offset:], offset + 1):
            item = struct.pack("<QQII", ino, i, len(name), stat.S_IFMT(self.nodes[ino].mode) >> 12) + name
            item = item.ljust((len(item) + 7) // 8 * 8, b"\0")
            if len(out) + len(item) > size:
                break
            out += item
        return out

    def record(self, name: bytes, entry: bytes, ino: int, position: int, kind: int) -> bytes:
        item = entry + struct.pack("<QQII", ino, position, len(name), kind) + name
        return item.ljust((len(item) + 7) // 8 * 8, b"\0")

    def do_readdirplus(self, node: Node, body: bytes) -> Answer:
        fh, offset, size = struct.unpack_from("<QQI", body)
        if self.listing is not None:
            return b"" if offset else self.listing
        if not offset or fh not in self.listed:
            # The kernel does not use the attributes of "." and "..", so they are wrong here.
            odd = Node(node.ino, node.mode)
            odd.size = 77777
            self.listed[fh] = [self.record(b"." * n, self.entry(odd), node.ino, n, stat.S_IFDIR >> 12) for n in (1, 2)]
            for position, (name, ino) in enumerate(node.children.items(), 3):
                if name in self.unlisted:
                    continue
                child = self.nodes[ino]
                entry = self.given.get(name, self.entry(child))
                self.listed[fh].append(self.record(name, entry, ino, position, stat.S_IFMT(child.mode) >> 12))
        out = b""
        for item in self.listed[fh][offset:]:
            if len(out) + len(item) > size:
                break
            out += item
        return out

    def do_releasedir(self, node: Node, body: bytes) -> bytes:
        self.listed.pop(struct.unpack_from("<Q", body)[0], None)
        return b""

    def do_ioctl(self, node: Node, body: bytes) -> Answer:
        if self.ioctl_result:
            return self.ioctl_result
        _, _, command, _, _, out_size = struct.unpack_from("<QIIQII", body)
        if command >> 30 != 2:  # not only _IOC_READ
            for n in self.nodes.values():
                n.touch()
        return struct.pack("<iIII", 0, 0, 0, 0) + bytes(out_size)

    def do_poll(self, node: Node, body: bytes) -> Answer:
        """An operation that the extension does not know: it changes everything."""
        for n in self.nodes.values():
            n.touch()
        return struct.pack("<II", 1, 0)

    def do_fallocate(self, node: Node, body: bytes) -> bytes:
        _, offset, length, _mode = struct.unpack_from("<QQQI", body)
        node.size = max(node.size, offset + length)
        node.touch()
        return b""

    def do_copy(self, node: Node, body: bytes) -> Answer:
        _, off_in, nodeid_out, _, off_out, length, _ = struct.unpack_from("<QQQQQQQ", body)
        to = self.nodes[nodeid_out]
        data = node.data[off_in : off_in + length]
        to.data = to.data.ljust(off_out, b"\0")[:off_out] + data
        to.size = max(to.size, off_out + len(data))
        to.touch()
        return struct.pack("<II", len(data), 0)

    def do_nothing(self, node: Node, body: bytes) -> None:
        return None

    handlers: ClassVar[dict[int, Callable[["Toy", Node, bytes], Answer]]] = {
        INIT: do_init,
        LOOKUP: do_lookup,
        GETATTR: do_getattr,
        SETATTR: do_setattr,
        MKNOD: do_mknod,
        MKDIR: do_mkdir,
        SYMLINK: do_symlink,
        READLINK: do_readlink,
        UNLINK: do_unlink,
        RMDIR: do_unlink,
        RENAME: do_rename,
        RENAME2: do_rename2,
        LINK: do_link,
        OPEN: do_open,
        CREATE: do_create,
        TMPFILE: do_tmpfile,
        READ: do_read,
        WRITE: do_write,
        RELEASE: do_release,
        FLUSH: do_flush,
        FSYNC: do_release,
        STATFS: do_statfs,
        GETXATTR: do_getxattr,
        SETXATTR: do_setxattr,
        REMOVEXATTR: do_removexattr,
        OPENDIR: do_open,
        READDIR: do_readdir,
        READDIRPLUS: do_readdirplus,
        RELEASEDIR: do_releasedir,
        IOCTL: do_ioctl,
        POLL: do_poll,
        FALLOCATE: do_fallocate,
        COPY_FILE_RANGE: do_copy,
        FORGET: do_nothing,
        BATCH_FORGET: do_nothing,
        INTERRUPT: do_nothing,
        DESTROY: do_nothing,
    }
