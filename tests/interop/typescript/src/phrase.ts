/** 24 words that are an account's seed (identity.md, 1). */

import { entropyToMnemonic, mnemonicToEntropy } from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlists/english.js";

import { type Bytes, check, Refused } from "./notation.js";

export function writePhrase(seed: Bytes): string {
  return entropyToMnemonic(seed, wordlist);
}

export function readPhrase(text: string): Bytes {
  const words = text.normalize("NFKD").toLowerCase().trim().split(/\s+/);
  check(words.length === 24, "PHRASE_LENGTH");
  check(
    words.every((word) => wordlist.includes(word)),
    "PHRASE_WORD",
  );
  try {
    return mnemonicToEntropy(words.join(" "), wordlist);
  } catch {
    throw new Refused("PHRASE_CHECKSUM");
  }
}
