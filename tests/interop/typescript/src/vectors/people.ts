/** Alice and Bob of e2e.json, with every private key. */

import { load } from "./load.js";

export interface Person {
  words: string;
  id: string;
  identity_seed: string;
  identity: string;
  agreement_private: string;
  mailbox_secret: string;
  backup_key: string;
  public_inbox_key: string;
  outbox_key: string;
  outbox_signature_of_hello: string;
  private_inbox: { secret: string; day: number; read_key: string; write_seed: string };
  device: { id: string; signing_seed: string; agreement_private: string; slot_seed_in_mailbox_of_zeros: string };
  signed_prekey_private: string;
  signed_kem_prekey_seed: string;
  manifest_hash: string;
  manifest_entry: string;
  prekeys_entry: string;
}

export interface Vectors {
  alice: Person;
  bob: Person & { node_id: string; one_time_sealed: string; one_time_private: string };
  story: { to: string; text: string; envelope: string }[];
}

export const vectors = load<Vectors>("e2e");
