/** Blinded keys: what an account is called in each of its mailboxes (identity.md, 2). */

import { ed25519 } from "@noble/curves/ed25519.js";
import { blake2b } from "@noble/hashes/blake2.js";
import { sha512 } from "@noble/hashes/sha2.js";

import { type Bytes, H, join, littleEndian } from "./notation.js";
import type { Signer } from "./signature.js";

const L = ed25519.Point.Fn.ORDER;
const BASE = ed25519.Point.BASE;

function bytesOf(number: bigint): Bytes {
  return ed25519.Point.Fn.toBytes(number); // 32 bytes, little-endian
}

function factor(label: string, ...parts: Bytes[]): bigint {
  return littleEndian(blake2b(join(label, ...parts), { dkLen: 64 })) % L || 1n;
}

/** What everybody can compute from the public key. */
export function blindedPublic(identity: Bytes, label: string, ...parts: Bytes[]): Bytes {
  return ed25519.Point.fromBytes(identity)
    .multiply(factor(label, ...parts))
    .toBytes();
}

/** Signs as the blinded key; verifies as plain Ed25519. It gives its base away: it never leaves the device. */
export class BlindedKey implements Signer {
  readonly public: Bytes;
  private readonly scalar: bigint;
  private readonly prefix: Bytes;

  constructor(seed: Bytes, label: string, ...parts: Bytes[]) {
    const { scalar } = ed25519.utils.getExtendedPublicKey(seed);
    const h = factor(label, ...parts);
    this.scalar = (h * scalar) % L;
    this.prefix = H("essaim/blinding/v1", sha512(seed).slice(32), bytesOf(h));
    this.public = BASE.multiply(this.scalar).toBytes();
  }

  sign(message: Bytes): Bytes {
    const r = littleEndian(sha512(join(this.prefix, message))) % L;
    const point = BASE.multiply(r).toBytes();
    const k = littleEndian(sha512(join(point, this.public, message))) % L;
    return join(point, bytesOf((r + k * this.scalar) % L));
  }
}
