/** Work that a mailbox may ask for before an anonymous write (mailbox.md, 8). */

import { type Bytes, check, H, join, u } from "./notation.js";

/** A second or so in JavaScript; more is refused. */
const MOST_BITS = 18;

export function storeSubject(ids: Bytes[]): Bytes {
  return H("essaim/puzzle/store/v1", ...[...ids].sort(Buffer.compare));
}

export function claimSubject(nodeId: Bytes, claimId: Bytes): Bytes {
  return H("essaim/puzzle/claim/v1", nodeId, claimId);
}

export function solve(mailboxId: Bytes, subject: Bytes, bits: number, nowMs: number): Bytes {
  check(bits <= MOST_BITS, "PUZZLE_TOO_DEAR");
  const minute = u(4, Math.floor(nowMs / 60_000));
  for (let counter = 0; ; counter++) {
    const solution = join(minute, u(8, counter));
    if (isSolved(mailboxId, subject, solution, bits)) return solution;
  }
}

export function isSolved(mailboxId: Bytes, subject: Bytes, solution: Bytes, bits: number): boolean {
  const work = H("essaim/puzzle/v1", mailboxId, subject, solution);
  return leadingZeros(work) >= bits;
}

function leadingZeros(bytes: Bytes): number {
  const first = bytes.findIndex((byte) => byte !== 0);
  return first < 0 ? 8 * bytes.length : 8 * first + Math.clz32(bytes[first] as number) - 24;
}
