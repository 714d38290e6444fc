"""The example of docs/disgrafs.md for a tagger works as it is printed there."""

import re
import sys
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

from disgrafs.graph.model import Work
from disgrafs.taggers import table
from disgrafs.taggers.read import tag_file
from disgrafs.tests.folder import Folder

CUES = [("AHAB", "Hast thou seen the white whale?"), ("STARBUCK", "No."), ("AHAB", "Man the boats!")] * 4
SUBTITLES = "\n".join(
    f"{number}\n00:00:{number:02},100 --> 00:00:{number:02},900\n{speaker}: {text}\n"
    for number, (speaker, text) in enumerate(CUES, 1)
)


def test_the_documented_tagger_finds_speakers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docs = (Path(__file__).parents[2] / "docs/disgrafs.md").read_text(encoding="utf-8")
    chapter = docs.partition("## Add a tagger")[2].partition("\n## ")[0]
    program, entry = re.findall(r"```python\n(.*?)```", chapter, re.DOTALL)
    name, *_ = re.findall(r"`disgrafs/taggers/(\w+)\.py`", chapter)
    spec = spec_from_loader(f"disgrafs.taggers.{name}", loader=None)
    assert spec
    module = module_from_spec(spec)
    exec(program, module.__dict__)  # noqa: S102 - from this repository
    monkeypatch.setitem(sys.modules, spec.name, module)
    added = eval(entry.strip().removesuffix(","), {"Registered": table.Registered})  # noqa: S307 - the same
    before = [each.name for each in table.TABLE].index("source")
    monkeypatch.setattr(table, "TABLE", (*table.TABLE[:before], added, *table.TABLE[before:]))
    (tmp_path / "film").write_text(SUBTITLES)
    with Folder(tmp_path) as mount:
        outcome = tag_file(mount, Work((tmp_path / "film").stat().st_ino, 1, "film"))
    assert outcome.tagged, outcome.reason
    assert (outcome.by, outcome.tagged.facts) == (name, {"speakers": "2"})
    assert [tag.label for tag in outcome.tagged.tags] == ["ahab", "starbuck", "subtitles"]
