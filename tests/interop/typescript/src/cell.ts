/** A request under three layers of relays and one of the destination (onion.md, 3 and 4). */

import { poly1305 } from "@noble/ciphers/_poly1305.js";
import { chacha20, chacha20poly1305 } from "@noble/ciphers/chacha.js";

import { encapsulate, type Hop, type HopKeys, keyId, schedule, type Suite } from "./hop.js";
import { type Bytes, join, pad, type Random, u } from "./notation.js";

/** Bytes of a cell, by class. */
export const SIZES = [16384, 65536, 262144] as const;
export type CellClass = 0 | 1 | 2;

export interface CellSpec {
  suite: Suite;
  cellClass: CellClass;
  replyClass: CellClass;
}

const RELAY = 1;
const DELIVER = 2;
const MAC = 16;

/** K, slot and B of onion.md, 1. */
export function geometry(suite: Suite): { kem: number; slot: number; beta: number; header: number } {
  const kem = suite === 1 ? 32 : 1120;
  const slot = 64 + kem + MAC;
  const beta = 3 * slot + 64;
  return { kem, slot, beta, header: 8 + kem + beta + MAC };
}

/** Bytes of the innermost payload that fit. */
export function room(suite: Suite, cellClass: CellClass): number {
  return SIZES[cellClass] - geometry(suite).header - 16 - 4;
}

export function keystream(key: Bytes, nonce: Bytes, size: number): Bytes {
  return chacha20(key, nonce, new Uint8Array(size));
}

export function xor(one: Bytes, other: Bytes): Bytes {
  return one.map((byte, index) => byte ^ (other[index] ?? 0));
}

export const BODY_NONCE = join(new Uint8Array(11), u(1, 1));
export const NONCE = new Uint8Array(12);

interface Layer {
  hop: Hop;
  prefix: Bytes;
  ciphertext: Bytes;
  keys: HopKeys;
}

/** The cell for the first hop, and the keys of all hops, by which replies are opened. */
export function wrap(path: Hop[], payload: Bytes, spec: CellSpec, minute: number, random: Random) {
  const layers = path.map((hop) => layerOf(hop, spec, random(32)));
  const last = layers.at(-1) as Layer;
  const { slot, beta: size, header } = geometry(spec.suite);
  const filler = fillerOf(layers.slice(0, -1), size, slot);
  const tail = random(size - 64 - filler.length);
  const streams = layers.map(({ keys }) => keystream(keys.stream, NONCE, size + slot));
  let beta = join(xor(join(routing(DELIVER, minute), tail), streams.at(-1) as Bytes), filler);
  const padded = pad(payload, SIZES[spec.cellClass] - header - MAC);
  let body = chacha20poly1305(last.keys.payload, NONCE).encrypt(padded);
  let gamma = macOf(last, beta, body);
  for (let index = layers.length - 2; index >= 0; index--) {
    const [layer, next] = [layers[index] as Layer, layers[index + 1] as Layer];
    const plain = join(routing(RELAY, minute, next.hop), next.ciphertext, gamma, beta.slice(0, size - slot));
    beta = xor(plain, streams[index] as Bytes);
    body = chacha20(layer.keys.stream, BODY_NONCE, body);
    gamma = macOf(layer, beta, body);
  }
  const [first] = layers as [Layer];
  return { cell: join(first.prefix, first.ciphertext, beta, gamma, body), keys: layers.map(({ keys }) => keys) };
}

function layerOf(hop: Hop, { suite, cellClass, replyClass }: CellSpec, ephemeral: Bytes): Layer {
  const prefix = join(Uint8Array.of(1, suite, cellClass, replyClass), keyId(hop));
  const { ciphertext, shared } = encapsulate(suite, hop, ephemeral);
  return { hop, prefix, ciphertext, keys: schedule(suite, hop, ciphertext, shared, prefix) };
}

/** What the relays' shifts leave behind each other at the end of beta. */
function fillerOf(relays: Layer[], size: number, slot: number): Bytes {
  let filler = new Uint8Array() as Bytes;
  for (const { keys } of relays) {
    const stream = keystream(keys.stream, NONCE, size + slot).slice(size - filler.length);
    filler = xor(join(filler, new Uint8Array(slot)), stream);
  }
  return filler;
}

function routing(command: number, minute: number, next?: Hop): Bytes {
  const nodeId = next?.nodeId ?? new Uint8Array(32);
  const id = next ? keyId(next) : new Uint8Array(4);
  return join(u(1, command), u(1, 0), nodeId, u(2, 0), u(4, minute), id, new Uint8Array(20));
}

function macOf({ prefix, ciphertext, keys }: Layer, beta: Bytes, body: Bytes): Bytes {
  return poly1305(join(prefix, ciphertext, beta, body), keys.mac);
}
