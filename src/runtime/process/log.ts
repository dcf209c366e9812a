import { pino, stdTimeFunctions } from "pino";
import type { DestinationStream, Logger } from "pino";
import { prettyFactory } from "pino-pretty";
import { createEchoRedactor, type EchoRedactor } from "../../core/redact/redact-echoes.ts";
import { redactJson, redactText } from "../secrets/redact.ts";
import { standardOutput } from "./standard-output.ts";

export const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const LOG_FORMATS = ["json", "pretty"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

export type Log = Logger;

/** The part of a log that takes messages with fields, as a test can implement it. */
export type MessageLog = Readonly<
  Record<"debug" | "info" | "warn" | "error", (fields: object, message: string) => void>
>;

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Secrets of this process, which no line contains in any encoding. */
  readonly secrets?: readonly string[];
  /** Standard output by default. */
  readonly destination?: DestinationStream;
}

const DEPTH_MAX = 8;
/**
 * The program's log. No secret leaves it, however careless the caller: every finished line,
 * whatever it was made from, is redacted on its way out. Lines are written before the call returns,
 * so that the last one before an exit is seen, unless what reads them has stopped doing so.
 */
export function createLog({ level, format, secrets = [], destination }: LogOptions): Log {
  const redactOwn = createEchoRedactor(secrets);
  const output =
    destination ??
    standardOutput((lines) => {
      log.warn({ lines }, "lines of this log were dropped, since they were read too slowly");
    });
  const log = pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: plainFields },
      // Errors are plain objects at this point.
      serializers: { err: (error: unknown) => error },
      hooks: { streamWrite: (line) => redactLine(line, redactOwn) },
    },
    format === "pretty" ? prettyOver(output, destination === undefined) : output,
  );
  return log;
}

function prettyOver(destination: DestinationStream, isStandardOutput: boolean): DestinationStream {
  const toPretty = prettyFactory({
    colorize: isStandardOutput && process.stdout.isTTY,
    singleLine: true,
    translateTime: "SYS:HH:MM:ss.l",
  });
  return { write: (line) => destination.write(toPretty(line)) };
}

function redactLine(line: string, redactOwn: EchoRedactor): string {
  try {
    return `${JSON.stringify(redactJson(JSON.parse(line), redactOwn))}\n`;
  } catch {
    return redactText(redactOwn(line));
  }
}

/** Keeps the parts of errors, at any depth, that JSON would drop; bytes are only counted. */
function plainFields(fields: object, depth = 0): Record<string, unknown> {
  const source = fields instanceof Error ? errorFields(fields) : fields;
  return Object.fromEntries(
    Object.entries(source).map(([name, value]) => [name, plain(value, depth + 1)]),
  );
}

function plain(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (depth > DEPTH_MAX) return "[too deep]";
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.map((item) => plain(item, depth + 1));
  return hasOwnJson(value) ? value : plainFields(value, depth);
}

function hasOwnJson(value: object): boolean {
  return "toJSON" in value && typeof value.toJSON === "function";
}

/** The fields that JSON leaves out, followed by the error's own ones (`code`, …). */
function errorFields(error: Error): Record<string, unknown> {
  const { name, message, stack, cause } = error;
  const own = Object.fromEntries(Object.entries(error));
  return { type: name, message, stack, ...(cause === undefined ? {} : { cause }), ...own };
}
