# SPDX-License-Identifier: GPL-2.0
"""Reads by Linux AIO and by io_uring, with system calls alone: Python has neither."""

import ctypes
import mmap
import os
import struct

libc = ctypes.CDLL(None, use_errno=True)
IO_SETUP, IO_DESTROY, IO_GETEVENTS, IO_SUBMIT, URING_SETUP, URING_ENTER = 206, 207, 208, 209, 425, 426
# Offsets of the rings in an io_uring's file.
SUBMISSIONS, COMPLETIONS, ENTRIES = 0, 0x8000000, 0x10000000
GET_EVENTS, READ = 1, 22


def call(number: int, *args: object) -> int:
    result = int(libc.syscall(number, *args))
    if result < 0:
        raise OSError(ctypes.get_errno(), f"system call {number}")
    return result


def address_of(buffer: mmap.mmap) -> int:
    view = ctypes.c_char.from_buffer(buffer)
    address = ctypes.addressof(view)
    del view
    return address


def read_by_aio(fd: int, buffer: mmap.mmap, size: int, offset: int) -> int:
    """Reads with io_submit(); returns the number of bytes."""
    context = ctypes.c_ulong(0)
    call(IO_SETUP, ctypes.c_long(1), ctypes.byref(context))
    try:
        request = ctypes.create_string_buffer(
            struct.pack("<QIIHhIQQqQII", 0, 0, 0, 0, 0, fd, address_of(buffer), size, offset, 0, 0, 0)
        )
        requests = (ctypes.c_void_p * 1)(ctypes.addressof(request))
        call(IO_SUBMIT, context, ctypes.c_long(1), requests)
        event = ctypes.create_string_buffer(32)
        call(IO_GETEVENTS, context, ctypes.c_long(1), ctypes.c_long(1), event, None)
        _data, _request, result, _ = struct.unpack("<QQqq", event.raw)
    finally:
        call(IO_DESTROY, context)
    if result < 0:
        raise OSError(-result, "io_submit")
    return int(result)


def read_by_uring(fd: int, buffer: mmap.mmap, size: int, offset: int) -> int:
    """Reads with an io_uring of its own; returns the number of bytes."""
    parameters = ctypes.create_string_buffer(120)
    ring = call(URING_SETUP, ctypes.c_long(1), parameters)
    try:
        _head, tail, _mask, _entries, _flags, _dropped, array = struct.unpack_from("<7I", parameters, 40)
        _head, _tail, _mask, _entries, _overflow, completions = struct.unpack_from("<6I", parameters, 80)
        with (
            mmap.mmap(ring, array + 4, offset=SUBMISSIONS) as submitted,
            mmap.mmap(ring, completions + 32, offset=COMPLETIONS) as completed,
            mmap.mmap(ring, 64, offset=ENTRIES) as entries,
        ):
            struct.pack_into("<BBHiQQII", entries, 0, READ, 0, 0, fd, offset, address_of(buffer), size, 0)
            struct.pack_into("<I", submitted, array, 0)
            struct.pack_into("<I", submitted, tail, 1)
            call(URING_ENTER, ring, 1, 1, GET_EVENTS, None, ctypes.c_long(0))
            _data, result, _ = struct.unpack_from("<QiI", completed, completions)
    finally:
        os.close(ring)
    if result < 0:
        raise OSError(-result, "io_uring")
    return int(result)
