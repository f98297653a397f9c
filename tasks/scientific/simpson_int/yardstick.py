"""No library has this integral: a composition of torch's elementwise operations and a sum, in float."""


def simpson(torch, samples, bounds, waves, integrals, panels):
    (a, b), (w, p) = bounds.float().split(1, dim=1), waves.float().split(1, dim=1)
    step = (b - a) / (2 * panels)
    index = torch.arange(2 * panels + 1, device=samples.device)
    weight = torch.where(index % 2 == 1, 4.0, 2.0)
    weight[0] = weight[-1] = 1.0
    return (samples * torch.cos(w * (a + step * index) + p) * weight).sum(dim=1) * step[:, 0] / 3
