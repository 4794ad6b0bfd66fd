/** Ed25519 as the documents want it: prime-order points in canonical form, signatures over label || message. */

import { ed25519 } from "@noble/curves/ed25519.js";

import { type Bytes, check, join } from "./notation.js";

/** A blinded or a plain key. */
export interface Signer {
  readonly public: Bytes;
  sign(message: Bytes): Bytes;
}

export class PlainKey implements Signer {
  readonly public: Bytes;

  constructor(private readonly seed: Bytes) {
    this.public = ed25519.getPublicKey(seed);
  }

  sign(message: Bytes): Bytes {
    return ed25519.sign(message, this.seed);
  }
}

export function isPublicKey(key: Bytes): boolean {
  try {
    const point = ed25519.Point.fromBytes(key, false);
    return !point.isSmallOrder() && point.isTorsionFree();
  } catch {
    return false;
  }
}

export function signed(key: Bytes, signature: Bytes, label: string, ...message: Bytes[]): boolean {
  try {
    return isPublicKey(key) && ed25519.verify(signature, join(label, ...message), key, { zip215: false });
  } catch {
    return false;
  }
}

export function checkSigned(reason: string, key: Bytes, signature: Bytes, label: string, ...message: Bytes[]): void {
  check(signed(key, signature, label, ...message), reason);
}
