"""One job in a process of its own, driven line by line (bench/peers/process.ts has the other end).

The first line of standard input is the job as JSON. The job is prepared and run once; the reply carries the answer of
that run. Every further line runs it once more and is answered with the seconds that took and the peak memory so far.
"""

import json
import sys
import time

import torch

import ceilings
import hessian
import meta
import order
import per_sample
import training

JOBS = {**training.JOBS, **per_sample.JOBS, **hessian.JOBS, **meta.JOBS, **order.JOBS, **ceilings.JOBS}


def peak_bytes(device):
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))


def reply(message):
    print(json.dumps(message), flush=True)


def main():
    job = json.loads(sys.stdin.readline())
    torch.set_num_threads(job["threads"])
    torch.set_default_device(job["device"])
    run = JOBS[job["name"]](job)
    reply({"answer": run()})
    for _ in sys.stdin:
        start = time.perf_counter()
        run()
        if job["device"] == "cuda":
            torch.cuda.synchronize()
        reply({"seconds": time.perf_counter() - start, "peakBytes": peak_bytes(job["device"])})


main()
