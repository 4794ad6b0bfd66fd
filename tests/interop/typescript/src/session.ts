/** Sessions with other devices: beginning one, sealing, opening (end-to-end.md, 3 and 5). */

import type { Device } from "./device.js";
import { type PeerDevice, readCertificate } from "./manifest.js";
import { type Bytes, check, equal, hex, random, Refused } from "./notation.js";
import { ENVELOPE_SIZES } from "./outbox_entry.js";
import { type Bundle, initiate, readHandshake, respond } from "./pqxdh.js";
import type { SignedPrekeys } from "./prekeys.js";
import { answer, begin, decrypt, encrypt, type Ratchet, WIRE_HEADER } from "./ratchet.js";
import { type Initial, openInitial, overhead, sealInitial } from "./sealed.js";

const MOST_WITH_A_DEVICE = 6;

export interface Session {
  peer: PeerDevice;
  ratchet: Ratchet;
  /** Of the handshake that began it. */
  ephemeral: Bytes;
  /** Until something came: every message is an initial one with this handshake. */
  unanswered?: { handshake: Bytes; prekeys: SignedPrekeys };
}

export function sessionWith(device: Device, peer: PeerDevice): Session | undefined {
  return device.state.sessions.find((session) => isWith(session, peer));
}

export function start(device: Device, bundle: Bundle): Session {
  const { handshake, agreed } = initiate(device.listed, device.state.agreement, bundle, random);
  const { ephemeral } = readHandshake(handshake);
  const unanswered = { handshake, prekeys: bundle.signed };
  return activate(device, { peer: bundle.device, ratchet: begin(agreed, bundle.signed), ephemeral, unanswered });
}

/** The envelope. Save the state before it is stored. */
export function seal(device: Device, session: Session, content: Bytes): Bytes {
  const { unanswered, ratchet, peer } = session;
  const around = unanswered ? overhead(device.certificate) : 0;
  const size = ENVELOPE_SIZES.find((each) => each >= around + WIRE_HEADER + 16 + 4 + content.length);
  check(size !== undefined, "TOO_LONG");
  const message = encrypt(ratchet, content, size - around);
  if (!unanswered) return message;
  const { handshake, prekeys } = unanswered;
  return sealInitial(prekeys, { handshake, manifestHash: peer.manifestHash, certificate: device.certificate, message });
}

/** Who wrote what, or nothing for what does not open. Save the state before it is confirmed. */
export function open(device: Device, envelope: Bytes): { from: PeerDevice; content: Bytes } | undefined {
  try {
    return openKnown(device, envelope) ?? (envelope.length > 4096 ? openBeginning(device, envelope) : undefined);
  } catch (refused) {
    if (refused instanceof Refused) return undefined;
    throw refused;
  }
}

function openKnown(device: Device, message: Bytes): { from: PeerDevice; content: Bytes } | undefined {
  for (const session of device.state.sessions) {
    const content = decrypt(session.ratchet, message);
    if (content === undefined) continue;
    delete session.unanswered;
    return { from: activate(device, session).peer, content };
  }
  return undefined;
}

function openBeginning(device: Device, envelope: Bytes): { from: PeerDevice; content: Bytes } | undefined {
  for (const pair of device.state.signedPrekeys) {
    const initial = openInitial(envelope, pair);
    if (!initial) continue;
    const known = openKnown(device, initial.message);
    return known ?? accept(device, initial);
  }
  return undefined;
}

/** A session that somebody else begins. */
function accept(device: Device, initial: Initial) {
  const { state, listed } = device;
  const handshake = readHandshake(initial.handshake);
  const pair = state.signedPrekeys.find(({ id }) => id === handshake.signedId);
  const oneTime = state.oneTimePrekeys.find(({ id }) => id === handshake.oneTimeId);
  check(!state.begun.includes(hex(handshake.ephemeral)), "REPLAYED");
  check(pair !== undefined && (handshake.oneTimeId === 0 || oneTime !== undefined), "SESSION_BROKEN");
  check(equal(initial.manifestHash, listed.manifestHash), "MANIFEST_BEHIND");
  const peer = readCertificate(initial.certificate);
  const agreed = respond(listed, state.agreement, peer, handshake, pair, oneTime?.x25519);
  const session: Session = { peer, ratchet: answer(agreed, pair), ephemeral: handshake.ephemeral };
  const content = decrypt(session.ratchet, initial.message);
  check(content !== undefined, "UNREADABLE");
  state.oneTimePrekeys = state.oneTimePrekeys.filter((each) => each !== oneTime);
  state.begun.push(hex(handshake.ephemeral));
  return { from: activate(device, session).peer, content };
}

/** Puts it before all others; of those with the same device the oldest goes. */
function activate(device: Device, session: Session): Session {
  const others = device.state.sessions.filter((each) => each !== session);
  const same = others.filter((each) => isWith(each, session.peer)).slice(MOST_WITH_A_DEVICE - 1);
  device.state.sessions = [session, ...others.filter((each) => !same.includes(each))];
  return session;
}

function isWith({ peer }: Session, { identity, deviceId }: PeerDevice): boolean {
  return equal(peer.identity, identity) && equal(peer.deviceId, deviceId);
}
