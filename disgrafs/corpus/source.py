"""Source code in four languages: small, well-formed files about a topic."""

from collections.abc import Callable
from random import Random

from disgrafs.corpus.text import sentences
from disgrafs.corpus.topics import TOPICS


def _names(random: Random, topic: str) -> list[str]:
    terms = [term.replace(" ", "_").replace("'", "") for term in TOPICS[topic]["en"]]
    return random.sample(terms, 4)


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def python(random: Random, topic: str) -> str:
    """A module with a class and its functions."""
    about, *names = _names(random, topic)
    comment = sentences(random, topic, "en", 2)
    lines = [f'"""{comment[0]}"""', "", "from dataclasses import dataclass", "", "", "@dataclass"]
    lines += [f"class {_camel(about)}:", f'    """{comment[1]}"""', ""]
    lines += [f"    {name}: int = {random.randint(1, 99)}" for name in names]
    for name in names:
        step = random.randint(2, 9)
        lines += [
            "",
            f"    def next_{name}(self) -> int:",
            f"        self.{name} += {step}",
            f"        return self.{name}",
        ]
    return "\n".join(lines) + "\n"


def c(random: Random, topic: str) -> str:
    """A file with a struct and functions."""
    about, *names = _names(random, topic)
    lines = [f"/* {' '.join(sentences(random, topic, 'en', 2))} */", "#include <stdint.h>", "#include <stdio.h>", ""]
    lines += [f"struct {about} {{", *(f"\tuint32_t {name};" for name in names), "};", ""]
    for name in names:
        lines += [
            f"static uint32_t {about}_next_{name}(struct {about} *self)",
            "{",
            f"\tself->{name} += {random.randint(2, 9)};",
            f"\treturn self->{name};",
            "}",
            "",
        ]
    calls = [f'\tprintf("%u\\n", {about}_next_{name}(&self));' for name in names]
    lines += ["int main(void)", "{", f"\tstruct {about} self = {{0}};", *calls, "\treturn 0;", "}"]
    return "\n".join(lines) + "\n"


def typescript(random: Random, topic: str) -> str:
    """A module with an interface and functions."""
    about, *names = _names(random, topic)
    lines = [f"/** {sentences(random, topic, 'en', 1)[0]} */", f"export interface {_camel(about)} {{"]
    lines += [*(f"  readonly {name}: number;" for name in names), "}", ""]
    for name in names:
        lines += [
            f"export function next{_camel(name)}(self: {_camel(about)}): {_camel(about)} {{",
            f"  return {{ ...self, {name}: self.{name} + {random.randint(2, 9)} }};",
            "}",
            "",
        ]
    return "\n".join(lines)


def go(random: Random, topic: str) -> str:
    """A package with a type and methods."""
    about, *names = _names(random, topic)
    kind = _camel(about)
    lines = [
        f"// Package {topic}: {sentences(random, topic, 'en', 1)[0]}",
        f"package {topic}",
        "",
        f"type {kind} struct {{",
    ]
    lines += [*(f"\t{_camel(name)} int" for name in names), "}", ""]
    for name in names:
        lines += [
            f"func (self *{kind}) Next{_camel(name)}() int {{",
            f"\tself.{_camel(name)} += {random.randint(2, 9)}",
            f"\treturn self.{_camel(name)}",
            "}",
            "",
        ]
    return "\n".join(lines)


LANGUAGES: dict[str, Callable[[Random, str], str]] = {".py": python, ".c": c, ".ts": typescript, ".go": go}
