"""The Hessian of the mean loss times a vector (the parameters themselves), in the two ways PyTorch has."""

import torch
from torch.func import functional_call, grad, jvp

import decoder


def forward_over_reverse(job):
    """jvp of grad; gives each sample's directional derivative as well."""
    losses, ids = decoder.load(job, "math")
    vector = decoder.copies(losses)

    def mean_and_each(parameters):
        each = functional_call(losses, parameters, (ids,))
        return each.mean(), each

    def run():
        parameters = {name: p.detach() for name, p in losses.named_parameters()}
        _, (product, derivatives) = jvp(grad(mean_and_each, has_aux=True), (parameters,), (vector,))
        return answer(product.values(), vector.values(), derivatives)

    return run


def double_backward(job):
    """The gradient of (gradient . v); the directional derivatives of the samples would take a pass more."""
    losses, ids = decoder.load(job, "math")
    names, parameters = zip(*losses.named_parameters())
    copies = decoder.copies(losses)
    vector = [copies[name] for name in names]

    def run():
        gradient = torch.autograd.grad(losses(ids).mean(), parameters, create_graph=True)
        product = torch.autograd.grad(gradient, parameters, grad_outputs=vector)
        return answer(product, vector)

    return run


def answer(product, vector, derivatives=None):
    curvature = sum(float(torch.sum(p * v, dtype=torch.float64)) for p, v in zip(product, vector))
    return [curvature] + ([] if derivatives is None else derivatives.tolist())


JOBS = {"hvp-forward-over-reverse": forward_over_reverse, "hvp-double-backward": double_backward}
