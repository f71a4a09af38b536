"""Print one of the README's sh blocks, so that CI runs what readers are told to run.

``python ci/readme_blocks.py 2`` prints the second block, and ``--only WORD`` keeps those of
its commands that begin with WORD.
"""

# ruff: noqa: D103, T201  (a script: it prints)
import argparse
import re
import sys
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
FENCE = re.compile(r"^(?P<indent> {0,3})(?P<fence>`{3,}|~{3,})[ \t]*(?P<language>[\w+-]*).*$")


def blocks(text: str, language: str = "sh") -> list[str]:
    """The fenced blocks of a language, in order, without their fences."""
    found: list[str] = []
    opened: re.Match[str] | None = None
    lines: list[str] = []
    for line in text.splitlines():
        fence = FENCE.match(line)
        if opened is None:
            if fence:
                opened, lines = fence, []
        elif fence and not fence["language"] and fence["fence"].startswith(opened["fence"]):
            if opened["language"] == language:
                found.append("\n".join(lines) + "\n")
            opened = None
        else:
            lines.append(line.removeprefix(opened["indent"]))
    return found


def commands(block: str, word: str) -> str:
    """Those commands of a block that begin with a word, each with its continuation lines."""
    joined = re.sub(r"\\\n\s*", "", block)
    chosen = [line for line in joined.splitlines() if line.split()[:1] == [word]]
    return "".join(f"{line}\n" for line in chosen)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("number", type=int, help="which sh block, from 1")
    parser.add_argument("--only", metavar="WORD", help="only commands that begin with WORD")
    options = parser.parse_args()
    found = blocks(README.read_text(encoding="utf-8")) if README.is_file() else []
    if not 1 <= options.number <= len(found):
        print(f"README.md has {len(found)} sh blocks, no number {options.number}", file=sys.stderr)
        return 1
    block = found[options.number - 1]
    if options.only:
        block = commands(block, options.only)
        if not block:
            print(f"sh block {options.number} has no {options.only} command", file=sys.stderr)
            return 1
    sys.stdout.write(block)
    return 0


if __name__ == "__main__":
    sys.exit(main())
