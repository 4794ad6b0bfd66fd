/** Initial messages, which hide who begins (end-to-end.md, 1 and 3). */

import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { x25519 } from "@noble/curves/ed25519.js";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";

import { type Bytes, check, H, hkdf, integer, join, random, split, u } from "./notation.js";
import { HANDSHAKE, type PrivatePair } from "./pqxdh.js";
import type { SignedPrekeys } from "./prekeys.js";

const NONCE = new Uint8Array(12);

/** Bytes of an envelope that are not the ratchet message, with a certificate of this length. */
export function overhead(certificate: Bytes): number {
  return 8 + 32 + 1088 + 16 + 1 + HANDSHAKE + 32 + 2 + certificate.length;
}

export interface Initial {
  handshake: Bytes;
  /** Hash of the responder's manifest. */
  manifestHash: Bytes;
  certificate: Bytes;
  message: Bytes;
}

export function sealInitial(to: SignedPrekeys, { handshake, manifestHash, certificate, message }: Initial): Bytes {
  const [tag, ephemeral] = [random(8), random(32)];
  const shown = x25519.getPublicKey(ephemeral);
  const { cipherText, sharedSecret } = ml_kem768.encapsulate(to.mlkem);
  const shared = join(x25519.getSharedSecret(ephemeral, to.x25519), sharedSecret);
  const inner = join(u(1, 1), handshake, manifestHash, u(2, certificate.length), certificate, message);
  const key = keyOf(shared, shown, to.x25519, to.mlkem, cipherText);
  return join(tag, shown, cipherText, chacha20poly1305(key, NONCE, tag).encrypt(inner));
}

/** Nothing, when it is not sealed for this pair. */
export function openInitial(envelope: Bytes, own: PrivatePair): Initial | undefined {
  const [tag, shown, ciphertext, box] = split(envelope, 8, 32, 1088) as [Bytes, Bytes, Bytes, Bytes];
  const { publicKey, secretKey } = ml_kem768.keygen(own.kem);
  let inner: Bytes;
  try {
    const shared = join(x25519.getSharedSecret(own.x25519, shown), ml_kem768.decapsulate(ciphertext, secretKey));
    const key = keyOf(shared, shown, x25519.getPublicKey(own.x25519), publicKey, ciphertext);
    inner = chacha20poly1305(key, NONCE, tag).decrypt(box);
  } catch {
    return undefined;
  }
  const [version, handshake, manifestHash, length, rest] = split(inner, 1, HANDSHAKE, 32, 2) as [
    Bytes,
    Bytes,
    Bytes,
    Bytes,
    Bytes,
  ];
  check(version[0] === 1);
  const [certificate, message] = split(rest, Number(integer(length))) as [Bytes, Bytes];
  return { handshake, manifestHash, certificate, message };
}

function keyOf(shared: Bytes, ephemeral: Bytes, prekey: Bytes, kemPrekey: Bytes, ciphertext: Bytes): Bytes {
  return hkdf(shared, "essaim/sealed/v1", H("essaim/sealed/v1", ephemeral, prekey, kemPrekey, ciphertext));
}
