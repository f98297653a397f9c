"""What a library takes for the same: cuSPARSE by way of torch or cupy where it has the format, else the nearest that torch has.

Making the library's matrix object from arrays that are on the device is part of each call, as it is for the kernels.
"""


def spmv_coo(torch, row_of, columns, values, x, rows, cols, **_):
    return csr(torch, starts_of(torch, row_of, rows), columns, values, rows, cols) @ x


def spmv_csr(torch, starts, columns, values, x, rows, cols, **_):
    return csr(torch, starts, columns, values, rows, cols) @ x


def spmv_ell(torch, columns, values, x, **_):
    # No library has this format; an index of -1 reads the last element, and is then left out.
    return torch.where(columns >= 0, values.float() * x.float()[columns], 0).sum(dim=1).to(x.dtype)


def spmm_coo(torch, row_of, columns, values, b, rows, cols, **_):
    return csr(torch, starts_of(torch, row_of, rows), columns, values, rows, cols) @ b


def spmm_csr(torch, starts, columns, values, b, rows, cols, **_):
    return csr(torch, starts, columns, values, rows, cols) @ b


def spmm_ell(torch, columns, values, b, **_):
    # A sum of weighted rows of B for each row of A is what torch calls an embedding bag; empty slots weigh nothing.
    weights = torch.where(columns >= 0, values, 0)
    return torch.nn.functional.embedding_bag(columns.clamp(min=0), b, per_sample_weights=weights, mode="sum")


def spmv_csc(cupy, starts, row_of, values, x, rows, cols, **_):
    return csc(starts, row_of, values, rows, cols) @ x


def spmm_csc(cupy, starts, row_of, values, b, rows, cols, **_):
    return csc(starts, row_of, values, rows, cols) @ b


def spmv_coo_float(torch, values, x, **others):
    return spmv_coo(torch, values=values.float(), x=x.float(), **others)


def spmm_coo_float(torch, values, b, **others):
    return spmm_coo(torch, values=values.float(), b=b.float(), **others)


def spmv_csc_float(torch, starts, row_of, values, x, rows, cols, **_):
    # cupy has no bfloat16, and torch would convert the format: entries are scattered instead, as the kernels do.
    column_of = torch.repeat_interleave(torch.arange(cols, device=x.device), starts.diff())
    return torch.zeros(rows, device=x.device).index_add_(0, row_of, values.float() * x.float()[column_of])


def spmm_csc_float(torch, starts, row_of, values, b, rows, cols, **_):
    # The transpose is in compressed rows; torch turns it round by sorting, and multiplies by cuSPARSE.
    transposed = csr(torch, starts, row_of, values.float(), cols, rows)
    return transposed.transpose(0, 1) @ b.float()


def csr(torch, starts, columns, values, rows, cols):
    return torch.sparse_csr_tensor(starts, columns, values, size=(rows, cols), check_invariants=False)


def starts_of(torch, row_of, rows):
    """Where each row begins among entries that are sorted by row."""
    return torch.searchsorted(row_of, torch.arange(rows + 1, device=row_of.device, dtype=row_of.dtype), out_int32=True)


def csc(starts, row_of, values, rows, cols):
    from cupyx.scipy import sparse

    matrix = sparse.csc_matrix((values, row_of, starts), shape=(rows, cols))
    matrix.has_canonical_format = True  # sorted and without duplicates: nothing to look for
    return matrix
