import type { TensorSpec } from '../layout.ts';

/** A matrix `NAME.weight`, filled with normal(0, scale · initializer_range). */
export function matrix(name: string, rows: number, columns: number, role: string, scale = 1): TensorSpec {
  return { name: `${name}.weight`, shape: [rows, columns], role, initial: { scale } };
}

/** A bias `NAME.bias`, zeros at first. */
export function bias(name: string, length: number, role: string): TensorSpec {
  return { name: `${name}.bias`, shape: [length], role, initial: 'zeros' };
}

/** The gain `NAME.weight` of an RMS norm, ones at first. */
export function rmsNorm(name: string, length: number, role: string): TensorSpec {
  return { name: `${name}.weight`, shape: [length], role, initial: 'ones' };
}

/** A LayerNorm: gain, then bias, under one role. */
export function layerNorm(name: string, length: number, role: string): TensorSpec[] {
  return [rmsNorm(name, length, role), bias(name, length, role)];
}
