"""A convolution by cuDNN, without TF32, into a copy whose border stays. The star is a cube with zeros in it, for want of a star."""

PLACES = (13, 4, 22, 10, 16, 12, 14)  # of the weights in a cube of 3 x 3 x 3


def stencil_3d(torch, u, weights, depth, height, width):
    v = u.clone()
    if min(depth, height, width) > 2:
        cube = torch.zeros(27, dtype=u.dtype, device=u.device)
        cube[list(PLACES)] = weights
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            v[1:-1, 1:-1, 1:-1] = torch.nn.functional.conv3d(u[None, None], cube.view(1, 1, 3, 3, 3))[0, 0]
    return v
