import assert from "node:assert/strict";
import { test } from "node:test";

import { Account } from "../account.js";
import { readCertificate, readManifest } from "../manifest.js";
import { hex, unhex } from "../notation.js";
import { load } from "./load.js";

interface Vectors {
  seed: string;
  keys: { [purpose: string]: string };
  identity: string;
  manifests: { version: number; hash: string; manifest: string; certificates: { [slot: string]: string } }[];
}

const { seed, keys, identity, manifests } = load<Vectors>("identity");

test("keys of an account follow from its seed", () => {
  const account = new Account(unhex(seed));
  assert.equal(hex(account.identity), identity);
  for (const [purpose, key] of Object.entries(keys)) {
    assert.equal(hex(account.key(purpose as Parameters<Account["key"]>[0])), key);
  }
});

test("manifests of several devices, each naming those before", () => {
  const read = manifests.map(({ manifest }) => readManifest(unhex(identity), unhex(manifest)));
  for (const [at, { version, hash, devices, previous }] of read.entries()) {
    assert.deepEqual([Number(version), hex(hash), devices.length], [at, manifests[at]?.hash, at + 1]);
    assert.deepEqual(
      previous.map(hex),
      read
        .slice(0, at)
        .reverse()
        .map((each) => hex(each.hash)),
    );
    for (const certificate of Object.values(manifests[at]?.certificates ?? {})) {
      assert.equal(hex(readCertificate(unhex(certificate)).manifestHash), manifests[at]?.hash);
    }
  }
  const altered = unhex(manifests[2]?.manifest ?? "");
  altered[altered.length - 1] = (altered[altered.length - 1] as number) ^ 1;
  assert.throws(() => readManifest(unhex(identity), altered), { reason: "MANIFEST_REFUSED" });
});
