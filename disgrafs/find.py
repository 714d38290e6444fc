"""`disgrafs find`: searches the graph from a node's shell, by the same API as the page.

With --index it searches the image of the graph on this node's data disk instead (docs/storage-chain.md): paths and
exact tags, as of the time when the image was written.
"""

import argparse
import json
import os
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from disgrafs import text

SECONDS = 130
"""Longer than two queries of a graph that has just started on a slow machine."""
SCHAIN = "/opt/disgrafs/extensions/storage-chain/bin/schain"


class FindError(Exception):
    """The reason for a missing answer, and advice."""


def question(parts: list[str]) -> str:
    """Joins the arguments into one text. The values of tag:, in: and is: are quoted."""
    return " ".join(_part(part) for part in parts)


def _part(part: str) -> str:
    key, colon, value = part.partition(":")
    if colon and key in {"tag", "in", "is"}:
        return f'{key}:"{value.replace(chr(34), "")}"'
    return part.replace('"', " ")


def ask(address: str, token: str, typed: str, limit: int) -> dict[str, Any]:
    """The API's answer."""
    query = urllib.parse.urlencode({"q": typed, "limit": limit}, errors="surrogateescape")
    request = urllib.request.Request(f"{address}/api/search?{query}", headers={"Authorization": f"Bearer {token}"})  # noqa: S310 - the unit's own address
    try:
        # No proxy from the environment: the API is in the lab's own network.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=SECONDS) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except urllib.error.HTTPError as error:
        try:
            reason = json.load(error)["error"]
        except (ValueError, KeyError, TypeError):
            reason = f"status {error.code}"
        raise FindError(reason) from error
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise FindError(
            f"{address} does not answer ({reason}); check on that node: systemctl status disgrafs-api.service"
        ) from error


def _schain(*arguments: str) -> list[dict[str, Any]]:
    """The output lines of a `schain` command; none if it found nothing."""
    command = [os.environ.get("DISGRAFS_SCHAIN", SCHAIN), arguments[0]]
    image = os.environ.get("DISGRAFS_IMAGE")
    command += [f"--image={image}"] if image else []
    try:
        done = subprocess.run([*command, *arguments[1:]], capture_output=True, check=False)
    except OSError as error:
        raise FindError(f"{command[0]}: {error.strerror}; load the extension storage-chain on this machine") from error
    if done.returncode and done.stderr.startswith(b"schain: "):
        reason = os.fsdecode(done.stderr.removeprefix(b"schain: ")).strip()
        raise FindError(f"{reason}; the image: docs/storage-chain.md")
    return [json.loads(text) for text in done.stdout.splitlines()]


def ask_index(parts: list[str], limit: int) -> dict[str, Any]:
    """The image's answer, in the form of the API's as far as the image has the data."""
    (image,) = _schain("status")
    top = str(image["source"]).rstrip("/")
    within, tags, paths = "", [], []
    for part in parts:
        key, colon, value = part.partition(":")
        if colon and key == "tag":
            tags.append(f"--tag={text.label(value) or ''}")
        elif colon and key == "in":
            within = _below(value, top)
        elif part.startswith("/"):
            paths.append(_below(part, top))
        else:
            raise FindError(f"--index finds only tag:NAME, with in:FOLDER, and absolute paths; for {part!r} omit it")
    if bool(tags) == bool(paths) or (within and not tags):
        raise FindError("--index needs tag:NAME, optionally with in:FOLDER, or paths that begin with /")
    # Files outside the folder are removed from the result, because the list of a tag has no folders.
    most = 2**63 if within else limit + 1
    found = (
        _schain("lookup", *tags, f"--limit={most}")
        if tags
        else [file for path in paths for file in _schain("lookup", "--", path or ".")]
    )
    found = [file for file in found if not within or f"{file['path']}/".startswith(f"{within}/")]
    for file in found:
        file["path"] = f"{top}/{file['path']}" if file["path"] != "." else top or "/"
        file["size"] = file["size"] if file["size"] < 2**64 - 1 else None
    more = len(found) > limit
    return {"total": None if more else len(found), "files": found[:limit], "written": image["built"]}


def _below(path: str, top: str) -> str:
    """A path below the mount point in the form of the image; "" is the top."""
    path = path.rstrip("/")
    if path == top:
        return ""
    if not path.startswith(f"{top}/"):
        raise FindError(f"{path} is not below {top or '/'}, the folder of the image")
    return path.removeprefix(f"{top}/")


def index_line(file: dict[str, Any]) -> str:
    """A path, a tab, and the size."""
    return f"{file['path']}\t{'unknown' if file['size'] is None else file['size']}"


def line(file: dict[str, Any]) -> str:
    """A path, a tab, and the tags."""
    return f"{file['path']}\t{', '.join(tag['name'] for tag in file['tags']) or file['state']}"


def printable(text: str) -> str:
    """The text for a terminal, in which a name cannot contain control characters."""
    return "".join(char if char.isprintable() or char == "\t" else "?" for char in text)


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0 if files were found, 1 if not or if the search failed."""
    parser = argparse.ArgumentParser(
        prog="disgrafs find",
        description="Finds files by words of their names and tags.",
        epilog="Exit status: 0 when files were found, 1 when not. Example: disgrafs find espresso tag:pdf in:docs",
    )
    parser.add_argument(
        "parts", nargs="+", metavar="WORD", help="beginning of a word, tag:NAME, in:FOLDER, is:waiting or is:failed"
    )
    parser.add_argument("--json", action="store_true", help="print all known facts about the files, as JSON")
    parser.add_argument(
        "--index",
        action="store_true",
        help="search the image on this node's data disk: only tag:NAME, in:FOLDER and absolute paths",
    )
    parser.add_argument("--limit", type=int, default=50, help="maximum number of files (default 50, at most 200)")
    parser.add_argument(
        "--terminal", action="store_true", help="replace control characters, even if the output is not a terminal"
    )
    options = parser.parse_args(arguments)
    try:
        if options.index:
            # Names can contain any bytes, and are printed unchanged.
            sys.stdout.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]
            found = ask_index(options.parts, options.limit)
        else:
            found = ask(*_settings(), question(options.parts), options.limit)
    except FindError as error:
        sys.stderr.write(f"disgrafs: {error}\n")
        return 1
    for_terminal = options.terminal or sys.stdout.isatty()
    if options.json:
        shown = {key: found[key] for key in ("total", "files", "written") if key in found}
        # With \u escapes the JSON means the same; JSON itself permits some control characters unescaped.
        json.dump(shown, sys.stdout, ensure_ascii=options.index or for_terminal, indent=1)
        sys.stdout.write("\n")
    else:
        one = index_line if options.index else line
        lines = (one(file) for file in found["files"])
        sys.stdout.writelines(f"{printable(each) if for_terminal else each}\n" for each in lines)
        if found["total"] is None:
            sys.stderr.write("there are more; add a tag, or --limit\n")
        elif found["total"] > len(found["files"]):
            sys.stderr.write(f"{found['total'] - len(found['files'])} more; add a word, or --limit\n")
    return 0 if found["files"] else 1


def _settings() -> tuple[str, str]:
    """Address of the API, and the token: DISGRAFS_API=http://HOST:PORT and DISGRAFS_TOKEN_FILE."""
    try:
        return os.environ["DISGRAFS_API"], Path(os.environ["DISGRAFS_TOKEN_FILE"]).read_text(encoding="ascii").strip()
    except KeyError as error:
        raise FindError(f"{error.args[0]} is not set; use the command disgrafs that the lab installs") from error
    except OSError as error:
        raise FindError(f"the token cannot be read ({error}); try as root: sudo disgrafs find ...") from error


if __name__ == "__main__":
    sys.exit(main())
