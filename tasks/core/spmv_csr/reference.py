"""Sparse matrix (compressed rows) times vector, and a matrix with rows of uneven length, some of them empty."""

import numpy as np


def spmv(starts, columns, values, x, rows, cols, nonzeros):
    products = np.append(values * x[columns], 0.0)
    sums = np.add.reduceat(products, starts[:-1])
    return np.where(starts[1:] > starts[:-1], sums, 0.0)


def make_inputs(rng, sizes, distribution):
    """Row lengths of a skewed matrix; columns ascend within a row."""
    rows, cols, nonzeros = sizes["rows"], sizes["cols"], sizes["nonzeros"]
    weights = rng.gamma(1.0, size=rows)
    lengths = rng.multinomial(nonzeros, weights / weights.sum())
    starts = np.concatenate([[0], np.cumsum(lengths)])
    row_of = np.repeat(np.arange(rows), lengths)
    columns = rng.integers(0, cols, size=nonzeros)
    return {"starts": starts, "columns": columns[np.lexsort((columns, row_of))]}
