"""A convolution by cuDNN, without TF32, into a copy whose border stays."""


def stencil_2d(torch, u, weights, height, width):
    v = u.clone()
    if height > 2 and width > 2:
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            v[1:-1, 1:-1] = torch.nn.functional.conv2d(u[None, None], weights.view(1, 1, 3, 3))[0, 0]
    return v
