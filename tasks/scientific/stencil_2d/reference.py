"""A weighted sum of each point and its eight neighbours; the border keeps its values."""


def stencil_2d(u, weights, height, width):
    v = u.copy()
    if height > 2 and width > 2:
        inside = v[1:-1, 1:-1]
        inside[:] = 0
        for i in range(3):
            for j in range(3):
                inside += weights[3 * i + j] * u[i : height - 2 + i, j : width - 2 + j]
    return v
