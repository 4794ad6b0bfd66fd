/** gRPC over TLS 1.3 to nodes that are known by their certificates alone (link.md, 1 and 7). */

import * as grpc from "@grpc/grpc-js";

import { refusalOf } from "./messages.js";
import { type Bytes, Refused } from "./notation.js";

const OPTIONS: grpc.ClientOptions = {
  "grpc.ssl_target_name_override": "essaim",
  "grpc.default_authority": "essaim",
  "grpc.enable_http_proxy": 0,
  "grpc.service_config_disable_resolution": 1,
  "grpc.max_send_message_length": 264192,
  "grpc.max_receive_message_length": 264192,
};

export interface Peer {
  address: string;
  /** DER. */
  certificates: Bytes[];
}

/** One connection to each node that is spoken to. */
export class Connections {
  private readonly clients = new Map<string, grpc.Client>();

  /** One message there, one back. */
  unary(peer: Peer, method: string, request: Bytes, seconds: number): Promise<Bytes> {
    const deadline = Date.now() + seconds * 1000;
    return new Promise((resolve, reject) => {
      const done = (error: grpc.ServiceError | null, reply?: Bytes) =>
        error || !reply ? reject(reasonOf(error)) : resolve(reply);
      this.client(peer).makeUnaryRequest(method, Buffer.from, identity, request, { deadline }, done);
    });
  }

  /** The messages of a server's stream. Leaving the loop cancels it; so does `signal`. */
  async *stream(peer: Peer, method: string, request: Bytes, signal?: AbortSignal): AsyncGenerator<Bytes> {
    const call = this.client(peer).makeServerStreamRequest(method, Buffer.from, identity, request);
    const cancel = () => call.cancel();
    signal?.addEventListener("abort", cancel);
    try {
      for await (const message of call) yield message as Bytes;
    } catch (error) {
      if (!signal?.aborted) throw reasonOf(error as grpc.ServiceError);
    } finally {
      signal?.removeEventListener("abort", cancel);
      cancel();
    }
  }

  close(): void {
    for (const client of this.clients.values()) client.close();
    this.clients.clear();
  }

  private client({ address, certificates }: Peer): grpc.Client {
    const name = [address, ...certificates.map((each) => Buffer.from(each).toString("base64"))].join(" ");
    const known = this.clients.get(name);
    if (known) return known;
    const roots = Buffer.from(certificates.map(pem).join(""));
    const made = new grpc.Client(address, grpc.credentials.createSsl(roots), OPTIONS);
    this.clients.set(name, made);
    return made;
  }
}

function identity(bytes: Buffer): Bytes {
  return new Uint8Array(bytes);
}

function pem(der: Bytes): string {
  return `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString("base64")}\n-----END CERTIFICATE-----\n`;
}

/** Who answers a direct call is hop -1: the guard, or whoever was asked. */
function reasonOf(error: grpc.ServiceError | null): Refused {
  const [status] = error?.metadata?.get("grpc-status-details-bin") ?? [];
  if (status instanceof Buffer) return refusalOf(new Uint8Array(status), -1);
  return new Refused(error?.code === grpc.status.DEADLINE_EXCEEDED ? "TIMEOUT" : "UNREACHABLE", -1);
}
