"""Training steps (forward, backward, fused AdamW) and the plain forward-backward pass."""

import contextlib

import torch

import decoder


def step(precision, compiled):
    """bf16 is autocast; parameters and optimizer state stay float32. The optimizer is not compiled."""

    def prepare(job):
        losses, ids = decoder.load(job, "sdpa")
        optimizer = torch.optim.AdamW(losses.parameters(), lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
        function = torch.compile(losses, dynamic=False) if compiled else losses
        half = precision == "bf16"
        context = (lambda: torch.autocast(job["device"], dtype=torch.bfloat16)) if half else contextlib.nullcontext

        def run():
            optimizer.zero_grad(set_to_none=True)
            with context():
                loss = function(ids).mean()
            loss.backward()
            optimizer.step()
            return [loss.item()]

        return run

    return prepare


def forward_backward(job):
    losses, ids = decoder.load(job, "sdpa")

    def run():
        losses.zero_grad(set_to_none=True)
        loss = losses(ids).mean()
        loss.backward()
        return [loss.item()]

    return run


JOBS = {
    "forward-backward": forward_backward,
    "step-f32-eager": step("f32", False),
    "step-f32-compiled": step("f32", True),
    "step-bf16-eager": step("bf16", False),
    "step-bf16-compiled": step("bf16", True),
}
