import assert from "node:assert/strict";
import { test } from "node:test";

import { chacha20poly1305, xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { ed25519 } from "@noble/curves/ed25519.js";
import { blake2b } from "@noble/hashes/blake2.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import { base32nopad } from "@scure/base";

import { Account, readAccountId } from "../account.js";
import { type Bytes, H, hex, hkdf, integer, join, littleEndian, split, u, unhex, unpad } from "../notation.js";
import { FINAL, Stream } from "../secretstream.js";
import { PlainKey } from "../signature.js";
import { load } from "./load.js";

interface Vectors {
  people: { alice_seed: string; bob_seed: string };
  linking: { [name: string]: string };
  configuration: { key: string; mailbox_id: string; sealed: string; merged: string };
  generation: { device_signing_seed: string; mailbox_id: string; number: number; sealed: string };
  safety: { number: string; code_of_alice: string };
  moved: { time_ms: number; statement: string };
  backup: { backup_key: string; file: string; record: string };
}

const vectors = load<Vectors>("messaging");
const [alice, bob] = [vectors.people.alice_seed, vectors.people.bob_seed].map((seed) => new Account(unhex(seed))) as [
  Account,
  Account,
];
const NOBODY = new Uint8Array(32);

/** An outbox and its one entry that follow from a secret (messaging.md, 6 and 7). */
function keptUnder(secret: Bytes, label: string, name: string, sealed: Bytes): { id: string; content: string } {
  const writer = new PlainKey(hkdf(secret, label, "write"));
  const cipher = xchacha20poly1305(hkdf(secret, label, "seal"), sealed.slice(0, 24), join(name));
  const id = H("essaim/mailbox/v1", u(1, 2), NOBODY, writer.public, NOBODY);
  return { id: hex(id), content: hex(unpad(cipher.decrypt(sealed.slice(24)))) };
}

test("configuration and generation lie where told", () => {
  const { configuration: told, generation } = vectors;
  const found = keptUnder(unhex(told.key), "essaim/configuration/v1", "configuration", unhex(told.sealed));
  assert.deepEqual(found, { id: told.mailbox_id, content: told.merged });
  const seed = hkdf(unhex(generation.device_signing_seed), "essaim/device/v1", "generation");
  const number = keptUnder(seed, "essaim/generation/v1", "generation", unhex(generation.sealed));
  assert.deepEqual(number, { id: generation.mailbox_id, content: hex(u(8, generation.number)) });
});

function half(identity: Bytes): string {
  let hash = sha512(join("essaim/safety/v1", identity));
  for (let round = 0; round < 5200; round++) hash = sha512(join(hash, identity));
  const groups = [0, 5, 10, 15, 20, 25].map((at) => integer(hash.slice(at, at + 5)) % 100000n);
  return groups.map((group) => group.toString().padStart(5, "0")).join("");
}

test("safety number, its code, a move", () => {
  assert.equal(
    [alice, bob]
      .map(({ identity }) => half(identity))
      .sort()
      .join(""),
    vectors.safety.number,
  );
  assert.equal(`ESSAIM1${base32nopad.encode(join(alice.identity, bob.identity))}`, vectors.safety.code_of_alice);
  const front = join(u(1, 1), alice.identity, bob.identity, u(8, vectors.moved.time_ms));
  const [old, next] = [alice, bob].map(({ signer }) => signer.sign(join("essaim/moved/v1", front)));
  assert.equal(hex(join(front, old as Bytes, next as Bytes)), vectors.moved.statement);
});

test("a backup opens, record by record", () => {
  assert.equal(hex(alice.key("backup")), vectors.backup.backup_key);
  const [front, header, chunks] = split(unhex(vectors.backup.file), 38, 24) as [Bytes, Bytes, Bytes];
  const stream = new Stream(hkdf(alice.key("backup"), "essaim/backup/v1", front.slice(14, 30)), header);
  const records: string[] = [];
  for (let [rest, tag] = [chunks, 0]; tag !== FINAL;) {
    const size = Number(integer(rest.slice(0, 4)));
    const opened = stream.pull(rest.slice(4, 4 + size), front);
    records.push(hex(opened.plain));
    [rest, tag] = [rest.slice(4 + size), opened.tag];
  }
  assert.deepEqual(records, [vectors.backup.record, ""]);
});

// RFC 9382, section 6
const M = ed25519.Point.fromHex("d048032c6ea0b6d697ddc2e86bda85a33adac920f1bf18e1b0c6d166a5cecdaf");
const N = ed25519.Point.fromHex("d3bfb518f44f3430f29d0c92af503865a1ed3281dc69b35dd868ba85f886c4ab");
const { ORDER } = ed25519.Point.Fn;

/** The newcomer's share, and SHA-256(TT) (devices.md, 2). */
function spake2(password: bigint, secret: bigint, offered: Bytes): { share: Bytes; key: Bytes } {
  const share = ed25519.Point.BASE.multiply(secret).add(M.multiply(password)).toBytes();
  const shared = ed25519.Point.fromBytes(offered).subtract(N.multiply(password)).multiply(secret).clearCofactor();
  const scalar = ed25519.Point.Fn.toBytes(password);
  const parts = [join("newcomer"), join("sponsor"), share, offered, shared.toBytes(), scalar];
  const told = parts.map((part) => join(u(8, part.length).reverse(), part));
  return { share, key: sha256(join(...told)) };
}

test("a newcomer is linked", () => {
  const told = (name: string) => unhex(vectors.linking[name] ?? "");
  const code = (vectors.linking["code"] ?? "").replaceAll("-", "");
  const salt = "essaim/link/v1";
  const keys = ["read", "write"].map((name) => new PlainKey(hkdf(join(code.slice(0, 4)), salt, name)).public);
  assert.equal(hex(H("essaim/mailbox/v1", u(1, 3), ...keys, NOBODY)), vectors.linking["mailbox_id"]);
  const password = littleEndian(blake2b(join(salt, code.slice(4)), { dkLen: 64 })) % ORDER;
  const [, offered, ciphertext, box] = split(unpad(told("offer")), 1, 32, 1088) as [Bytes, Bytes, Bytes, Bytes];
  const { share, key } = spake2(password, littleEndian(told("newcomer_scalar_seed")) % ORDER, offered);
  const kem = ml_kem768.keygen(told("newcomer_kem_seed"));
  assert.equal(hex(unpad(told("hello"))), hex(join(u(1, 1), share, kem.publicKey)));
  const secret = join(key, ml_kem768.decapsulate(ciphertext, kem.secretKey));
  const opened = (name: string, number: number, sealed: Bytes) =>
    chacha20poly1305(hkdf(secret, salt, name), new Uint8Array(12), u(1, number)).decrypt(sealed);
  assert.equal(hex(opened("offer", 2, box)), hex(readAccountId(vectors.linking["account"] ?? "")));
  assert.match(Buffer.from(opened("request", 3, unpad(told("request")).slice(1))).toString("latin1"), /\x07kitchen$/);
  const approval = opened("approval", 4, unpad(told("approval")).slice(1));
  assert.equal(hex(approval), vectors.linking["approval_content"]);
  const check = integer(hkdf(secret, salt, "check").slice(0, 4)) % 1000000n;
  assert.equal(check.toString().padStart(6, "0"), vectors.linking["check"]);
});
