"""A scorer trained in plain PyTorch on what bench/scorer.ts wrote: python scorer.py JOB.json

The job names the initial rater's directory and holds rows, targets, the places of every batch and the learning rate of
every step. Prints, as JSON, Spearman's correlation on the held-out rows by step.
"""

import json
import os
import sys

import numpy
import torch
import torch.nn as nn
import torch.nn.functional as F

import decoder


class Scorer(nn.Module):
    """ids [batch, time] and lengths [batch] to a score a row: mean of the valid last hidden states, then a linear head."""

    def __init__(self, config, time):
        super().__init__()
        self.model = decoder.Body(config, "math")
        self.score_head = nn.Linear(config["hidden_size"], 1, bias=config["bias"])
        self.cos, self.sin = decoder.rotary_tables(config, time)
        self.causal = config["causal"]

    def forward(self, ids, lengths):
        time = ids.shape[1]
        valid = torch.arange(time) < lengths[:, None]
        hidden_from = ~valid[:, None, None, :]
        if self.causal:
            hidden_from = hidden_from | torch.ones(time, time, dtype=torch.bool).triu(1)
        x = self.model.embed_tokens(ids)
        for layer in self.model.layers:
            x = layer(x, self.cos[:time], self.sin[:time], hidden_from)
        x = self.model.norm(x)
        pooled = (x * valid[..., None]).sum(1) / lengths[:, None]
        return self.score_head(pooled).squeeze(1)


def train(job):
    torch.set_num_threads(job["threads"])
    with open(os.path.join(job["model"], "config.json")) as file:
        config = json.load(file)
    rows = [torch.tensor(row) for row in job["rows"]]
    scorer = Scorer(config, max(len(row) for row in rows))
    decoder.read_safetensors(os.path.join(job["model"], "model.safetensors"), dict(scorer.named_parameters()))
    targets = torch.tensor(job["targets"], dtype=torch.float32)
    settings = job["optimizer"]
    optimizer = torch.optim.AdamW(scorer.parameters(), lr=0.0, weight_decay=settings["weightDecay"])

    def score(places):
        chosen = [rows[place] for place in places]
        lengths = torch.tensor([len(row) for row in chosen])
        return scorer(nn.utils.rnn.pad_sequence(chosen, batch_first=True), lengths)

    measured, losses = {}, []
    for step, (places, rate) in enumerate(zip(job["batches"], job["rates"]), 1):
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        loss = F.mse_loss(score(places), targets[places])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(scorer.parameters(), settings["clipNorm"])
        optimizer.step()
        losses.append(loss.item())
        if step in job["measured"]:
            held_out = job["heldOut"]
            with torch.no_grad():
                predicted = torch.cat([score(held_out[i : i + 64]) for i in range(0, len(held_out), 64)])
            measured[step] = spearman(predicted.numpy(), numpy.array([job["scores"][place] for place in held_out]))
            print(f"PyTorch: step {step}, Spearman {measured[step]:.4f}", file=sys.stderr, flush=True)
    return {"spearman": measured, "losses": losses}


def spearman(a, b):
    """Pearson's correlation of ranks, tied values sharing their mean rank."""
    return float(numpy.corrcoef(ranks(a), ranks(b))[0, 1])


def ranks(values):
    _, inverse, counts = numpy.unique(values, return_inverse=True, return_counts=True)
    last = numpy.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        print(json.dumps(train(json.load(file))))
