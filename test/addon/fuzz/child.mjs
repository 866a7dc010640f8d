// The process that the fuzzer may crash. Arguments: the compiled library; public, addon or both; the
// seed; calls to make at most; seconds at most.
// Writes every call to file descriptor 3 before it makes it; in the end, to standard output, how many it made and the errors
// that were not of their kind.
/* global performance */
import assert from 'node:assert/strict';
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Choices, oddValue, OWN, shown, spoiled } from './choices.mjs';
import { PUBLIC_CALLS } from './public-calls.mjs';
import { Recorder } from './recorder.mjs';
import { World } from './world.mjs';

const [library, level, seed, mostCalls, seconds] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(join(library, path)).href);
const gradfold = await load('index.js');
const { loadAddon } = await load('backend/addon.js');
const { randomUint32 } = await load('random.js');

/** Calls between two looks at whether the process still computes what it did at first. */
const BETWEEN_CHECKS = 50;
const BETWEEN_WORLDS = 400;
const MOST_PENDING = 6;

const choices = new Choices(randomUint32, Number(seed));
const addon = loadAddon();
assert(addon, 'the CPU addon is not built: npm run build:cpu');
const witness = await Witness();
const recorder = new Recorder(addon);
const world = new World(gradfold, choices);
const names = Object.keys(PUBLIC_CALLS);
const pending = [];
let index = 0;

/** A model that no call touches, and what it computes. */
async function Witness() {
  const world = new World(gradfold, new Choices(randomUint32, 0));
  await world.open();
  const [model] = world.models;
  const batch = gradfold.collate([{ inputIds: [1, 2, 3, 4, 5] }]);
  const compute = async () => {
    const { losses, norms } = await model.perSample(batch, { norms: true });
    return [...losses, ...norms, ...gradfold.foldOrder(Float32Array.from({ length: 2500 }, (_, i) => Math.cos(i)))];
  };
  const expected = await compute();
  return async () => assert.deepEqual(await compute(), expected, 'the process no longer computes what it did');
}

const LEVELS = {
  /** Everything that a caller of the library did wrong has a code; a hostile getter's own error passes through. */
  public: (error) => error === OWN || error instanceof gradfold.GradfoldError,
  /** The addon itself throws errors of any kind. */
  addon: (error) => error instanceof Error,
};

/** The result of a call that must end in a value or in an error of its level. */
async function judged(judge, name, result, keep) {
  const at = index;
  let value;
  try {
    value = await result();
  } catch (error) {
    if (judge(error)) return;
    report(at, name, error);
    return;
  }
  keep?.(value);
}

/** The distinct errors that no call should end in: how often, and the first of them. */
const unexpected = new Map();

function report(at, call, error) {
  const text = error instanceof Error ? (error.stack ?? String(error)) : shown(error);
  const [message, place] = text.split('\n');
  const key = `${call} ${message} ${place}`;
  const seen = unexpected.get(key) ?? { count: 0, index: at, call, text };
  seen.count++;
  unexpected.set(key, seen);
}

function announced(where, name, args) {
  writeSync(3, `${index} ${where} ${name}(${args.map((arg) => shown(arg)).join(', ')})\n`);
}

function publicCall() {
  let name = choices.of(names);
  if (PUBLIC_CALLS[name].rare && choices.chance(0.8)) name = 'loss';
  const { args, call, keep } = PUBLIC_CALLS[name];
  let values;
  try {
    values = args(world);
  } catch (error) {
    // Arguments are made of objects that may be gone.
    if (LEVELS.public(error)) return;
    throw error;
  }
  // The object that a method is called on stays: without it there is no call.
  const fixed = /^(parameters|dispose)/.test(name) || call.length > 1 ? receiverCount(values) : 0;
  if (choices.chance(0.6)) values = [...values.slice(0, fixed), ...spoiled(choices, values.slice(fixed))];
  announced('public', name, values);
  return judged(
    LEVELS.public,
    name,
    async () => call(world, values),
    (value) => keep?.(world, value),
  );
}

/** 1 where the first argument is the object that the call is a method of. */
function receiverCount([first]) {
  return [...world.models, ...world.raters, ...world.vectors, ...world.optimizers, world.backend].includes(first)
    ? 1
    : 0;
}

/** A recorded call once more, with something wrong in it. */
function addonCall() {
  const [key, calls] = choices.of([...recorder.calls]);
  const { target, method, args } = choices.of(calls);
  const values = choices.chance(0.85) ? spoiled(choices, args) : args;
  if (choices.chance(0.1)) values.length = choices.below(values.length + 1);
  announced('addon', key, values);
  if (target) {
    const self = choices.chance(0.03) ? oddValue(choices) : target;
    return judged(LEVELS.addon, key, async () => target[method].apply(self, values));
  }
  const called = recorder.addon[method];
  return judged(LEVELS.addon, key, async () => (method === 'NativeEngine' ? new called(...values) : called(...values)));
}

/** The addon has no calls to repeat before the library has made some. */
function ofAddon() {
  return level !== 'public' && recorder.calls.size > 0 && choices.chance(level === 'addon' ? 0.9 : 0.5);
}

const until = performance.now() + 1000 * Number(seconds);
for (; index < Number(mostCalls) && performance.now() < until; index++) {
  choices.turnTo(index);
  if (index % BETWEEN_WORLDS === 0) await world.open();
  if (index % BETWEEN_CHECKS === 0) await witness();
  pending.push(ofAddon() ? addonCall() : publicCall());
  while (pending.length > choices.below(MOST_PENDING)) await pending.shift();
}
await Promise.all(pending);
await witness();
process.stdout.write(JSON.stringify({ calls: index, unexpected: [...unexpected.values()] }));
