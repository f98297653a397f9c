"""No library integrates given points: a composition of torch's elementwise operations and sums, in float."""


def estimates(torch, points, centres, scales, integrals, samples, dims):
    apart = (points.float() - centres.float()[:, None, :]) * scales.float()[:, None, :]
    return 2.0**dims * torch.exp(-(apart * apart).sum(dim=2)).mean(dim=1)
