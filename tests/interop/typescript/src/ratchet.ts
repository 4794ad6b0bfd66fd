/** The Double Ratchet with header encryption and a hybrid step (end-to-end.md, 4). */

import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { x25519 } from "@noble/curves/ed25519.js";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";

import { type Chain, MOST_SKIPPED, messageKeyOf, skip, type SkippedKey, step, tagOf } from "./chain.js";
import { type Bytes, check, equal, hkdf, integer, join, pad, random, split, u, unpad } from "./notation.js";
import type { Agreed, PrivatePair } from "./pqxdh.js";
import type { SignedPrekeys } from "./prekeys.js";

export const WIRE_HEADER = 2348;
const HEADER_SIZES = [32, 1184, 1088, 4, 4];

export interface Ratchet {
  /** Associated data: the handshake's transcript. */
  transcript: Bytes;
  root: Bytes;
  own: PrivatePair;
  /** `ciphertext` is to the receiver's newest ML-KEM key; `previous` is the length of the chain before. */
  sending?: Chain & { ciphertext: Bytes; previous: number };
  receiving?: Chain;
  nextSending: Bytes;
  nextReceiving: Bytes;
  skipped: SkippedKey[];
}

export function begin(agreed: Agreed, peer: Pick<SignedPrekeys, "x25519" | "mlkem">): Ratchet {
  const { transcript, root, headerKey, nextHeaderKey } = agreed;
  const made: Ratchet = {
    ...{ transcript, root, own: { x25519: random(32), kem: random(64) }, skipped: [] },
    ...{ nextSending: headerKey, nextReceiving: nextHeaderKey },
  };
  turnSending(made, peer.x25519, peer.mlkem);
  return made;
}

/** Cannot send before it has received. */
export function answer({ transcript, root, headerKey, nextHeaderKey }: Agreed, prekeys: PrivatePair): Ratchet {
  return { transcript, root, own: prekeys, nextSending: nextHeaderKey, nextReceiving: headerKey, skipped: [] };
}

/** A message of exactly `size` bytes. */
export function encrypt(ratchet: Ratchet, content: Bytes, size: number): Bytes {
  const chain = ratchet.sending;
  check(chain !== undefined, "NOTHING_RECEIVED");
  const number = u(4, chain.next++);
  const messageKey = step(chain);
  const { publicKey } = ml_kem768.keygen(ratchet.own.kem);
  const keys = [x25519.getPublicKey(ratchet.own.x25519), publicKey, chain.ciphertext];
  const [tag, nonce] = [tagOf(chain.headerKey, number), random(12)];
  const header = join(...keys, u(4, chain.previous), number);
  const wire = join(tag, nonce, chacha20poly1305(chain.headerKey, nonce, tag).encrypt(header));
  const padded = pad(content, size - WIRE_HEADER - 16);
  return join(wire, chacha20poly1305(messageKey, nonce, join(ratchet.transcript, wire)).encrypt(padded));
}

/** The content, or nothing when no key of this session opens the header; a refusal changes nothing. */
export function decrypt(ratchet: Ratchet, message: Bytes): Bytes | undefined {
  const next = structuredClone(ratchet);
  const [wire, body] = split(message, WIRE_HEADER) as [Bytes, Bytes];
  const [tag, nonce, box] = split(wire, 8, 12) as [Bytes, Bytes, Bytes];
  const keys = [next.receiving?.headerKey, next.nextReceiving, ...next.skipped.map(({ headerKey }) => headerKey)];
  for (const headerKey of keys.filter((key) => key !== undefined)) {
    const header = opened(headerKey, nonce, box, tag);
    if (!header) continue;
    const [theirs, theirKem, ciphertext, previous, number] = split(header, ...HEADER_SIZES) as [
      Bytes,
      Bytes,
      Bytes,
      Bytes,
      Bytes,
    ];
    check(equal(tag, tagOf(headerKey, number)), "UNREADABLE");
    if (headerKey === next.nextReceiving) turn(next, theirs, theirKem, ciphertext, Number(integer(previous)));
    const plain = opened(
      messageKeyOf(next, headerKey, Number(integer(number))),
      nonce,
      body,
      join(next.transcript, wire),
    );
    check(plain !== undefined, "SESSION_BROKEN");
    Object.assign(ratchet, next);
    return unpad(plain);
  }
  return undefined;
}

function turn(ratchet: Ratchet, theirs: Bytes, theirKem: Bytes, ciphertext: Bytes, previous: number): void {
  const old = ratchet.receiving;
  if (old && previous - old.next <= MOST_SKIPPED) skip(ratchet.skipped, old, previous);
  const { secretKey } = ml_kem768.keygen(ratchet.own.kem);
  const shared = join(x25519.getSharedSecret(ratchet.own.x25519, theirs), ml_kem768.decapsulate(ciphertext, secretKey));
  const [chainKey, nextHeaderKey] = advance(ratchet, shared);
  ratchet.receiving = { headerKey: ratchet.nextReceiving, chainKey, next: 0 };
  ratchet.nextReceiving = nextHeaderKey;
  ratchet.own = { x25519: random(32), kem: random(64) };
  turnSending(ratchet, theirs, theirKem);
}

function turnSending(ratchet: Ratchet, theirs: Bytes, theirKem: Bytes): void {
  const { cipherText: ciphertext, sharedSecret } = ml_kem768.encapsulate(theirKem);
  const shared = join(x25519.getSharedSecret(ratchet.own.x25519, theirs), sharedSecret);
  const [chainKey, nextHeaderKey] = advance(ratchet, shared);
  const previous = ratchet.sending?.next ?? 0;
  ratchet.sending = { headerKey: ratchet.nextSending, chainKey, next: 0, ciphertext, previous };
  ratchet.nextSending = nextHeaderKey;
}

/** KDF_RK: chain key and next header key. */
function advance(ratchet: Ratchet, shared: Bytes): [Bytes, Bytes] {
  const [root, chainKey, headerKey] = split(hkdf(shared, ratchet.root, "essaim/ratchet/v1", 96), 32, 32, 32);
  ratchet.root = root as Bytes;
  return [chainKey as Bytes, headerKey as Bytes];
}

function opened(key: Bytes, nonce: Bytes, sealed: Bytes, associated: Bytes): Bytes | undefined {
  try {
    return chacha20poly1305(key, nonce, associated).decrypt(sealed);
  } catch {
    return undefined;
  }
}
