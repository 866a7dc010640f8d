import { Bench } from 'tinybench';
import { median } from './statistics.ts';

/**
 * Median wall seconds of each task. One round runs every task once, so that a noisy minute falls on all of them alike.
 */
export async function interleaved<K extends string>(
  repeats: number,
  tasks: Record<K, () => Promise<unknown>>,
): Promise<Record<K, number>> {
  const names = Object.keys(tasks) as K[];
  const samples = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<K, number[]>;
  for (const name of names) await tasks[name]();
  for (let round = 0; round < repeats; round++) {
    const bench = new Bench({ iterations: 1, time: 0, warmup: false });
    for (const name of names) bench.add(name, tasks[name], { async: true }); // else each is called once more to find out
    for (const task of await bench.run()) {
      if (task.result.state !== 'completed') throw new Error(`${task.name}: ${describeFailure(task.result)}`);
      samples[task.name as K].push(task.result.latency.mean / 1000);
    }
  }
  return Object.fromEntries(names.map((name) => [name, median(samples[name])])) as Record<K, number>;
}

function describeFailure(result: object): string {
  return 'error' in result ? String(result.error) : 'did not complete';
}
