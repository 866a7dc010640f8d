"""Folding (stable sort, then every third row, three times) and softmax over float32 scores."""

import numpy
import torch

LAYERS = 3


def scores_of(job):
    return numpy.fromfile(job["scores"], dtype=numpy.float32)


def numpy_fold(job):
    scores = scores_of(job)

    def run():
        order = numpy.argsort(scores, kind="stable")
        return sampled(numpy.concatenate([order[layer::LAYERS] for layer in range(LAYERS)]))

    return run


def torch_fold(job):
    scores = torch.from_numpy(scores_of(job))
    return lambda: sampled(folded(scores))


def torch_device_fold(job):
    scores = torch.from_numpy(scores_of(job)).to(job["device"])
    return lambda: sampled(folded(scores))


def torch_transferred_fold(job):
    scores = torch.from_numpy(scores_of(job))
    return lambda: sampled(folded(scores.to(job["device"])).cpu())


def folded(scores):
    order = torch.argsort(scores, stable=True)
    return torch.cat([order[layer::LAYERS] for layer in range(LAYERS)])


def numpy_softmax(job):
    scores = scores_of(job)

    def run():
        weights = numpy.subtract(scores, scores.max())
        numpy.exp(weights, out=weights)
        weights /= weights.sum()
        return sampled(weights)

    return run


def torch_softmax(job):
    scores = torch.from_numpy(scores_of(job))
    return lambda: sampled(torch.softmax(scores, 0))


def sampled(values):
    """Eight values at even distances: enough to see that two sides agree."""
    step = len(values) // 8
    return [float(values[i * step]) for i in range(8)]


JOBS = {
    "fold-numpy": numpy_fold,
    "fold-torch": torch_fold,
    "fold-torch-device": torch_device_fold,
    "fold-torch-there-and-back": torch_transferred_fold,
    "softmax-numpy": numpy_softmax,
    "softmax-torch": torch_softmax,
}
