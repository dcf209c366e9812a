/** A place where a receiver runs, with the example for it. */
interface Platform {
  /** As its page in `docs/platforms/` is titled. */
  readonly title: string;
  /** Files of `examples/`, with the name that each gets. The first one is the receiver. */
  readonly files: Readonly<Record<string, string>>;
  /** The next step, once the files are written. */
  readonly next: string;
}

const SECRET = "WEBHOOK_SECRET=whsec_…";

/**
 * Every platform that has an example: `ringback init` offers it, `docs/platforms/` has a page about it, and
 * `npm run examples` runs it.
 */
const PLATFORMS_BY_NAME = {
  node: {
    title: "Node",
    files: { "platforms/node.mjs": "receiver.mjs" },
    next: `npm install ringback && ${SECRET} node receiver.mjs`,
  },
  express: {
    title: "Express",
    files: { "platforms/express.mjs": "receiver.mjs" },
    next: `npm install ringback express && ${SECRET} node receiver.mjs`,
  },
  fastify: {
    title: "Fastify",
    files: { "platforms/fastify.mjs": "receiver.mjs" },
    next: `npm install ringback fastify && ${SECRET} node receiver.mjs`,
  },
  hono: {
    title: "Hono",
    files: { "platforms/hono.mjs": "receiver.mjs" },
    next: `npm install ringback hono @hono/node-server && ${SECRET} node receiver.mjs`,
  },
  next: {
    title: "Next",
    files: { "platforms/next-route.mjs": "app/hook/route.js" },
    next: "npm install ringback; set WEBHOOK_SECRET in .env.local. The receiver is at /hook.",
  },
  vercel: {
    title: "Vercel functions",
    files: { "platforms/vercel.mjs": "api/hook.mjs" },
    next: "npm install ringback && npx vercel env add WEBHOOK_SECRET. The receiver is at /api/hook.",
  },
  workers: {
    title: "Cloudflare Workers",
    files: {
      "platforms/workers.mjs": "src/index.mjs",
      "platforms/wrangler.jsonc": "wrangler.jsonc",
    },
    next: "npm install ringback && npx wrangler deploy && npx wrangler secret put WEBHOOK_SECRET",
  },
  deno: {
    title: "Deno",
    files: { "platforms/deno.mjs": "receiver.mjs" },
    next: `deno add npm:ringback && ${SECRET} deno run --allow-net --allow-env receiver.mjs`,
  },
  supabase: {
    title: "Supabase functions",
    files: {
      "platforms/supabase.mjs": "supabase/functions/hook/index.ts",
      "platforms/supabase-deno.json": "supabase/functions/hook/deno.json",
    },
    next: "npx supabase secrets set WEBHOOK_SECRET=whsec_… && npx supabase functions deploy hook --no-verify-jwt",
  },
  bun: {
    title: "Bun",
    files: { "platforms/bun.mjs": "receiver.mjs" },
    next: `bun add ringback && ${SECRET} bun receiver.mjs`,
  },
  lambda: {
    title: "AWS Lambda",
    files: { "platforms/lambda.mjs": "index.mjs" },
    next: "npm install ringback; the handler is index.handler, and needs WEBHOOK_SECRET.",
  },
  fastapi: {
    title: "FastAPI",
    files: { "receivers/fastapi_app.py": "receiver.py" },
    next: `pip install fastapi uvicorn standardwebhooks && ${SECRET} python receiver.py`,
  },
  flask: {
    title: "Flask",
    files: { "receivers/flask_app.py": "receiver.py" },
    next: `pip install flask standardwebhooks && ${SECRET} python receiver.py`,
  },
  go: {
    title: "Go",
    files: {
      "receivers/go/main.go": "main.go",
      "receivers/go/go.mod": "go.mod",
      "receivers/go/go.sum": "go.sum",
    },
    next: `${SECRET} go run .`,
  },
  rust: {
    title: "Rust",
    files: {
      "receivers/rust/src/main.rs": "src/main.rs",
      "receivers/rust/Cargo.toml": "Cargo.toml",
    },
    next: `${SECRET} cargo run`,
  },
  java: {
    title: "Java",
    files: { "receivers/java/Receiver.java": "Receiver.java", "receivers/java/pom.xml": "pom.xml" },
    next: "mvn compile dependency:copy-dependencies; then run Receiver with WEBHOOK_SECRET set.",
  },
  php: {
    title: "PHP",
    files: { "receivers/receiver.php": "receiver.php" },
    next: `${SECRET} php -S 127.0.0.1:3000 receiver.php`,
  },
  ruby: {
    title: "Ruby",
    files: { "receivers/receiver.rb": "receiver.rb" },
    next: `gem install webrick && ${SECRET} ruby receiver.rb`,
  },
} as const satisfies Readonly<Record<string, Platform>>;

export type PlatformName = keyof typeof PLATFORMS_BY_NAME;

export const PLATFORMS: Readonly<Record<PlatformName, Platform>> = PLATFORMS_BY_NAME;

export const PLATFORM_NAMES = Object.keys(PLATFORMS) as readonly PlatformName[];
