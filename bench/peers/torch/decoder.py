"""A LLaMA-style decoder in plain PyTorch, with the tensor names of Hugging Face checkpoints.

Attention has two forms: "sdpa" is F.scaled_dot_product_attention, the fused kernel; "math" spells the products out, for
forward-mode and double differentiation, which the fused CPU kernel does not have.
"""

import json
import math
import os
import struct

import torch
import torch.nn as nn
import torch.nn.functional as F


class RmsNorm(nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(size))
        self.eps = eps

    def normalized(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps)

    def forward(self, x):
        return self.normalized(x) * self.weight


class Attention(nn.Module):
    def __init__(self, config, form):
        super().__init__()
        hidden, self.heads = config["hidden_size"], config["num_attention_heads"]
        self.head_dim, self.form = hidden // self.heads, form
        self.q_proj = nn.Linear(hidden, hidden, bias=False)
        self.k_proj = nn.Linear(hidden, hidden, bias=False)
        self.v_proj = nn.Linear(hidden, hidden, bias=False)
        self.o_proj = nn.Linear(hidden, hidden, bias=False)

    def forward(self, x, cos, sin, hidden_from):
        batch, time, _ = x.shape
        split = lambda y: y.view(batch, time, self.heads, self.head_dim).transpose(1, 2)
        q, k, v = split(self.q_proj(x)), split(self.k_proj(x)), split(self.v_proj(x))
        q, k = rotate(q, cos, sin).to(v.dtype), rotate(k, cos, sin).to(v.dtype)
        if self.form == "sdpa":
            out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            scores = (q @ k.transpose(-1, -2)) / math.sqrt(self.head_dim)
            out = scores.masked_fill(hidden_from, float("-inf")).softmax(-1) @ v
        return self.o_proj(out.transpose(1, 2).reshape(batch, time, -1))


class Mlp(nn.Module):
    def __init__(self, config):
        super().__init__()
        hidden, intermediate = config["hidden_size"], config["intermediate_size"]
        self.gate_proj = nn.Linear(hidden, intermediate, bias=False)
        self.up_proj = nn.Linear(hidden, intermediate, bias=False)
        self.down_proj = nn.Linear(intermediate, hidden, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, config, form):
        super().__init__()
        self.input_layernorm = RmsNorm(config["hidden_size"], config["rms_norm_eps"])
        self.self_attn = Attention(config, form)
        self.post_attention_layernorm = RmsNorm(config["hidden_size"], config["rms_norm_eps"])
        self.mlp = Mlp(config)

    def forward(self, x, cos, sin, hidden_from):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, hidden_from)
        return x + self.mlp(self.post_attention_layernorm(x))


class Body(nn.Module):
    def __init__(self, config, form):
        super().__init__()
        self.embed_tokens = nn.Embedding(config["vocab_size"], config["hidden_size"])
        self.layers = nn.ModuleList(Layer(config, form) for _ in range(config["num_hidden_layers"]))
        self.norm = RmsNorm(config["hidden_size"], config["rms_norm_eps"])


class SampleLosses(nn.Module):
    """ids [batch, time + 1] to the mean cross-entropy of each row's `time` predictions [batch]."""

    def __init__(self, config, time, form):
        super().__init__()
        self.model = Body(config, form)
        self.lm_head = nn.Linear(config["hidden_size"], config["vocab_size"], bias=False)
        cos, sin = rotary_tables(config, time)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self.register_buffer("hidden_from", torch.ones(time, time, dtype=torch.bool).triu(1), persistent=False)

    def forward(self, ids):
        x = self.model.embed_tokens(ids[:, :-1])
        for layer in self.model.layers:
            x = layer(x, self.cos, self.sin, self.hidden_from)
        logits = self.lm_head(self.model.norm(x))
        labels = ids[:, 1:]
        losses = F.cross_entropy(logits.reshape(labels.numel(), -1), labels.reshape(-1), reduction="none")
        return losses.view(labels.shape).mean(1)


def rotary_tables(config, time):
    dim = config["hidden_size"] // config["num_attention_heads"]
    frequencies = 10000.0 ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    angles = torch.outer(torch.arange(time, dtype=torch.float64), frequencies)
    angles = torch.cat([angles, angles], -1)
    return angles.cos().float(), angles.sin().float()


def rotate(x, cos, sin):
    half = x.shape[-1] // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin


def load(job, form):
    """The job's checkpoint as SampleLosses, with the rows of its batch [batch, time + 1]."""
    with open(os.path.join(job["model"], "config.json")) as file:
        config = json.load(file)
    ids = torch.tensor(job["ids"])
    losses = SampleLosses(config, ids.shape[1] - 1, form)
    read_safetensors(os.path.join(job["model"], "model.safetensors"), dict(losses.named_parameters()))
    return losses, ids


def read_safetensors(path, parameters):
    """Fills parameters in place, so that reading leaves no mark on the process' peak memory."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        if header.keys() != parameters.keys():
            raise ValueError(f"{path}: other tensors than the model's: {sorted(header.keys() ^ parameters.keys())[:4]}")
        for name, entry in header.items():
            values = parameters[name].detach()
            if entry["dtype"] != "F32" or list(values.shape) != entry["shape"]:
                raise ValueError(f"{path}: {name} is {entry['dtype']} {entry['shape']}, expected F32 {list(values.shape)}")
            file.seek(8 + length + entry["data_offsets"][0])
            if values.device.type == "cpu":
                file.readinto(values.view(-1).numpy().data)
            else:
                numbers = torch.empty(values.shape, device="cpu")
                file.readinto(numbers.view(-1).numpy().data)
                values.copy_(numbers)


def copies(losses):
    """A parameter-space vector equal to the parameters, by name."""
    return {name: p.detach().clone() for name, p in losses.named_parameters()}
