import { expect, it } from 'vitest';
import { loadAddon } from '../../lib/backend/addon.ts';
import { cudaInfo } from '../../lib/backend/cuda.ts';
import { openBackend } from '../../lib/backend/open.ts';
import { cudaAddonBuilt } from '../../scripts/cuda.js';
import { describeUnless } from '../support/backends.ts';
import { describeDeviceRows } from '../support/device-rows-suite.ts';

describeUnless(cudaAddonBuilt() ? undefined : 'the CUDA addon is not built', 'the CUDA addon', () => {
  it("loads, and has a device or tells in the driver's words why not", async () => {
    const { available, reason, runtime } = cudaInfo();
    expect(runtime).toMatch(/^\d+\.\d+$/);
    if (available) return;
    expect(reason).toMatch(/^no CUDA device: .{10}/);
    await expect(openBackend('cuda')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: `backend 'cuda': ${reason}`,
    });
  });
});

describeUnless(cudaInfo().available ? undefined : cudaInfo().reason, 'order and weights on cuda', () => {
  describeDeviceRows(() => openBackend('cuda'));
});

it.skipIf(cudaInfo().available || loadAddon() === null)(
  "'auto' takes the CPU where there is no CUDA device",
  async () => {
    const backend = await openBackend('auto', { threads: 1 });
    expect(backend.name).toBe('cpu');
    backend.dispose();
  },
);
