/** Writing to an account: its devices, sessions with them, envelopes until they are acknowledged (client.md, 6). */

import { readAccountId } from "./account.js";
import { type Client, DAY_MS, MINUTE_MS } from "./client.js";
import { writeText } from "./content.js";
import { type Mailbox, outbox, publicInbox } from "./mailbox.js";
import { isDormant, type Manifest, type PeerDevice, readManifest } from "./manifest.js";
import { type Bytes, check, equal, hex, join, random, u } from "./notation.js";
import { openEntry } from "./outbox_entry.js";
import { checkPin } from "./pin.js";
import { type OneTimePrekey, readOneTimePrekey, readSignedPrekeys } from "./prekeys.js";
import { claimSubject } from "./puzzle.js";
import { seal, type Session, sessionWith, start } from "./session.js";

/** Returns when a quorum has it. */
export async function send(client: Client, id: string, text: string): Promise<void> {
  const { account, device, network, store } = client;
  const identity = readAccountId(id);
  check(!equal(identity, account.identity), "OWN_ACCOUNT");
  const { devices } = await manifestOf(client, identity);
  const sessions: Session[] = [];
  for (const peer of devices.filter((each) => !isDormant(each))) sessions.push(await sessionFor(client, peer));
  const nowMs = network.clock.now();
  const content = writeText(client.conversation(identity), account.key("authorship"), identity, text, nowMs);
  const expiresMs = Math.floor((nowMs + 14 * DAY_MS - 10 * MINUTE_MS) / MINUTE_MS) * MINUTE_MS;
  for (const session of sessions) {
    const data = seal(device, session, content);
    store.state.outgoing.push({ identity, slot: session.peer.slot, expiresMs, data });
  }
  store.save(); // from here on these bytes, and no others, are stored
  await flush(client);
}

/** Stores what was sealed and not yet acknowledged, also by an earlier run. */
export async function flush({ members, store }: Client): Promise<void> {
  const { outgoing } = store.state;
  for (let next = outgoing[0]; next; next = outgoing[0]) {
    const { identity, slot, expiresMs, data } = next;
    await members.store(publicInbox(identity), { slot: u(1, slot), expiresMs, data });
    outgoing.shift();
    store.save();
  }
}

async function manifestOf({ members, store }: Client, identity: Bytes): Promise<Manifest> {
  const entries = await members.read(outbox(identity), join("manifest"));
  const read = entries.map(({ data }) => readManifest(identity, openEntry(identity, "manifest", data)));
  const [newest] = read.sort((one, other) => Number(other.version - one.version));
  check(newest !== undefined, "UNKNOWN_ACCOUNT");
  store.state.pins[hex(identity)] = checkPin(store.state.pins[hex(identity)], newest);
  return newest;
}

async function sessionFor(client: Client, peer: PeerDevice): Promise<Session> {
  const known = sessionWith(client.device, peer);
  if (known) return known;
  const [theirs, name] = [outbox(peer.identity), `prekeys/${peer.slot}`];
  const entries = await client.members.read(theirs, join(name));
  const [entry] = entries.sort((one, other) => Number(BigInt(other.version) - BigInt(one.version)));
  check(entry !== undefined, "NO_PREKEYS");
  const signed = readSignedPrekeys(peer, openEntry(peer.identity, name, entry.data));
  return start(client.device, { device: peer, signed, oneTime: await claim(client, theirs, peer) });
}

/** A one-time prekey, from any member; none: the handshake goes without. */
async function claim({ members }: Client, theirs: Mailbox, peer: PeerDevice): Promise<OneTimePrekey | undefined> {
  const claimId = random(16);
  let asked = random(0);
  const request = ({ id }: { id: Bytes }) => {
    asked = id;
    return theirs.claimPrekey(u(1, peer.slot), claimId);
  };
  const subject = ({ id }: { id: Bytes }) => claimSubject(id, claimId);
  const { prekey } = await members.ask<{ prekey: Bytes }>(theirs, { method: "ClaimPrekey", request, subject });
  return prekey.length > 0 ? readOneTimePrekey(peer, asked, prekey) : undefined;
}
