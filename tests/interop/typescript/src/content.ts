/** Texts as devices exchange them, and where they stand in a conversation (messaging.md, 1 and 2). */

import { decode, encode } from "./messages.js";
import { type Bytes, H, hex, hmac, join, random, unhex } from "./notation.js";

const CONTENT = "essaim.messaging.v1.Content";
const LABEL = "essaim/authorship/v1";
const MOST_HEADS = 8;
const HIGHEST = 2 ** 48;

/** With one other account: what the next entry follows, and the ids that are known. In hexadecimal. */
export interface Conversation {
  position: number;
  heads: string[];
  known: string[];
}

export function newConversation(): Conversation {
  return { position: 0, heads: [], known: [] };
}

interface Content {
  messageId: Bytes;
  sentMs: string;
  body?: string;
  text?: { text: string };
  position: string;
  after: Bytes[];
}

const ENTRIES = ["text", "reaction", "edit", "unsend", "timer", "moved"];

/** A serialised Content; `with_` is the other side's identity key. */
export function writeText(
  conversation: Conversation,
  authorship: Bytes,
  with_: Bytes,
  text: string,
  nowMs: number,
): Bytes {
  const messageId = random(16);
  const [position, after] = [conversation.position + 1, conversation.heads.map(unhex)];
  const bare = encode(CONTENT, { messageId, sentMs: nowMs, text: { text }, position, after });
  follow(conversation, messageId, position, after);
  return join(bare, Uint8Array.of(0x9a, 0x01, 0x10), markOf(authorship, with_, bare));
}

/** By which the author's devices know an entry again. */
export function markOf(authorship: Bytes, conversation: Bytes, bare: Bytes): Bytes {
  return hmac(authorship, LABEL, conversation, H(LABEL, bare)).slice(0, 16);
}

/** The text, if this is one that was not known; everything else of a conversation is only kept in mind. */
export function readText(conversation: Conversation, encoded: Bytes): string | undefined {
  const content = decode<Content>(CONTENT, encoded);
  const id = hex(content.messageId);
  if (content.messageId.length !== 16 || !ENTRIES.includes(content.body ?? "")) return undefined;
  if (conversation.known.includes(id)) return undefined;
  follow(conversation, content.messageId, Math.min(Number(content.position), HIGHEST), content.after);
  return content.text?.text;
}

function follow(conversation: Conversation, id: Bytes, position: number, after: Bytes[]): void {
  const followed = after.map(hex);
  conversation.position = Math.max(conversation.position, position);
  conversation.known.push(hex(id));
  const heads = conversation.heads.filter((each) => !followed.includes(each));
  conversation.heads = [...heads, hex(id)].slice(-MOST_HEADS);
}
