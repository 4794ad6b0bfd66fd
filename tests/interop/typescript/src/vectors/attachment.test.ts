import assert from "node:assert/strict";
import { test } from "node:test";

import { sha256 } from "@noble/hashes/sha2.js";

import { type Bytes, H, hex, hkdf, join, u, unhex } from "../notation.js";
import { ENVELOPE_SIZES } from "../outbox_entry.js";
import { FINAL, Stream } from "../secretstream.js";
import { PlainKey } from "../signature.js";
import { load } from "./load.js";

interface Vectors {
  key: string;
  header: string;
  delete_keys: string[];
  files: { size: number; blob_sha256: string[]; names: string[] }[];
}

const vectors = load<Vectors>("attachment");
const [key, header] = [unhex(vectors.key), unhex(vectors.header)];
const SALT = "essaim/attachment/v1";

function eraser(piece: number): Bytes {
  return new PlainKey(hkdf(key, SALT, join("delete", u(4, piece)))).public;
}

function nameOf(piece: number, blob: Bytes): string {
  const sizeClass = ENVELOPE_SIZES.findIndex((size) => size === blob.length);
  const content = H("essaim/content/v1", blob);
  return hex(H("essaim/blob/v1", u(1, 5), new Uint8Array(64), eraser(piece), content, u(1, sizeClass)));
}

function sealed(content: Bytes): Bytes[] {
  const stream = new Stream(hkdf(key, SALT, "stream"), header);
  const pieces: Bytes[] = [];
  for (let [rest, front] = [content, header]; ; front = join()) {
    const room = 253952 - front.length - 17;
    if (rest.length <= room) {
      const size = ENVELOPE_SIZES.find((each) => each >= rest.length + front.length + 17) as number;
      const last = join(rest, new Uint8Array(size - front.length - 17 - rest.length));
      return [...pieces, join(front, stream.push(FINAL, last))];
    }
    pieces.push(join(front, stream.push(0, rest.slice(0, room))));
    rest = rest.slice(room);
  }
}

function contentOf(size: number): Bytes {
  const blocks = Array.from({ length: Math.ceil(size / 32) }, (_, at) => sha256(join(u(4, size), u(4, at))));
  return join(...blocks).slice(0, size);
}

test("keys of a file", () => {
  assert.deepEqual(
    vectors.delete_keys.map((_, at) => hex(eraser(at))),
    vectors.delete_keys,
  );
});

for (const { size, blob_sha256, names } of vectors.files) {
  test(`pieces and names of ${size} bytes`, () => {
    const pieces = sealed(contentOf(size));
    assert.deepEqual(
      pieces.map((piece) => hex(sha256(piece))),
      blob_sha256,
    );
    assert.deepEqual(
      pieces.map((piece, at) => nameOf(at, piece)),
      names,
    );
    const stream = new Stream(hkdf(key, SALT, "stream"), header);
    const opened = pieces.map((piece, at) => stream.pull(at === 0 ? piece.slice(24) : piece));
    assert.equal(hex(join(...opened.map(({ plain }) => plain)).slice(0, size)), hex(contentOf(size)));
    assert.deepEqual(
      opened.map(({ tag }) => tag),
      [...pieces.slice(1).map(() => 0), FINAL],
    );
  });
}
