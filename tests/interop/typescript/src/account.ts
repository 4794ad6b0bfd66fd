/** An account: a seed, the keys that follow from it, and its public name (identity.md, 1). */

import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { bech32m } from "@scure/base";

import { BlindedKey } from "./blinding.js";
import { type Bytes, check, hkdf, join, Refused, u } from "./notation.js";
import { isPublicKey, PlainKey } from "./signature.js";

export class Account {
  /** Seed of the Ed25519 identity key. */
  readonly signingSeed: Bytes;
  readonly identity: Bytes;
  readonly agreement: Bytes;

  constructor(readonly seed: Bytes) {
    this.signingSeed = this.key("identity signing");
    this.identity = ed25519.getPublicKey(this.signingSeed);
    this.agreement = x25519.getPublicKey(this.key("identity agreement"));
  }

  key(purpose: "identity signing" | "identity agreement" | "mailbox" | "backup" | "authorship" | "rooms"): Bytes {
    return hkdf(this.seed, "essaim/account/v1", purpose);
  }

  get id(): string {
    return writeAccountId(this.identity);
  }

  get signer(): PlainKey {
    return new PlainKey(this.signingSeed);
  }

  /** Owner's keys of the two mailboxes that follow from the account ID (identity.md, 2). */
  get inboxKey(): BlindedKey {
    return new BlindedKey(this.signingSeed, "essaim/public/v1", this.identity);
  }

  get outboxKey(): BlindedKey {
    return new BlindedKey(this.signingSeed, "essaim/outbox/v1", this.identity);
  }
}

export function writeAccountId(identity: Bytes): string {
  return bech32m.encode("esm", bech32m.toWords(join(u(1, 1), identity)));
}

/** The identity key. */
export function readAccountId(text: string): Bytes {
  try {
    const { prefix, words } = bech32m.decode(text as `${string}1${string}`);
    const data = bech32m.fromWords(words);
    check(prefix === "esm" && data.length === 33 && data[0] === 1 && isPublicKey(data.slice(1)));
    return data.slice(1);
  } catch {
    throw new Refused("ACCOUNT_ID_REFUSED");
  }
}
