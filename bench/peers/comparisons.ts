import type { Workload } from '../workloads.ts';

/** One job of ours beside those of PyTorch (or NumPy) that do the same work. */
export interface Comparison {
  /** Comparisons of one kind, as --rows chooses them. */
  row: 'P1' | 'P2' | 'P3' | 'P4' | 'P5' | 'P6' | 'G1' | 'G2' | 'G3' | 'G4';
  what: string;
  /** What both sides are given. */
  input: { workload: Workload; innerSteps?: number } | { scores: number };
  ours: string;
  peers: Peer[];
}

export interface Peer {
  name: string;
  job: string;
  /** At least so many times faster is what we want to be. */
  speed?: number;
  /** At most so many seconds is what we want to take. */
  seconds?: number;
  /** At most this share of the peer's peak memory. */
  memory?: number;
  /** Takes minutes before the first repetition. */
  slowStart?: boolean;
  /** Our own job of that name, not the peer's. */
  own?: boolean;
}

/** Training, per-sample statistics, Hessian products and meta steps of one workload. */
export function modelComparisons(workload: Workload): Comparison[] {
  const named = (what: string) => `${workload.name} ${what}`;
  const input = { workload };
  // Hessian products of the large workload on half the rows: PyTorch's take above 20 GB on all of them.
  const halved = { workload: workload.name === 'm160' ? { ...workload, batch: workload.batch / 2 } : workload };
  // Meta steps of the large one on rows of a quarter of the length, for the same reason.
  const shortened = workload.name === 'm160' ? { ...workload, time: workload.time / 4 } : workload;
  return [
    ...(['f32', 'bf16'] as const).map((precision) => ({
      row: 'P1' as const,
      what: named(`training step, ${precision}`),
      input,
      ours: `step-${precision}`,
      peers: [
        { name: 'PyTorch eager', job: `step-${precision}-eager`, speed: 1.5, memory: 0.6 },
        { name: 'PyTorch compiled', job: `step-${precision}-compiled`, speed: 1.5, memory: 0.6, slowStart: true },
      ],
    })),
    {
      row: 'P2',
      what: named('norms + 2 dots + gradient'),
      input,
      ours: 'per-sample',
      peers: [
        { name: 'our forward-backward', job: 'forward-backward', own: true, speed: 1 / 1.05 },
        { name: 'PyTorch vmap', job: 'per-sample-vmap', speed: 1.8 },
        { name: 'PyTorch, loop over samples', job: 'per-sample-loop', speed: 1.4, memory: 0.5 },
        { name: 'PyTorch, hooks', job: 'per-sample-hooks' },
      ],
    },
    {
      row: 'P3',
      what: named('Hessian product + JVP'),
      input: halved,
      ours: 'hvp',
      peers: [
        { name: 'our forward-backward', job: 'forward-backward', own: true, speed: 1 / 2.85 },
        { name: 'PyTorch, forward over reverse', job: 'hvp-forward-over-reverse', speed: 2, memory: 0.25 },
        { name: 'PyTorch, double backward', job: 'hvp-double-backward', speed: 2, memory: 0.25 },
      ],
    },
    ...(['SGD', 'AdamW'] as const).map((optimizer) => ({
      row: 'P4' as const,
      what: named(`meta step T = 2, ${optimizer}`),
      input: { workload: shortened, innerSteps: 2 },
      ours: `meta-${optimizer.toLowerCase()}`,
      peers: [
        { name: 'our forward-backward', job: 'forward-backward', own: true },
        { name: 'PyTorch, double backward', job: `meta-${optimizer.toLowerCase()}`, speed: 1.8, memory: 0.2 },
      ],
    })),
  ];
}

/** The same on a GPU, where other figures are wanted. */
export function deviceComparisons(workload: Workload): Comparison[] {
  const named = (what: string) => `${workload.name} ${workload.batch} × ${workload.time} ${what}`;
  const input = { workload };
  return [
    {
      row: 'G1',
      what: named('training step, bf16'),
      input,
      ours: 'step-bf16',
      peers: [
        { name: 'PyTorch eager', job: 'step-bf16-eager' },
        { name: 'PyTorch compiled', job: 'step-bf16-compiled', speed: 1.2, slowStart: true },
      ],
    },
    {
      row: 'G2',
      what: named('norms + 2 dots + gradient'),
      input,
      ours: 'per-sample',
      peers: [
        { name: 'our forward-backward', job: 'forward-backward', own: true, speed: 1 / 1.15 },
        { name: 'PyTorch vmap', job: 'per-sample-vmap', speed: 3 },
      ],
    },
    {
      row: 'G3',
      what: named('Hessian product + JVP'),
      input,
      ours: 'hvp',
      peers: [
        { name: 'our forward-backward', job: 'forward-backward', own: true, speed: 1 / 2.95 },
        { name: 'PyTorch, forward over reverse', job: 'hvp-forward-over-reverse', speed: 1.8 },
        { name: 'PyTorch, double backward', job: 'hvp-double-backward', speed: 1.8 },
      ],
    },
    {
      row: 'G3',
      what: named('meta step T = 2, AdamW'),
      input: { workload: { ...workload, time: workload.time / 4 }, innerSteps: 2 },
      ours: 'meta-adamw',
      peers: [{ name: 'PyTorch, double backward', job: 'meta-adamw', speed: 1.8 }],
    },
  ];
}

/** Sorting and folding of so many scores by a GPU: what the device takes, and with the way there and back. */
export function deviceScoreComparisons(rows: number): Comparison[] {
  const named = (what: string) => `argsort + fold, ${rows.toExponential(0)}, ${what}`;
  const input = { scores: rows };
  return [
    {
      row: 'G4',
      what: named('on the device'),
      input,
      ours: 'fold-device',
      peers: [{ name: 'PyTorch stable', job: 'fold-torch-device', seconds: 0.5 }],
    },
    {
      row: 'G4',
      what: named('there and back'),
      input,
      ours: 'fold-there-and-back',
      peers: [{ name: 'PyTorch stable', job: 'fold-torch-there-and-back' }],
    },
  ];
}

/** Sorting and folding of so many scores, and softmax over `softmax` of them. */
export function scoreComparisons(fold: number[], softmax: number): Comparison[] {
  return [
    ...fold.map((rows): Comparison => ({
      row: 'P5',
      what: `argsort + fold, ${rows.toExponential(0)}`,
      input: { scores: rows },
      ours: 'fold',
      peers: [
        { name: 'NumPy stable', job: 'fold-numpy', speed: rows >= 5e7 ? 15 : undefined },
        { name: 'PyTorch stable', job: 'fold-torch' },
      ],
    })),
    {
      row: 'P6',
      what: `softmax weights, ${softmax.toExponential(0)}`,
      input: { scores: softmax },
      ours: 'softmax',
      peers: [
        { name: 'NumPy', job: 'softmax-numpy' },
        { name: 'PyTorch', job: 'softmax-torch' },
      ],
    },
  ];
}
