"""A vector from its end to its start."""


def reverse_array(x, n):
    return x[::-1]
