"""cuDNN's convolution, in float32 proper."""


def conv_1d(torch, x, w, n, taps):
    with torch.backends.cudnn.flags(allow_tf32=False):  # which is on for convolutions unless told otherwise
        return torch.nn.functional.conv1d(x[None, None], w[None, None])[0, 0]
