/** The handshake between two devices: PQXDH (end-to-end.md, 2). */

import { x25519 } from "@noble/curves/ed25519.js";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";

import { party, type PeerDevice } from "./manifest.js";
import { type Bytes, H, hkdf, integer, join, type Random, split, u } from "./notation.js";
import type { OneTimePrekey, SignedPrekeys } from "./prekeys.js";

/** X25519 private key and ML-KEM-768 seed (d || z). */
export interface PrivatePair {
  x25519: Bytes;
  kem: Bytes;
}

/** What both sides come to. The transcript is the session's associated data. */
export interface Agreed {
  transcript: Bytes;
  root: Bytes;
  headerKey: Bytes;
  nextHeaderKey: Bytes;
}

/** signed prekey id u32 | one-time prekey id u32 | EK 32 | ML-KEM ciphertext 1088 */
export const HANDSHAKE = 1128;

export interface Handshake {
  signedId: number;
  oneTimeId: number;
  ephemeral: Bytes;
  ciphertext: Bytes;
}

export function readHandshake(data: Bytes): Handshake {
  const [signedId, oneTimeId, ephemeral, ciphertext] = split(data, 4, 4, 32, 1088) as [Bytes, Bytes, Bytes, Bytes];
  return { signedId: Number(integer(signedId)), oneTimeId: Number(integer(oneTimeId)), ephemeral, ciphertext };
}

/** Whom one writes to: a device, and what it left behind. */
export interface Bundle {
  device: PeerDevice;
  signed: SignedPrekeys;
  oneTime: OneTimePrekey | undefined;
}

export function initiate(
  own: PeerDevice,
  agreement: Bytes,
  peer: Bundle,
  random: Random,
): { handshake: Bytes; agreed: Agreed } {
  const { device, signed, oneTime } = peer;
  const ephemeral = random(32);
  const { cipherText, sharedSecret } = ml_kem768.encapsulate(signed.mlkem);
  const handshake = join(u(4, signed.id), u(4, oneTime?.id ?? 0), x25519.getPublicKey(ephemeral), cipherText);
  const transcript = transcriptOf(own, device, signed, oneTime, readHandshake(handshake));
  const secrets = [
    x25519.getSharedSecret(agreement, signed.x25519),
    x25519.getSharedSecret(ephemeral, device.agreement),
    x25519.getSharedSecret(ephemeral, signed.x25519),
  ];
  if (oneTime) secrets.push(x25519.getSharedSecret(ephemeral, oneTime.x25519));
  return { handshake, agreed: agree([...secrets, sharedSecret], transcript) };
}

/** `signed` and `oneTime` are the private parts that the handshake names. */
export function respond(
  own: PeerDevice,
  agreement: Bytes,
  from: PeerDevice,
  handshake: Handshake,
  signed: PrivatePair,
  oneTime: Bytes | undefined,
): Agreed {
  const { publicKey, secretKey } = ml_kem768.keygen(signed.kem);
  const { signedId, oneTimeId, ephemeral, ciphertext } = handshake;
  const publicPair = { id: signedId, x25519: x25519.getPublicKey(signed.x25519), mlkem: publicKey };
  const publicOneTime = oneTime && { id: oneTimeId, x25519: x25519.getPublicKey(oneTime) };
  const secrets = [
    x25519.getSharedSecret(signed.x25519, from.agreement),
    x25519.getSharedSecret(agreement, ephemeral),
    x25519.getSharedSecret(signed.x25519, ephemeral),
  ];
  if (oneTime) secrets.push(x25519.getSharedSecret(oneTime, ephemeral));
  const shared = ml_kem768.decapsulate(ciphertext, secretKey);
  return agree([...secrets, shared], transcriptOf(from, own, publicPair, publicOneTime, handshake));
}

function transcriptOf(
  initiator: PeerDevice,
  responder: PeerDevice,
  signed: SignedPrekeys,
  oneTime: OneTimePrekey | undefined,
  { ephemeral, ciphertext }: Handshake,
): Bytes {
  const first = join(u(1, 2), party(initiator), party(responder), u(4, signed.id), signed.x25519);
  const second = join(u(4, oneTime?.id ?? 0), oneTime?.x25519 ?? new Uint8Array(32), signed.mlkem);
  return H("essaim/pqxdh/v1", first, second, ephemeral, ciphertext);
}

function agree(secrets: Bytes[], transcript: Bytes): Agreed {
  const made = hkdf(join(new Uint8Array(32).fill(0xff), ...secrets), new Uint8Array(32), transcript, 96);
  const [root, headerKey, nextHeaderKey] = split(made, 32, 32, 32) as [Bytes, Bytes, Bytes];
  return { transcript, root, headerKey, nextHeaderKey };
}
