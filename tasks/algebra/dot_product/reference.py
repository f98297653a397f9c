"""Dot product of two vectors."""


def dot_product(a, b, n):
    return (a * b).sum(keepdims=True)
