/** What a sender shares with one hop of a path: KEM and key schedule (onion.md, 3.1 and 3.2). */

import { x25519 } from "@noble/curves/ed25519.js";
import { blake2b } from "@noble/hashes/blake2.js";
import { sha3_256 } from "@noble/hashes/sha3.js";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";

import { type Bytes, hkdf, join, split } from "./notation.js";

export type Suite = 1 | 2;

/** A node's public onion keys of the time. */
export interface Hop {
  nodeId: Bytes;
  x25519: Bytes;
  mlkem: Bytes;
}

export interface HopKeys {
  stream: Bytes;
  mac: Bytes;
  payload: Bytes;
  reply: Bytes;
  error: Bytes;
}

export function keyId(hop: Hop): Bytes {
  return blake2b(join(hop.x25519, hop.mlkem), { dkLen: 32 }).slice(0, 4);
}

/** The KEM ciphertext and the shared secret. */
export function encapsulate(suite: Suite, hop: Hop, ephemeral: Bytes): { ciphertext: Bytes; shared: Bytes } {
  const ciphertext = x25519.getPublicKey(ephemeral);
  const shared = x25519.getSharedSecret(ephemeral, hop.x25519); // an all-zero one throws
  if (suite === 1) return { ciphertext, shared };
  const { cipherText, sharedSecret } = ml_kem768.encapsulate(hop.mlkem);
  return { ciphertext: join(ciphertext, cipherText), shared: join(shared, sharedSecret) };
}

export function schedule(suite: Suite, hop: Hop, ciphertext: Bytes, shared: Bytes, prefix: Bytes): HopKeys {
  const transcript = sha3_256(join(hop.x25519, suite === 1 ? "" : hop.mlkem, ciphertext));
  const made = hkdf(join(shared, transcript), "essaim/onion/v1", prefix, 176);
  const [stream, mac, payload, reply, error] = split(made, 32, 32, 32, 32, 32) as [Bytes, Bytes, Bytes, Bytes, Bytes];
  return { stream, mac, payload, reply, error };
}
