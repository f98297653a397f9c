"""Sparse matrix times vector and times dense matrix in four formats, and the matrices that the tasks of this suite are run on.

A matrix has exactly `nonzeros` entries. The lengths of its rows (in the column-compressed format, of its columns) are skewed: one in
sixteen is empty, most are short, one holds `longest` entries. Within a row columns ascend and none comes twice.
"""

import numpy as np


def spmv_coo(row_of, columns, values, x, rows, cols, nonzeros, **_):
    return np.bincount(row_of, weights=values * x[columns], minlength=rows)


def spmv_csr(starts, columns, values, x, rows, cols, **_):
    return row_sums(starts, values * x[columns])


def spmv_csc(starts, row_of, values, x, rows, cols, **_):
    column_of = np.repeat(np.arange(cols), np.diff(starts))
    return np.bincount(row_of, weights=values * x[column_of], minlength=rows)


def spmv_ell(columns, values, x, rows, cols, width, **_):
    return np.where(columns >= 0, values * x[columns], 0).sum(axis=1)


def spmm_coo(row_of, columns, values, b, rows, cols, k, nonzeros, **_):
    return by_column(b, lambda x: spmv_coo(row_of, columns, values, x, rows, cols, nonzeros))


def spmm_csr(starts, columns, values, b, rows, cols, k, **_):
    return by_column(b, lambda x: spmv_csr(starts, columns, values, x, rows, cols))


def spmm_csc(starts, row_of, values, b, rows, cols, k, **_):
    column_of = np.repeat(np.arange(cols), np.diff(starts))
    return by_column(b, lambda x: np.bincount(row_of, weights=values * x[column_of], minlength=rows))


def spmm_ell(columns, values, b, rows, cols, k, width, **_):
    c = np.zeros((rows, k), dtype=b.dtype)
    for slot in range(width):
        c += np.where(columns[:, slot] >= 0, values[:, slot], 0)[:, None] * b[columns[:, slot]]
    return c


def by_column(b, product):
    """C = A B, one column of B at a time: each fits into a cache."""
    return np.stack([product(np.ascontiguousarray(column)) for column in b.T], axis=1)


def row_sums(starts, products):
    sums = np.add.reduceat(np.append(products, products.dtype.type(0)), starts[:-1])
    return np.where(starts[1:] > starts[:-1], sums, 0)


def make_coo(rng, sizes, distribution):
    """Entries by row, and by column within a row."""
    lengths, columns = pattern(rng, sizes["rows"], sizes["cols"], sizes["nonzeros"], sizes["longest"])
    return {"row_of": np.repeat(np.arange(sizes["rows"], dtype=np.int32), lengths), "columns": columns}


def make_csr(rng, sizes, distribution):
    lengths, columns = pattern(rng, sizes["rows"], sizes["cols"], sizes["nonzeros"], sizes["longest"])
    return {"starts": starts_of(lengths), "columns": columns}


def make_csc(rng, sizes, distribution):
    """The compressed rows of the transpose."""
    lengths, row_of = pattern(rng, sizes["cols"], sizes["rows"], sizes["nonzeros"], sizes["longest"])
    return {"starts": starts_of(lengths), "row_of": row_of}


def make_ell(rng, sizes, distribution):
    """Rows of nearly even length, as the format is meant for; -1 fills them up."""
    lengths, columns = pattern(rng, sizes["rows"], sizes["cols"], sizes["nonzeros"], sizes["width"], evenness=8.0)
    filled = np.full((sizes["rows"], sizes["width"]), -1, dtype=np.int32)
    filled[np.arange(sizes["width"]) < lengths[:, None]] = columns
    return {"columns": filled}


def pattern(rng, rows, cols, nonzeros, longest, evenness=0.5):
    """Lengths of the rows, and the columns of all entries row by row."""
    lengths = row_lengths(rng, rows, nonzeros, longest, evenness)
    row_of = np.repeat(np.arange(rows), lengths)
    place = np.arange(nonzeros) - starts_of(lengths)[row_of]
    share = lengths[row_of]
    # One column from each of as many equal parts of the row as it has entries: they ascend, and none comes twice.
    low, high = place * cols // share, (place + 1) * cols // share
    return lengths, (low + rng.random(nonzeros) * (high - low)).astype(np.int32)


def row_lengths(rng, rows, nonzeros, longest, evenness):
    """Lengths that add up to `nonzeros`, at most `longest` and in one row as much; the larger `evenness`, the more alike they are."""
    weights = rng.gamma(evenness, size=rows) * (rng.random(rows) >= 1 / 16)
    heavy = int(rng.integers(rows))
    weights[heavy] = 0.0
    rest = nonzeros - longest
    spread = weights / weights.sum() if weights.sum() > 0 else np.full(rows, 1 / rows)
    lengths = np.minimum(rng.multinomial(rest, spread), longest)
    lengths[heavy] = longest
    # What did not fit goes to rows with room, in a random order.
    order = rng.permutation(rows)
    room = (longest - lengths)[order]
    before = np.cumsum(room) - room
    lengths[order] += np.clip(nonzeros - lengths.sum() - before, 0, room)
    return lengths


def starts_of(lengths):
    return np.concatenate([[0], np.cumsum(lengths)])
