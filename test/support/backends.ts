import { describe, it } from 'vitest';
import { availableBackends, openBackend } from '../../lib/backend/open.ts';
import type { Backend, BackendName } from '../../lib/backend/types.ts';

/** How far a backend's results may lie from exact ones, as ‖a − b‖ / ‖b‖. */
export interface Tolerance {
  value: number;
  /** Hessian products. */
  hvp: number;
}

export interface TestedBackend {
  name: BackendName;
  available: boolean;
  /** Why it is not available. */
  reason?: string;
  tolerance: Tolerance;
  open: () => Promise<Backend>;
}

const TOLERANCES: Record<BackendName, Tolerance> = {
  reference: { value: 1e-10, hvp: 1e-10 },
  cpu: { value: 2e-5, hvp: 1e-4 },
  cuda: { value: 2e-5, hvp: 1e-4 },
};

export const TESTED_BACKENDS: TestedBackend[] = availableBackends().map(({ name, available, reason }) => ({
  name,
  available,
  reason,
  tolerance: TOLERANCES[name],
  open: () => openBackend(name),
}));

/** A suite on every backend. */
export function describeBackends(title: string, suite: (tested: TestedBackend) => void): void {
  for (const tested of TESTED_BACKENDS) {
    describeUnless(
      tested.available ? undefined : (tested.reason ?? 'not available'),
      `${title} on ${tested.name}`,
      () => suite(tested),
    );
  }
}

/** A suite, or one skipped test whose title gives the reason: a backend or processor that this machine lacks. */
export function describeUnless(reason: string | undefined, title: string, suite: () => void): void {
  if (reason === undefined) describe(title, suite);
  else it.skip(`${title}: ${reason}`, () => undefined);
}
