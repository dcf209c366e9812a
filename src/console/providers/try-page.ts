import { html } from "hono/html";
import { ApiProblem } from "../http/gateway-api.ts";
import type { ProviderTrial, ProviderWithDefinition } from "../../api/models.ts";
import {
  type ActionRequest,
  defineAction,
  definePage,
  type PageReply,
  type PageRequest,
} from "../http/page.ts";
import { CSRF_FIELD } from "../view/forms.ts";
import { type Markup, NOTHING } from "../view/markup.ts";
import { providerHeader, problemNotice } from "./provider-parts.ts";
import { readTrialForm, type TrialForm, trialFields, trialRequestOf } from "./trial-form.ts";
import { trialView } from "./trial-view.ts";

const PATH = "/providers/:name/try";

export const tryProviderPage = definePage({
  path: PATH,
  scope: "admin",
  async show(request) {
    const { api, id, query } = request;
    const provider = await api.get<ProviderWithDefinition>(`/v1/providers/${id}`);
    const form = readTrialForm(query);
    return page(request, { provider, form, below: NOTHING });
  },
});

/** Reads an answer as a poll would, and shows each decision. Nothing is stored. */
export const tryProvider = defineAction({
  path: PATH,
  scope: "admin",
  back: ({ id }) => `providers/${id}/try`,
  async act(request) {
    const { api, id } = request;
    const provider = await api.get<ProviderWithDefinition>(`/v1/providers/${id}`);
    const form = readTrialForm(request.form);
    return page(request, { provider, form, below: await tried(request, form) });
  },
});

async function tried({ api, id }: ActionRequest, form: TrialForm): Promise<Markup> {
  try {
    const path = `/v1/providers/${id}/try`;
    return await trialView(await api.send<ProviderTrial>("POST", path, trialRequestOf(form)));
  } catch (error) {
    if (!(error instanceof ApiProblem)) throw error;
    return problemNotice(error.body);
  }
}

function page(
  request: PageRequest,
  shown: {
    readonly provider: ProviderWithDefinition;
    readonly form: TrialForm;
    readonly below: Markup;
  },
): PageReply {
  const { links, csrfToken, id } = request;
  const { provider, form, below } = shown;
  return {
    kind: "page",
    title: `Try ${provider.title}`,
    section: "providers",
    body: html`${providerHeader(provider, request, "Try")}
      <form class="fields wide" method="post" action="${links.to(`providers/${id}/try`)}">
        <input type="hidden" name="${CSRF_FIELD}" value="${csrfToken}" />
        ${trialFields(form)}
        <button class="main">Try</button>
      </form>
      ${below}`,
  };
}
