"""PyTorch's mse_loss, of float32, as automatic mixed precision has it."""


def mse_loss(torch, prediction, target, n):
    return torch.nn.functional.mse_loss(prediction.float(), target.float()).reshape(1)
