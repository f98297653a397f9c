"""Sum of two vectors."""


def vector_add(a, b, n):
    return a + b
