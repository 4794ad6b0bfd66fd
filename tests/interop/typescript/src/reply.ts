/** Replies of one request, in order: the relays' streams taken off, opened by the destination's key (onion.md, 6). */

import { chacha20, chacha20poly1305 } from "@noble/ciphers/chacha.js";

import type { HopKeys } from "./hop.js";
import { type Bytes, check, integer, join, Refused, split, u, unpad } from "./notation.js";

export const MORE = 0;
export const LAST = 1;
export const HEARTBEAT = 2;

const CODES = [
  "BAD_CELL",
  "REPLAY",
  "KEY_UNKNOWN",
  "STALE",
  "BUSY",
  "UNREACHABLE",
  "TIMEOUT",
  "BAD_REPLY",
  "NOT_LISTED",
];

export class Replies {
  private next = 0;
  ended = false;

  constructor(
    private readonly keys: HopKeys[],
    private readonly size: number,
  ) {}

  /** An error cell is a Refused that names the hop which made it: the hop *after* that one failed. */
  open(received: Bytes): { kind: number; payload: Bytes } {
    check(!this.ended && received.length === this.size, "BAD_REPLY");
    const nonce = join(new Uint8Array(4), u(8, this.next++));
    const relays = this.keys.slice(0, -1);
    const cell = relays.reduce((left, { reply }) => chacha20(reply, nonce, left), received);
    const plain = opened((this.keys.at(-1) as HopKeys).reply, nonce, cell) ?? this.failed(received, nonce);
    const kind = plain[0] as number;
    this.ended = kind === LAST;
    check(kind <= HEARTBEAT, "BAD_REPLY");
    return { kind, payload: unpad(plain.slice(1)) };
  }

  private failed(received: Bytes, nonce: Bytes): never {
    this.ended = true;
    let cell = received;
    for (const [hop, { error, reply }] of this.keys.slice(0, -1).entries()) {
      const plain = opened(error, nonce, cell);
      if (plain) {
        const [code, time] = split(plain, 1, 8) as [Bytes, Bytes];
        const nodeTimeMs = integer(time).toString();
        throw new Refused(CODES[Number(integer(code)) - 1] ?? "BAD_REPLY", hop, { nodeTimeMs });
      }
      cell = chacha20(reply, nonce, cell);
    }
    throw new Refused("BAD_REPLY");
  }
}

function opened(key: Bytes, nonce: Bytes, cell: Bytes): Bytes | undefined {
  try {
    return chacha20poly1305(key, nonce).decrypt(cell);
  } catch {
    return undefined;
  }
}
