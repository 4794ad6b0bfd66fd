/** Protobuf messages by their full name, read from protos/ at the start. 64-bit integers come as decimal text. */

import { fileURLToPath } from "node:url";
import path from "node:path";
import protobuf from "protobufjs";

import { type Bytes, Refused } from "./notation.js";

const PROTOS = fileURLToPath(new URL("../../../../protos", import.meta.url));
const AREAS = ["view/v1/view", "onion/v1/request", "relay/v1/relay", "storage/v1/mailbox", "messaging/v1/content"];

const root = new protobuf.Root();
// Our options say how servers route: a client needs neither them nor the descriptor that they extend.
root.resolvePath = (_, file) => (file === "essaim/options/v1/options.proto" ? null : path.join(PROTOS, file));
root.loadSync([
  ...AREAS.map((area) => `essaim/${area}.proto`),
  "google/rpc/status.proto",
  "google/rpc/error_details.proto",
]);

export function encode(name: string, fields: object): Bytes {
  const type = root.lookupType(name);
  return new Uint8Array(type.encode(type.fromObject(fields)).finish());
}

export function decode<Message>(name: string, bytes: Bytes): Message {
  const type = root.lookupType(name);
  try {
    return type.toObject(type.decode(bytes), { longs: String, defaults: true, oneofs: true }) as Message;
  } catch {
    throw new Refused("MALFORMED");
  }
}

/** The one ErrorInfo of a google.rpc.Status. */
export function refusalOf(status: Bytes | StatusMessage, hop?: number): Refused {
  const { details = [] } = status instanceof Uint8Array ? decode<StatusMessage>("google.rpc.Status", status) : status;
  const info = details.find((each) => each.type_url.endsWith("/google.rpc.ErrorInfo"));
  if (!info) return new Refused("UNKNOWN", hop);
  const { reason, metadata } = decode<ErrorInfo>("google.rpc.ErrorInfo", info.value);
  return new Refused(reason, hop, metadata);
}

export interface StatusMessage {
  code: number;
  details?: { type_url: string; value: Bytes }[];
}

interface ErrorInfo {
  reason: string;
  metadata: { [key: string]: string };
}
