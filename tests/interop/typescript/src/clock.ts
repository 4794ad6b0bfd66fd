/** The corrected clock: the median of what three nodes say (client.md, 2). */

const OWN_IS_GOOD_MS = 60_000;

export class Clock {
  private offsetMs = 0;
  /** `valid_from_ms` of the view that is held. */
  notBeforeMs = 0;

  now(): number {
    return Math.max(Date.now() + this.offsetMs, this.notBeforeMs);
  }

  /** What each answer said, less the middle of the asking. */
  correct(offsets: number[]): void {
    const sorted = [...offsets].sort((a, b) => a - b);
    const median = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
    this.offsetMs = sorted.length >= 3 && Math.abs(median) > OWN_IS_GOOD_MS ? median : 0;
  }
}
