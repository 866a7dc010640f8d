// Records the calls that lib/ makes to the addon, so that they can be made again with something wrong in them, whatever
// the addon's objects and methods are.

const KEPT = 4;

/** Stands for a native object or function; the objects behind arguments and results are found again through it. */
const behind = new WeakMap();

function unwrapped(value, depth = 3) {
  if (behind.has(value)) return behind.get(value);
  if (depth === 0 || value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((entry) => unwrapped(entry, depth - 1));
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, unwrapped(entry, depth - 1)]));
}

export class Recorder {
  /** Of each method the last few calls: {target, method, args}, free of wrappers. */
  calls = new Map();

  /** Puts recording ones in the place of the addon's functions and classes. */
  constructor(addon) {
    this.addon = { ...addon };
    const { NativeEngine, ...functions } = addon;
    const record = this.#record.bind(this);
    const wrap = this.#wrapped.bind(this);
    addon.NativeEngine = function (...args) {
      record(null, 'NativeEngine', args);
      return wrap(new NativeEngine(...args));
    };
    for (const name of Object.keys(functions)) {
      addon[name] = (...args) => {
        record(
          null,
          name,
          args.map((arg) => unwrapped(arg)),
        );
        return functions[name](...args);
      };
    }
  }

  #record(target, method, args) {
    const key = `${target?.constructor.name ?? 'addon'}.${method}`;
    const calls = this.calls.get(key) ?? [];
    calls.push({ target, method, args });
    if (calls.length > KEPT) calls.shift();
    this.calls.set(key, calls);
  }

  /** Objects of the addon's classes are wrapped; anything else is as it is. */
  #wrapped(native) {
    if (!/^Native/.test(native?.constructor?.name)) return native;
    const proxy = new Proxy(native, {
      get: (_, method) => {
        const value = native[method];
        if (typeof value !== 'function' || method === 'constructor') return value;
        return (...args) => {
          const raw = args.map((arg) => unwrapped(arg));
          this.#record(native, method, raw);
          return this.#wrapped(value.apply(native, raw));
        };
      },
    });
    behind.set(proxy, native);
    return proxy;
  }
}
