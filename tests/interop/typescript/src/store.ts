/** What a client keeps, in one file: encrypted under a passphrase, replaced as a whole, open in one process. */

import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { scryptSync } from "node:crypto";
import * as fs from "node:fs";
import path from "node:path";

import type { Conversation } from "./content.js";
import type { DeviceState } from "./device.js";
import type { Pin } from "./pin.js";
import type { NetworkFile } from "./network.js";
import { type Bytes, check, join, random, Refused } from "./notation.js";
import type { Guard } from "./path.js";

export interface State {
  network: NetworkFile;
  seed: Bytes;
  device: DeviceState;
  view?: Bytes;
  guards: Guard[];
  published: boolean;
  /** By the other side's identity key, in hexadecimal. */
  conversations: { [identity: string]: Conversation };
  /** The newest manifest seen of an account: nothing older is believed. */
  pins: { [identity: string]: Pin };
  /** Sealed and not yet acknowledged: the same bytes are stored until they are. */
  outgoing: { identity: Bytes; slot: number; expiresMs: number; data: Bytes }[];
  /** Ids of envelopes that were dealt with, in hexadecimal. */
  dealt: string[];
}

export class Store {
  private constructor(
    private readonly file: string,
    private readonly salt: Bytes,
    private readonly key: Bytes,
    readonly state: State,
  ) {}

  static create(file: string, passphrase: string, state: State): Store {
    check(!fs.existsSync(file), "STORE_EXISTS");
    lock(file);
    const salt = random(16);
    const made = new Store(file, salt, keyOf(passphrase, salt), state);
    made.save();
    return made;
  }

  static open(file: string, passphrase: string): Store {
    check(fs.existsSync(file), "NO_STORE");
    lock(file);
    const data = new Uint8Array(fs.readFileSync(file));
    const salt = data.slice(0, 16);
    const key = keyOf(passphrase, salt);
    try {
      const plain = xchacha20poly1305(key, data.slice(16, 40)).decrypt(data.slice(40));
      return new Store(file, salt, key, JSON.parse(Buffer.from(plain).toString(), revived) as State);
    } catch {
      fs.rmSync(`${file}.lock`);
      throw new Refused("WRONG_PASSPHRASE");
    }
  }

  /** Returns when it is on the disk. */
  save(): void {
    const nonce = random(24);
    const plain = join(JSON.stringify(this.state, replaced));
    const next = `${this.file}.next`;
    fs.writeFileSync(next, join(this.salt, nonce, xchacha20poly1305(this.key, nonce).encrypt(plain)), {
      mode: 0o600,
      flush: true,
    });
    fs.renameSync(next, this.file);
    const folder = fs.openSync(path.dirname(this.file), "r");
    fs.fsyncSync(folder);
    fs.closeSync(folder);
  }

  close(): void {
    fs.rmSync(`${this.file}.lock`);
  }
}

/** Two processes would use the same message keys for different messages. */
function lock(file: string): void {
  const name = `${file}.lock`;
  try {
    const owner = Number(fs.readFileSync(name, "utf8"));
    process.kill(owner, 0); // throws when no such process is there
  } catch {
    fs.rmSync(name, { force: true });
  }
  try {
    fs.writeFileSync(name, String(process.pid), { flag: "wx" });
  } catch {
    throw new Refused("STORE_IN_USE");
  }
}

function keyOf(passphrase: string, salt: Bytes): Bytes {
  const made = scryptSync(passphrase.normalize("NFKD"), salt, 32, { N: 2 ** 15, r: 8, p: 1, maxmem: 2 ** 26 });
  return new Uint8Array(made);
}

function replaced(this: { [key: string]: unknown }, key: string, value: unknown): unknown {
  const given = this[key];
  return given instanceof Uint8Array ? { base64: Buffer.from(given).toString("base64") } : value;
}

function revived(_: string, value: { base64?: string } | null): unknown {
  return typeof value?.base64 === "string" ? new Uint8Array(Buffer.from(value.base64, "base64")) : value;
}
