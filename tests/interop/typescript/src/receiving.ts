/** What waits in the inbox, and what arrives (client.md, 5). */

import { writeAccountId } from "./account.js";
import { type Client, MINUTE_MS } from "./client.js";
import { readText } from "./content.js";
import { isGenuine, type Page, type StoredEnvelope } from "./mailbox.js";
import { type Bytes, check, hex, Refused } from "./notation.js";
import { open } from "./session.js";

/** A path is left after some minutes. */
const STREAM_MS = 8 * MINUTE_MS;
const PAUSE_MS = 1000;

export interface Message {
  from: string;
  text: string;
}

export async function receive(client: Client): Promise<Message[]> {
  return deal(client, await client.members.read(client.inbox, client.slot));
}

/** A quorum read, then a stream of one member; after its end, or any failure, again. `ready`: what comes, comes live. */
export async function* listen(client: Client, signal: AbortSignal, ready: () => void): AsyncGenerator<Message> {
  while (!signal.aborted) {
    try {
      yield* await receive(client);
      yield* stream(client, AbortSignal.any([signal, AbortSignal.timeout(STREAM_MS)]), ready);
    } catch (refused) {
      if (!(refused instanceof Refused)) throw refused;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      await client.network.refresh().catch(() => {}); // nobody is there: later again
    }
  }
}

async function* stream(client: Client, signal: AbortSignal, ready: () => void): AsyncGenerator<Message> {
  const { members, inbox, slot, network } = client;
  const [node] = members.of(inbox);
  check(node !== undefined, "NO_SWARM");
  const request = inbox.read("Subscribe", slot, network.clock.now());
  for await (const page of members.onion.follow<Page>(node, "Subscribe", request, signal)) {
    const whole = page.envelopes.map((told) => members.whole(inbox, node, slot, told));
    const found = (await Promise.all(whole)).filter((each) => isGenuine(inbox, slot, each));
    yield* await deal(client, found);
    ready();
  }
}

/** Opens, saves, then confirms; what does not open is confirmed too. */
async function deal(client: Client, envelopes: StoredEnvelope[]): Promise<Message[]> {
  const { dealt } = client.store.state;
  const messages: Message[] = [];
  for (const { envelopeId, data } of envelopes) {
    if (dealt.includes(hex(envelopeId))) continue;
    const opened = open(client.device, data);
    const text = opened && readText(client.conversation(opened.from.identity), opened.content);
    if (opened && text !== undefined) messages.push({ from: writeAccountId(opened.from.identity), text });
    dealt.push(hex(envelopeId));
  }
  client.store.save();
  if (envelopes.length > 0)
    await confirm(
      client,
      envelopes.map(({ envelopeId }) => envelopeId),
    );
  return messages;
}

async function confirm({ inbox, members, network, slot }: Client, ids: Bytes[]): Promise<void> {
  const request = () => inbox.confirm(slot, ids, network.clock.now());
  await members.ask(inbox, { method: "Confirm", request });
}
