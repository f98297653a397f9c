"""The launchers of this folder in the sizes of another version of KernelBench, or of problems that were scaled down.

A launcher has the sizes of its problem in its second paragraph, as constants of the same names. `fit.py LEVEL OUT` writes each that
LEVEL has a problem for into OUT, with the numbers that the problem's own file gives to those names. Nothing is run: numbers, products
and names that stand for them are read from the text. A launcher with a name that the problem does not give a number to is left out,
and told.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
SIZE = re.compile(r"^constexpr int (\w+) = \d+;$", re.MULTILINE)


def number(node: ast.expr, known: Mapping[str, int]) -> int | None:
    """What an expression of whole numbers comes to; of a tuple of one, that one."""
    match node:
        case ast.Constant(value=int() as value):
            return int(value)
        case ast.Name(id=name):
            return known.get(name)
        case ast.Tuple(elts=[only]):
            return number(only, known)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            one, other = number(left, known), number(right, known)
            return None if one is None or other is None else one * other
    return None


def sizes(problem: str) -> dict[str, int]:
    """The numbers that a problem's file gives to names."""
    known: dict[str, int] = {}
    for node in ast.parse(problem).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                if (found := number(value, known)) is not None:
                    known[name] = found
    return known


def fitted(launcher: str, known: Mapping[str, int]) -> str:
    """The launcher with these sizes. Raises `KeyError` with the name of one that is not known."""
    first, own, rest = launcher.split("\n\n", 2)  # what it is; its sizes; all else
    own = SIZE.sub(lambda match: f"constexpr int {match[1]} = {known[match[1]]};", own)
    return "\n\n".join((first, own, rest))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("level", type=Path, help="folder of problems, such as KernelBench/level1 of a checkout")
    parser.add_argument("out", type=Path, help="folder for the launchers")
    parser.add_argument("--only", nargs="+", metavar="ID", help="numbers of problems; whatever has a launcher is read, however large")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    written = 0
    for launcher in sorted(HERE.glob("*.cu")):
        if given.only and launcher.stem.partition("_")[0] not in given.only:
            continue
        problem = given.level / f"{launcher.stem}.py"
        if not problem.is_file():
            print(f"{launcher.stem}: no such problem there")
            continue
        try:
            text = fitted(launcher.read_text(encoding="utf-8"), sizes(problem.read_text(encoding="utf-8")))
        except KeyError as missing:
            print(f"{launcher.stem}: the problem gives no number to {missing}")
            continue
        (given.out / launcher.name).write_text(text, encoding="utf-8")
        written += 1
    print(f"{written} launchers in {given.out}")
    return 0 if written else 1


if __name__ == "__main__":
    sys.exit(main())
