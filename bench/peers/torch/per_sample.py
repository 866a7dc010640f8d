"""Norms of the sample gradients, their dot products with two vectors, and their mean, in three usual ways."""

import torch
import torch.nn as nn
from torch.func import functional_call, grad, vmap

import decoder


class Statistics:
    """Squared norms [batch], dots [batch, 2] and the mean gradient, from sample gradients tensor by tensor."""

    def __init__(self, batch, vectors):
        self.batch, self.vectors = batch, vectors
        self.squares = torch.zeros(batch, dtype=torch.float64)
        self.dots = torch.zeros(batch, 2, dtype=torch.float64)

    def add(self, name, gradients, first=0):
        """gradients [samples, ...] of samples first, first + 1, ..."""
        rows = gradients.reshape(gradients.shape[0], -1)
        samples = slice(first, first + rows.shape[0])
        self.squares[samples] += torch.linalg.vector_norm(rows, dim=1).double().square()
        for k, vector in enumerate(self.vectors):
            self.dots[samples, k] += (rows @ vector[name].reshape(-1)).double()

    def answer(self):
        return [*self.squares.sqrt().tolist(), *self.dots[:, 0].tolist()]


def prepared(form, way):
    def prepare(job):
        losses, ids = decoder.load(job, form)
        vectors = [decoder.copies(losses), decoder.copies(losses)]

        def run():
            statistics = Statistics(ids.shape[0], vectors)
            way(losses, ids, statistics)
            return statistics.answer()

        return run

    return prepare


def by_vmap(losses, ids, statistics):
    """vmap of grad: all sample gradients at once."""
    parameters = {name: p.detach() for name, p in losses.named_parameters()}
    one = grad(lambda p, row: functional_call(losses, p, (row[None],))[0])
    gradients = vmap(one, in_dims=(None, 0))(parameters, ids)
    for name, rows in gradients.items():
        statistics.add(name, rows)
    return {name: rows.mean(0) for name, rows in gradients.items()}


def by_loop(losses, ids, statistics):
    """One backward pass a sample."""
    names, parameters = zip(*losses.named_parameters())
    mean = [torch.zeros_like(p) for p in parameters]
    for i in range(ids.shape[0]):
        gradients = torch.autograd.grad(losses(ids[i : i + 1])[0], parameters)
        for name, gradient, total in zip(names, gradients, mean):
            statistics.add(name, gradient[None], i)
            total.add_(gradient, alpha=1 / ids.shape[0])
    return mean


def by_hooks(losses, ids, statistics):
    """Hooks form each layer's sample gradients from its input and output gradient (Opacus' way); autograd sums them."""
    batch = ids.shape[0]

    def on_gradient(name, module, x, g):
        if isinstance(module, nn.Linear):
            gradients = torch.einsum("bti,btj->bij", g, x)
        elif isinstance(module, nn.Embedding):
            gradients = torch.zeros(batch, *module.weight.shape)
            gradients.scatter_add_(1, x.unsqueeze(-1).expand(-1, -1, g.shape[-1]), g)
        else:
            gradients = torch.einsum("bti,bti->bi", g, module.normalized(x))
        kept[name] = gradients.mul_(batch)  # of the mean loss

    def on_forward(name):
        def hook(module, inputs, out):
            x = inputs[0].detach()
            out.register_hook(lambda g: on_gradient(name, module, x, g))

        return hook

    layers = (nn.Linear, nn.Embedding, decoder.RmsNorm)
    kept = {}
    handles = [
        module.register_forward_hook(on_forward(f"{name}.weight"))
        for name, module in losses.named_modules()
        if isinstance(module, layers)
    ]
    losses.zero_grad(set_to_none=True)
    losses(ids).mean().backward()
    for handle in handles:
        handle.remove()
    for name, gradients in kept.items():
        statistics.add(name, gradients)


JOBS = {
    "per-sample-vmap": prepared("math", by_vmap),
    "per-sample-loop": prepared("sdpa", by_loop),
    "per-sample-hooks": prepared("sdpa", by_hooks),
}
