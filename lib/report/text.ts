import type { Estimate } from './data.ts';

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Text as it may stand in HTML content and in quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]);
}

/** Replaces e-mail addresses, so that a page can be passed on. */
export function maskAddresses(text: string): string {
  return text.replace(/[\w.+-]+@[\w-]+(?:\.[\w-]+)*/g, '[address]');
}

/** The beginning of a document: white space collapsed, at most `length` characters, addresses masked. */
export function excerpt(text: string, length: number): string {
  const clean = maskAddresses(text)
    .replace(/[^\S\n]+/g, ' ')
    .replace(/\s*\n\s*/g, '\n')
    .trim();
  return clean.length > length ? `${clean.slice(0, length).trimEnd()} …` : clean;
}

/** 12.3 s, 4 min 05 s, 2 h 03 min. */
export function formatSeconds(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const whole = Math.round(seconds);
  const pad = (x: number): string => String(x).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${pad(Math.floor((whole % 3600) / 60))} min`;
}

/** A number with its sign: +0.012, −0.012. */
export function signed(x: number, digits = 3): string {
  return `${x < 0 ? '−' : '+'}${Math.abs(x).toFixed(digits)}`;
}

/** 4.569 ± 0.073 */
export function plusMinus(mean: number, sd: number, digits = 3): string {
  return `${mean.toFixed(digits)} ± ${sd.toFixed(digits)}`;
}

/** The same of an estimate and its standard error, where it has one. */
export function withError({ value, standardError }: Estimate, digits: number): string {
  return standardError === null ? value.toFixed(digits) : plusMinus(value, standardError, digits);
}
