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
  tolerance: Tolerance;
  open: () => Promise<Backend>;
}

const TOLERANCES: Record<BackendName, Tolerance> = {
  reference: { value: 1e-10, hvp: 1e-10 },
  cpu: { value: 2e-5, hvp: 1e-4 },
  cuda: { value: 2e-5, hvp: 1e-4 },
};

export const TESTED_BACKENDS: TestedBackend[] = availableBackends().map(({ name, available }) => ({
  name,
  available,
  tolerance: TOLERANCES[name],
  open: () => openBackend(name),
}));
