/** The notation of docs/protocol: integers, joined fields, labelled hashes, derived keys, padding. */

import { blake2b } from "@noble/hashes/blake2.js";
import { hkdf as rfc5869 } from "@noble/hashes/hkdf.js";
import { hmac as rfc2104 } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { randomBytes } from "node:crypto";

export type Bytes = Uint8Array;
export type Random = (size: number) => Bytes;

/** Something that the documents tell a client to refuse; `reason` is their word for it. */
export class Refused extends Error {
  /** `hop`: which hop of a path said it of the next one; -1: the guard; none: the destination, or this client. */
  constructor(
    readonly reason: string,
    readonly hop?: number,
    readonly details: { [key: string]: string } = {},
  ) {
    super(reason);
  }
}

export function check(holds: boolean, reason = "MALFORMED"): asserts holds {
  if (!holds) throw new Refused(reason);
}

export const random: Random = (size) => new Uint8Array(randomBytes(size));

/** Fields behind each other without gaps; text is ASCII without a terminator. */
export function join(...parts: (Bytes | string)[]): Bytes {
  return new Uint8Array(Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part))));
}

/** Cut into pieces of these sizes, and what is left. */
export function split(data: Bytes, ...sizes: number[]): Bytes[] {
  const parts: Bytes[] = [];
  let at = 0;
  for (const size of sizes) {
    check(at + size <= data.length);
    parts.push(data.slice(at, (at += size)));
  }
  return [...parts, data.slice(at)];
}

/** Unsigned, big-endian. */
export function u(size: 1 | 2 | 4 | 8, value: number | bigint): Bytes {
  const made = new Uint8Array(8);
  new DataView(made.buffer).setBigUint64(0, BigInt(value));
  return made.slice(8 - size);
}

export function integer(bytes: Bytes): bigint {
  return bytes.reduce((made, byte) => (made << 8n) | BigInt(byte), 0n);
}

export function littleEndian(bytes: Bytes): bigint {
  return integer(bytes.slice().reverse());
}

export function H(label: string, ...parts: Bytes[]): Bytes {
  return blake2b(join(label, ...parts), { dkLen: 32 });
}

export function hkdf(secret: Bytes, salt: Bytes | string, info: Bytes | string, size = 32): Bytes {
  return rfc5869(sha256, secret, join(salt), join(info), size);
}

export function hmac(key: Bytes, ...parts: (Bytes | string)[]): Bytes {
  return rfc2104(sha256, key, join(...parts));
}

export function equal(one: Bytes, other: Bytes): boolean {
  return Buffer.compare(one, other) === 0;
}

/** For keys of maps. */
export function hex(bytes: Bytes): string {
  return Buffer.from(bytes).toString("hex");
}

export function unhex(text: string): Bytes {
  return new Uint8Array(Buffer.from(text, "hex"));
}

/** length u32 | content | zeros */
export function pad(content: Bytes, size: number): Bytes {
  check(4 + content.length <= size, "TOO_LONG");
  const made = new Uint8Array(size);
  made.set(join(u(4, content.length), content));
  return made;
}

export function unpad(padded: Bytes): Bytes {
  const length = Number(integer(padded.slice(0, 4)));
  check(4 + length <= padded.length && padded.slice(4 + length).every((byte) => byte === 0));
  return padded.slice(4, 4 + length);
}
