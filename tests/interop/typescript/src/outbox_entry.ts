/** What an account leaves in its outbox for whoever has its ID (identity.md, 4). */

import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";

import { type Bytes, check, hkdf, join, pad, random, Refused, unpad } from "./notation.js";

export const ENVELOPE_SIZES = [4096, 10240, 57344, 253952] as const;

export function sealEntry(identity: Bytes, name: string, content: Bytes): Bytes {
  const size = ENVELOPE_SIZES.find((each) => each >= 24 + 4 + content.length + 16);
  check(size !== undefined, "TOO_LONG");
  return sealBare(identity, name, pad(content, size - 24 - 16));
}

export function openEntry(identity: Bytes, name: string, sealed: Bytes): Bytes {
  return unpad(openBare(identity, name, sealed));
}

/** Without padding, as one-time prekeys are. */
export function sealBare(identity: Bytes, name: string, plain: Bytes): Bytes {
  const nonce = random(24);
  return join(nonce, xchacha20poly1305(keyOf(identity, name), nonce, join(name)).encrypt(plain));
}

export function openBare(identity: Bytes, name: string, sealed: Bytes): Bytes {
  try {
    return xchacha20poly1305(keyOf(identity, name), sealed.slice(0, 24), join(name)).decrypt(sealed.slice(24));
  } catch {
    throw new Refused("OUTBOX_ENTRY_REFUSED");
  }
}

function keyOf(identity: Bytes, name: string): Bytes {
  return hkdf(identity, "essaim/outbox/v1", name);
}
