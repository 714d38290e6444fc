"""`python -m disgrafs.corpus FOLDER --seed 1 --files 1000`: writes a corpus, and prints one line of JSON per file."""

import argparse
import json
import sys
from pathlib import Path

from disgrafs.corpus.make import write


def main() -> None:
    """Writes the corpus."""
    parser = argparse.ArgumentParser(prog="disgrafs.corpus", description="Writes a corpus that a seed determines.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", type=int, default=1000, help="number of files (default 1000)")
    parser.add_argument(
        "--first", type=int, default=0, help="number of the first file, if several processes write one corpus"
    )
    arguments = parser.parse_args()
    for made in write(arguments.folder, arguments.seed, range(arguments.first, arguments.first + arguments.files)):
        line = {
            "path": made.path,
            "kind": made.kind,
            "topic": made.topic,
            "words": made.words,
            "size": len(made.content),
        }
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
