"""Integer polynomials over names: what index expressions and loop bounds are once their local variables are put in.

A name is a size of the entry (`rows`), a variable of a kernel (`row`), or the text of something not looked into (`bins[i]`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from kernelsearch.source import Node, Tree, parse

Monomial = tuple[str, ...]  # sorted names, repeated for powers


@dataclass(frozen=True, slots=True)
class Polynomial:
    """A sum of monomials with non-zero integer coefficients."""

    terms: tuple[tuple[Monomial, int], ...]

    @staticmethod
    def of(terms: dict[Monomial, int]) -> Polynomial:
        return Polynomial(tuple(sorted((m, c) for m, c in terms.items() if c)))

    @staticmethod
    def number(value: int) -> Polynomial:
        return Polynomial.of({(): value})

    @staticmethod
    def name(name: str) -> Polynomial:
        return Polynomial.of({(name,): 1})

    def __add__(self, other: Polynomial) -> Polynomial:
        terms = dict(self.terms)
        for monomial, coefficient in other.terms:
            terms[monomial] = terms.get(monomial, 0) + coefficient
        return Polynomial.of(terms)

    def __mul__(self, other: Polynomial) -> Polynomial:
        terms: dict[Monomial, int] = {}
        for left, a in self.terms:
            for right, b in other.terms:
                monomial = tuple(sorted((*left, *right)))
                terms[monomial] = terms.get(monomial, 0) + a * b
        return Polynomial.of(terms)

    def __sub__(self, other: Polynomial) -> Polynomial:
        return self + other * Polynomial.number(-1)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(name for monomial, _ in self.terms for name in monomial)

    @property
    def constant(self) -> int:
        return dict(self.terms).get((), 0)

    @property
    def degree(self) -> int:
        return max((len(monomial) for monomial, _ in self.terms), default=0)

    def over(self, divisor: Polynomial) -> Polynomial | None:
        """The quotient by a single monomial; None where it does not divide."""
        if len(divisor.terms) != 1:
            return None
        (names, factor), result = divisor.terms[0], {}
        for monomial, coefficient in self.terms:
            left = list(monomial)
            for name in names:
                if name not in left:
                    return None
                left.remove(name)
            if coefficient % factor:
                return None
            result[tuple(left)] = coefficient // factor
        return Polynomial.of(result)

    def factors(self, order: list[str]) -> list[Polynomial]:
        """A product of names as its factors, in the given order of names; anything else is one factor."""
        if len(self.terms) == 1 and self.terms[0][1] == 1 and len(self.terms[0][0]) > 1:
            return [Polynomial.name(name) for name in sorted(self.terms[0][0], key=lambda n: order.index(n) if n in order else len(order))]
        return [self]

    def value(self, names: Mapping[str, int]) -> int:
        """The value with numbers put in for names; a name without one counts as 1."""
        return sum(coefficient * math.prod(names.get(name, 1) for name in monomial) for monomial, coefficient in self.terms)

    def text(self, order: list[str]) -> str:
        """As an expression over sizes: highest degree first, names in the given order."""

        def place(name: str) -> int:
            return order.index(name) if name in order else len(order)

        parts = []
        for monomial, coefficient in sorted(self.terms, key=lambda term: (-len(term[0]), [place(name) for name in term[0]])):
            names = sorted(monomial, key=place)
            factors = names if abs(coefficient) == 1 and names else [str(abs(coefficient)), *names]
            parts.append((" - " if coefficient < 0 else " + ") + " * ".join(factors))
        text = "".join(parts)
        return (text[3:] if text.startswith(" + ") else "-" + text[3:]) if text else "0"


def evaluate(tree: Tree, node: Node, resolve: Callable[[str], Polynomial], depth: int = 0) -> Polynomial:
    """The value of an integer expression; `resolve` gives that of a name, and what is not arithmetic becomes a name of its own."""
    text = tree.text_of(node)
    match node.type:
        case "number_literal":
            digits = text.rstrip("uUlL")
            return Polynomial.number(int(digits)) if digits.isdecimal() else Polynomial.name(text)
        case "parenthesized_expression" if node.named_children:
            return evaluate(tree, node.named_children[0], resolve, depth + 1)
        case "cast_expression" if (inner := node.child_by_field_name("value")) is not None:
            return evaluate(tree, inner, resolve, depth + 1)
        case "identifier":
            return resolve(text)
        case "binary_expression" if len(node.children) == 3 and node.children[1].type in ("+", "-", "*") and depth < 40:
            left, operator, right = node.children
            a, b = evaluate(tree, left, resolve, depth + 1), evaluate(tree, right, resolve, depth + 1)
            return a + b if operator.type == "+" else a - b if operator.type == "-" else a * b
    return Polynomial.name(" ".join(text.split()))


def product(factors: Iterable[Polynomial]) -> Polynomial:
    """All factors multiplied; 1 for none."""
    total = Polynomial.number(1)
    for factor in factors:
        total *= factor
    return total


def of_host(text: str) -> Polynomial:
    """An expression of the host's, over the entry's names."""
    tree = parse(f"int v = {text};")
    value = next((node.child_by_field_name("value") for node in tree.walk("init_declarator")), None)
    return Polynomial.name(text) if value is None or tree.root.has_error else evaluate(tree, value, Polynomial.name)
