/** libsodium's crypto_secretstream_xchacha20poly1305, from its documentation (attachments.md, 2; messaging.md, 8). */

import { poly1305 } from "@noble/ciphers/_poly1305.js";
import { chacha20, hchacha } from "@noble/ciphers/chacha.js";

import { type Bytes, check, equal, join } from "./notation.js";

export const FINAL = 3;

/** The state of one side; a rekey is not spoken here. */
export class Stream {
  private readonly key: Bytes;
  private readonly nonce: Bytes;

  constructor(key: Bytes, header: Bytes) {
    const constant = words(join("expand 32-byte k"));
    const made = new Uint32Array(8);
    hchacha(constant, words(key), words(header.slice(0, 16)), made);
    this.key = new Uint8Array(made.buffer);
    this.nonce = join(Uint8Array.of(1, 0, 0, 0), header.slice(16, 24));
  }

  push(tag: number, plain: Bytes, associated: Bytes = join()): Bytes {
    const block = this.apply(1, join(Uint8Array.of(tag), new Uint8Array(63)));
    const ciphertext = this.apply(2, plain);
    return join(block.slice(0, 1), ciphertext, this.authenticated(block, ciphertext, associated));
  }

  /** A box that does not fit changes nothing that could be gone on with. */
  pull(box: Bytes, associated: Bytes = join()): { tag: number; plain: Bytes } {
    check(box.length >= 17);
    const block = this.apply(1, join(box.slice(0, 1), new Uint8Array(63)));
    const tag = block[0] as number;
    block[0] = box[0] as number;
    const ciphertext = box.slice(1, -16);
    const plain = this.apply(2, ciphertext);
    check(equal(box.slice(-16), this.authenticated(block, ciphertext, associated)));
    return { tag, plain };
  }

  private apply(counter: number, text: Bytes): Bytes {
    return chacha20(this.key, this.nonce, text, undefined, counter);
  }

  /** The MAC; the state moves on. libsodium puts as many zeros behind the ciphertext as its length mod 16. */
  private authenticated(block: Bytes, ciphertext: Bytes, associated: Bytes): Bytes {
    const lengths = new DataView(new ArrayBuffer(16));
    lengths.setUint32(0, associated.length, true);
    lengths.setUint32(8, 64 + ciphertext.length, true);
    const [before, behind] = [-associated.length & 15, ciphertext.length & 15].map((size) => new Uint8Array(size));
    const parts = [associated, before as Bytes, block, ciphertext, behind as Bytes, new Uint8Array(lengths.buffer)];
    const mac = poly1305(join(...parts), this.apply(0, new Uint8Array(32)));
    for (let at = 0; at < 8; at++) this.nonce[4 + at] = (this.nonce[4 + at] as number) ^ (mac[at] as number);
    const counter = new DataView(this.nonce.buffer);
    counter.setUint32(0, counter.getUint32(0, true) + 1, true);
    return mac;
  }
}

function words(bytes: Bytes): Uint32Array {
  const view = new DataView(bytes.slice().buffer);
  return Uint32Array.from({ length: bytes.length / 4 }, (_, at) => view.getUint32(4 * at, true));
}
