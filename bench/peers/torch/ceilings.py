"""What the machine gives at most: products in float32 and bfloat16, and memory bandwidth."""

import time

import torch

FLOATS = 64 << 20
REPEATS = 5


def ceilings(job):
    """Runs of this job answer [best float32 product, best bfloat16 product] in FLOP/s and [add, dot] in B/s."""
    x, y = torch.randn(FLOATS), torch.randn(FLOATS)

    def run():
        rates = [max(product_rate(dtype, *shape) for shape in job["products"]) for dtype in (torch.float32, torch.bfloat16)]
        add = 3 * 4 * FLOATS / best_seconds(lambda: torch.add(x, y, out=y))
        dot = 2 * 4 * FLOATS / best_seconds(lambda: torch.dot(x, y))
        return [*rates, add, dot]

    return run


def product_rate(dtype, m, n, k):
    a, b, out = torch.randn(m, k).to(dtype), torch.randn(n, k).to(dtype), torch.empty(m, n, dtype=dtype)
    return 2 * m * n * k / best_seconds(lambda: torch.mm(a, b.t(), out=out))


def best_seconds(call):
    wait = torch.cuda.synchronize if torch.get_default_device().type == "cuda" else lambda: None
    call()
    seconds = []
    for _ in range(REPEATS):
        wait()
        start = time.perf_counter()
        call()
        wait()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


JOBS = {"ceilings": ceilings}
