/** Chains of message keys, and the keys of messages that have not come yet (end-to-end.md, 4). */

import { type Bytes, check, equal, hmac } from "./notation.js";

export const MOST_SKIPPED = 1000;
const MOST_KEPT = 2000;

export interface Chain {
  headerKey: Bytes;
  chainKey: Bytes;
  next: number;
}

export interface SkippedKey {
  headerKey: Bytes;
  number: number;
  messageKey: Bytes;
}

interface Receiver {
  receiving?: Chain;
  skipped: SkippedKey[];
}

export function messageKeyOf({ receiving: chain, skipped }: Receiver, headerKey: Bytes, number: number): Bytes {
  const inChain = chain && equal(chain.headerKey, headerKey);
  if (chain && inChain && number >= chain.next) {
    check(number - chain.next <= MOST_SKIPPED, "TOO_MANY_SKIPPED");
    skip(skipped, chain, number);
    chain.next++;
    return step(chain);
  }
  const at = skipped.findIndex((each) => each.number === number && equal(each.headerKey, headerKey));
  const [kept] = at < 0 ? [] : skipped.splice(at, 1);
  check(kept !== undefined, "DUPLICATE");
  return kept.messageKey;
}

/** Keeps the keys of what is missing of a chain, up to a number. */
export function skip(skipped: SkippedKey[], chain: Chain, until: number): void {
  for (; chain.next < until; chain.next++) {
    skipped.push({ headerKey: chain.headerKey, number: chain.next, messageKey: step(chain) });
  }
  skipped.splice(0, Math.max(0, skipped.length - MOST_KEPT));
}

/** KDF_CK: the message key. */
export function step(chain: Chain): Bytes {
  const messageKey = hmac(chain.chainKey, Uint8Array.of(1));
  chain.chainKey = hmac(chain.chainKey, Uint8Array.of(2));
  return messageKey;
}

export function tagOf(headerKey: Bytes, number: Bytes): Bytes {
  return hmac(hmac(headerKey, "essaim/tag/v1"), number).slice(0, 8);
}
