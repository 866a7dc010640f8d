"""Derivatives of a held-out loss by the scores that weighted the rows of two optimizer steps: autograd keeps the graph of
both steps, gradients included, and goes back through it (reverse over reverse)."""

import torch
from torch.func import functional_call

import decoder

BETAS, EPS, WEIGHT_DECAY, UPDATES_BEFORE = (0.9, 0.95), 1e-8, 0.1, 10


class Sgd:
    LR = 0.1

    def __init__(self, parameters):
        pass

    def step(self, t, parameters, gradients):
        return [p - self.LR * g for p, g in zip(parameters, gradients)]


class AdamW:
    LR = 1e-3

    def __init__(self, parameters):
        self.m = [0.01 * p.detach() for p in parameters]
        self.v = [torch.full_like(p, 1e-6) for p in parameters]

    def step(self, t, parameters, gradients):
        first, second = BETAS
        count = UPDATES_BEFORE + t + 1
        m, v = (self.m, self.v) if t == 0 else self.last
        m = [first * a + (1 - first) * g for a, g in zip(m, gradients)]
        v = [second * a + (1 - second) * g * g for a, g in zip(v, gradients)]
        self.last = m, v
        rate, spread = self.LR / (1 - first**count), 1 / (1 - second**count)
        decay = 1 - self.LR * WEIGHT_DECAY
        return [decay * p - rate * a / ((spread * b).sqrt() + EPS) for p, a, b in zip(parameters, m, v)]


def meta_step(kind):
    def prepare(job):
        losses, outer = decoder.load(job, "math")
        inner = [torch.tensor(ids) for ids in job["inner"]]
        names, given = zip(*losses.named_parameters())
        optimizer = kind(given)

        def run():
            rows = [torch.arange(len(ids), dtype=torch.float64) for ids in inner]
            scores = [torch.sin(5 * t + 2 * i).float().requires_grad_() for t, i in enumerate(rows)]
            parameters = given
            for t, ids in enumerate(inner):
                each = functional_call(losses, dict(zip(names, parameters)), (ids,))
                loss = torch.dot(torch.softmax(scores[t], 0), each)
                gradients = torch.autograd.grad(loss, parameters, create_graph=True)
                parameters = optimizer.step(t, parameters, gradients)
                del each, loss, gradients
            held_out = functional_call(losses, dict(zip(names, parameters)), (outer,)).mean()
            derivatives = torch.autograd.grad(held_out, scores)
            optimizer.last = None
            return [value for part in derivatives for value in part.tolist()]

        return run

    return prepare


JOBS = {"meta-sgd": meta_step(Sgd), "meta-adamw": meta_step(AdamW)}
