import type { RetryCause } from "../../../src/core/job/observation.ts";

/** The interpretation that Ringback must give an answer. */
export type Meaning =
  | {
      readonly running: "pending" | "processing";
      readonly progress?: unknown;
      /** The least wait before the next poll that the answer asks for. */
      readonly wait_s?: number;
      readonly next_url?: string;
      /** A status word that no rule names, as people get to see it. */
      readonly unknown_status?: string;
    }
  /** The result. */
  | { readonly completed: unknown }
  /** The error text. */
  | { readonly failed: string }
  | { readonly canceled: string }
  | { readonly expired: string }
  | { readonly retry: RetryCause; readonly says: string; readonly wait_s?: number }
  | { readonly credential_rejected: string }
  /** The request for the result: method and URL. */
  | { readonly asks: string };

export interface AnswerFixture {
  /** 200 unless given. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** A text is sent as it is. */
  readonly body: unknown;
  /** Whether no answer before it knew the job, which was accepted a second ago. */
  readonly isFirst?: boolean;
  /** The value that an earlier answer left for the rules. */
  readonly remembered?: string;
  readonly means: Meaning;
  /** When the job was created and last changed, as the answer spells it. */
  readonly times?: readonly [createdAt: string | null, updatedAt: string | null];
}

/** Documented answers of one API, and the requests that they answer. */
export interface ProviderFixtures {
  readonly provider: string;
  readonly connection?: { readonly base_url?: string; readonly credential?: string };
  readonly job: { readonly id: string; readonly params?: Readonly<Record<string, string>> };
  readonly requests: {
    /** Method and URL. */
    readonly status: string;
    readonly cancel?: string;
    /** Those that matter among the headers of the status request. */
    readonly headers: Readonly<Record<string, string>>;
    readonly body?: unknown;
  };
  /** Answers to the status request, by what they are. */
  readonly answers: Readonly<Record<string, AnswerFixture>>;
  /** Answers to the request for the result. */
  readonly results?: Readonly<Record<string, AnswerFixture>>;
}

/** A page that a proxy answers in place of a result that is any text. */
export const PAGE_AS_RESULT: AnswerFixture = {
  headers: { "content-type": "Text/HTML; charset=utf-8" },
  body: "<html>One moment, please</html>",
  means: {
    retry: "upstream_fault",
    says: "The job has completed, but its result could not be fetched: HTTP 200 (Text/HTML; charset=utf-8)",
  },
};
