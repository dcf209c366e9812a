import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

/** One record of an answer. */
export interface DnsRecord {
  readonly name?: string;
  readonly type: "A" | "AAAA" | "CNAME";
  readonly value: string;
  readonly ttlS?: number;
}

/** How a question is answered; null for silence. */
export type DnsReply = {
  readonly code?: number;
  readonly records?: readonly DnsRecord[];
  /** Over UDP the records are left out, so that it is asked again over TCP. */
  readonly isTruncated?: boolean;
} | null;

export const NXDOMAIN: DnsReply = { code: 3 };
export const SERVFAIL: DnsReply = { code: 2 };
export const REFUSED: DnsReply = { code: 5 };

export interface Question {
  readonly name: string;
  readonly type: string;
  readonly transport: "udp" | "tcp";
}

export interface NameServer {
  /** As a setting names it. */
  readonly address: string;
  readonly questions: readonly Question[];
}

const TYPES: ReadonlyMap<number, string> = new Map([
  [1, "A"],
  [5, "CNAME"],
  [28, "AAAA"],
]);

/** A name server of one test on the loopback interface, over UDP and TCP. */
export async function serveNames(
  reply: (question: Question) => DnsReply | Promise<DnsReply>,
): Promise<NameServer> {
  const questions: Question[] = [];
  const answer = async (query: Buffer, transport: "udp" | "tcp"): Promise<Buffer | null> => {
    const question = { ...readQuestion(query), transport };
    questions.push(question);
    const given = await reply(question);
    return given === null ? null : interpretResponse(query, given, transport);
  };
  const tcp = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      void answer(chunk.subarray(2), "tcp").then((bytes) => {
        if (bytes === null) return;
        const length = Buffer.alloc(2);
        length.writeUInt16BE(bytes.length);
        socket.end(Buffer.concat([length, bytes]));
      });
    });
  });
  await new Promise<void>((resolve) => void tcp.listen(0, "127.0.0.1", resolve));
  const { port } = tcp.address() as AddressInfo;
  const udp = createSocket("udp4");
  let isOpen = true;
  udp.on("message", (query, from) => {
    void answer(query, "udp").then((bytes) => {
      if (bytes !== null && isOpen) udp.send(bytes, from.port, from.address);
    });
  });
  await new Promise<void>((resolve) => void udp.bind(port, "127.0.0.1", resolve));
  onTestFinished(() => {
    isOpen = false;
    udp.close();
    tcp.close();
  });
  return { address: `127.0.0.1:${port}`, questions };
}

const HEADER_BYTES = 12;

function readQuestion(query: Buffer): { readonly name: string; readonly type: string } {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return {
    name: labels.join(".").toLowerCase(),
    type: TYPES.get(query.readUInt16BE(at + 1)) ?? "?",
  };
}

function interpretResponse(
  query: Buffer,
  { code = 0, records = [], isTruncated = false }: NonNullable<DnsReply>,
  transport: "udp" | "tcp",
): Buffer {
  const isCut = isTruncated && transport === "udp";
  const sent = isCut ? [] : records;
  const { name } = readQuestion(query);
  const question = query.subarray(HEADER_BYTES, HEADER_BYTES + encodeName(name).length + 4);
  const header = Buffer.alloc(HEADER_BYTES);
  query.copy(header, 0, 0, 2);
  // An answer of a server that recurses, as asked.
  header.writeUInt16BE(0x8180 | (isCut ? 0x0200 : 0) | code, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(sent.length, 6);
  return Buffer.concat([header, question, ...sent.map((record) => encodeRecord(record, name))]);
}

function encodeRecord({ name, type, value, ttlS = 60 }: DnsRecord, asked: string): Buffer {
  const data = encodeValue(type, value);
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type === "A" ? 1 : type === "AAAA" ? 28 : 5, 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt32BE(ttlS, 4);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([encodeName(name ?? asked), fixed, data]);
}

function encodeValue(type: DnsRecord["type"], value: string): Buffer {
  switch (type) {
    case "A":
      return Buffer.from(value.split(".").map(Number));
    case "AAAA":
      return Buffer.from(
        value
          .split(":")
          .map((group) => group.padStart(4, "0"))
          .join(""),
        "hex",
      );
    case "CNAME":
      return encodeName(value);
  }
}

function encodeName(name: string): Buffer {
  const labels = name
    .split(".")
    .flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]);
  return Buffer.concat([...labels, Buffer.from([0])]);
}
