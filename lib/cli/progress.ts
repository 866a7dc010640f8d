import { Presets, SingleBar } from 'cli-progress';
import { formatSeconds } from '../report/text.ts';
import type { CliIo } from './io.ts';

/** Milliseconds between two lines when standard error is not a terminal. */
const LINE_INTERVAL = 10_000;

/** Shows how far a step has come: a bar with rate and remaining time on a terminal, a plain line now and then elsewhere. */
export class Progress {
  readonly #stderr: CliIo['stderr'];
  #bar: SingleBar | undefined;
  #label = '';
  #unit = '';
  #started = 0;
  #first = 0;
  #lastLine = 0;

  constructor({ stderr }: CliIo) {
    this.#stderr = stderr;
  }

  /** `total` 0: not known. */
  update(label: string, done: number, total: number, unit: string): void {
    const now = performance.now();
    if (label !== this.#label || unit !== this.#unit) {
      this.#stop();
      this.#label = label;
      this.#unit = unit;
      this.#started = this.#lastLine = now;
      this.#first = done; // a resumed step starts in the middle
    }
    const seconds = (now - this.#started) / 1000;
    const rate = seconds > 0 ? (done - this.#first) / seconds : 0;
    const speed = rate > 0 ? `${rate >= 100 ? rate.toFixed(0) : rate.toPrecision(2)} ${unit}/s` : '';
    const left = rate > 0 && total > done ? `${formatSeconds((total - done) / rate)} left` : '';
    if (this.#stderr.isTTY) this.#draw(label, done, total, { unit, speed, left });
    else if (now - this.#lastLine >= LINE_INTERVAL) {
      this.#lastLine = now;
      const of = total > 0 ? ` of ${total}` : '';
      this.line([`${label}: ${done}${of} ${unit}`, speed, left].filter(Boolean).join(', '));
    }
  }

  /** A line that stays. */
  line(text: string): void {
    this.#stop();
    this.#stderr.write(`${text}\n`);
  }

  /** Takes the bar off the terminal. */
  end(): void {
    this.#stop();
    this.#label = '';
  }

  #draw(label: string, done: number, total: number, payload: object): void {
    if (!this.#bar) {
      this.#bar = new SingleBar(
        {
          stream: this.#stderr,
          format: `${label} {bar} {value}/{total} {unit}  {speed}  {left}`,
          barsize: 24,
          clearOnComplete: true,
          hideCursor: true,
          gracefulExit: false,
          linewrap: false,
        },
        Presets.shades_classic,
      );
      this.#bar.start(total, done, payload);
      return;
    }
    this.#bar.setTotal(total);
    this.#bar.update(done, payload);
  }

  #stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}
