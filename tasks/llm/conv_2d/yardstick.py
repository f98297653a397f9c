"""cuDNN's convolution, in float32 proper."""


def conv_2d(torch, x, w, batch, inputs, outputs, height, width, window):
    with torch.backends.cudnn.flags(allow_tf32=False):  # which is on for convolutions unless told otherwise
        return torch.nn.functional.conv2d(x, w)
