import { html } from "hono/html";
import { publicId } from "../../core/ids/ids.ts";
import type { SigningKey, SigningSecret } from "../../api/models.ts";
import type { Page } from "../http/gateway-api.ts";
import { defineAction, definePage, type PageRequest, redirect } from "../http/page.ts";
import { badge } from "../view/badge.ts";
import { confirmButton, select } from "../view/forms.ts";
import type { Markup } from "../view/markup.ts";
import { card, copy, mono, table } from "../view/parts.ts";
import { time } from "../view/time.ts";

const ADMIN = { scope: "admin", back: () => "signing" } as const;

const OVERLAPS = [
  { value: "86400", text: "For one day" },
  { value: "604800", text: "For seven days" },
  { value: "3600", text: "For one hour" },
  { value: "0", text: "None: the old one leaked" },
] as const;

/** The secrets and keys that sign callbacks. */
export const signingPage = definePage({
  path: "/signing",
  scope: "admin",
  async show(request) {
    const { api, caller } = request;
    const [secrets, keys] = await Promise.all([
      api.get<Page<SigningSecret>>("/v1/signing-secrets"),
      api.get<Page<SigningKey>>("/v1/signing-keys", {
        project: publicId("project", caller.projectId),
      }),
    ]);
    return {
      kind: "page",
      title: "Signing",
      section: "signing",
      body: html`<header class="title"><h1>Signing</h1></header>
        <p class="lead">
          Receivers verify callbacks with the secret (<code>v1</code>) or with the public key
          (<code>v1a</code>). After a rotation, callbacks carry the signatures of both for a while,
          so that receivers can switch one by one.
        </p>
        ${card("Secrets", secretTable(secrets.data), rotateButton("secret", request))}
        ${card("Public keys", keyTable(keys.data), rotateButton("key", request))}`,
    };
  },
});

export const rotateSecret = rotation("secret", "signing-secrets");
export const rotateKey = rotation("key", "signing-keys");

function rotation(name: "secret" | "key", resource: string) {
  return defineAction({
    ...ADMIN,
    path: `/signing/rotate-${name}`,
    async act({ api, form }) {
      const overlap_s = Number(form.get("overlap_s") ?? OVERLAPS[0].value);
      await api.send("POST", `/v1/${resource}/rotate`, { overlap_s });
      return redirect("signing", `Callbacks are signed with a new ${name} from now on.`);
    },
  });
}

function secretTable(secrets: readonly SigningSecret[]): Markup {
  return table(
    "Signing secrets, the current one first",
    [
      { title: "State", cell: (one) => state(one) },
      { title: "Secret", cell: ({ secret, id }) => hiddenSecret(secret, id) },
      { title: "Created", cell: (one) => time(one.created_at) },
      { title: "Signs until", cell: (one) => time(one.expires_at) },
    ],
    secrets,
  );
}

/** Shown only on request, so that it is not visible to anyone who passes by the screen. */
function hiddenSecret(secret: string, id: string): Markup {
  return html`<details id="secret-${id}">
    <summary>Show</summary>
    ${mono(secret)} ${copy(secret)}
  </details>`;
}

function keyTable(keys: readonly SigningKey[]): Markup {
  return table(
    "Public signing keys, the current one first",
    [
      { title: "State", cell: (one) => state(one) },
      { title: "Public key", cell: (one) => mono(one.public_key, { isCopied: true }) },
      { title: "Created", cell: (one) => time(one.created_at) },
      { title: "Signs until", cell: (one) => time(one.expires_at) },
    ],
    keys,
  );
}

function state({ is_current: isCurrent }: { readonly is_current: boolean }): Markup {
  return isCurrent ? badge("current", "good") : badge("replaced", "warn");
}

function rotateButton(name: "secret" | "key", { links, csrfToken }: PageRequest): Markup {
  return confirmButton({
    id: `rotate-${name}`,
    to: links.to(`signing/rotate-${name}`),
    csrfToken,
    label: "Rotate…",
    question: `A new ${name} is made, and signs every callback from now on.`,
    fields: select("overlap_s", "The old one signs along", OVERLAPS, OVERLAPS[0].value),
    confirm: `Rotate the ${name}`,
  });
}
