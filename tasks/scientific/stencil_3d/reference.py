"""A weighted sum of each point and its six neighbours; the border keeps its values."""

# Of the point itself and of its neighbours along depth, height and width, in the order of the weights.
OFFSETS = ((0, 0, 0), (-1, 0, 0), (1, 0, 0), (0, -1, 0), (0, 1, 0), (0, 0, -1), (0, 0, 1))


def stencil_3d(u, weights, depth, height, width):
    v = u.copy()
    if min(depth, height, width) > 2:
        inside = v[1:-1, 1:-1, 1:-1]
        inside[:] = 0
        for weight, (z, y, x) in zip(weights, OFFSETS, strict=True):
            inside += weight * u[1 + z : depth - 1 + z, 1 + y : height - 1 + y, 1 + x : width - 1 + x]
    return v
