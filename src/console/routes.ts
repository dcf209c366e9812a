import type { ConsoleLink } from "../api/console-links/link.ts";
import { createLink, linkListPage, revokeAllLinks, revokeLink } from "./links/links-page.ts";
import { deliveryListPage, redeliverSelected } from "./deliveries/list-page.ts";
import { originListPage, tryOrigin } from "./deliveries/origins-page.ts";
import {
  cancelRedelivery,
  countRedelivery,
  redeliveryListPage,
  redeliveryPage,
  sendRedelivery,
} from "./deliveries/redelivery-pages.ts";
import { type ConsoleRoute, definePage, redirect } from "./http/page.ts";
import { cancelJob, extendJob, pollNow, redeliver, resultDownload } from "./jobs/actions.ts";
import { jobPage } from "./jobs/job-page.ts";
import { resultPage } from "./jobs/result-page.ts";
import { jobListPage } from "./jobs/list-page.ts";
import { subscriptionListPage } from "./jobs/subscription-list-page.ts";
import { overviewPage } from "./overview/page.ts";
import { apiKeyListPage, createApiKey, revokeApiKey } from "./settings/api-keys-page.ts";
import { auditPage } from "./settings/audit-page.ts";
import { callbackTestPage, testCallback } from "./settings/callback-test-page.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import { sandboxRoutes } from "./sandbox-page.ts";
import { eventListPage } from "./settings/events-page.ts";
import { operationalEventListPage } from "./settings/operational-events-page.ts";
import { changeProject, projectPage } from "./settings/project-page.ts";
import { rotateKey, rotateSecret, signingPage } from "./settings/signing-page.ts";
import {
  checkDefinition,
  editProviderPage,
  newProviderPage,
  putProvider,
} from "./providers/edit-page.ts";
import { providerListPage } from "./providers/list-page.ts";
import { providerPage } from "./providers/provider-page.ts";
import { providerVersionsPage } from "./providers/versions-page.ts";
import { tryProvider, tryProviderPage } from "./providers/try-page.ts";
import {
  changeCredential,
  changeLimits,
  connectionListPage,
  pauseConnection,
} from "./settings/connections-page.ts";

const home = definePage({
  path: "/",
  scope: "subscriptions:read",
  inLinks: "all",
  show: ({ link }) => Promise.resolve(redirect(link === null ? "overview" : startOf(link))),
});

/** The purpose of a link. */
function startOf({ limit }: ConsoleLink): string {
  switch (limit.kind) {
    case "project":
      return "overview";
    case "metadata":
      return "subscriptions";
    case "subscription":
      return `jobs/${limit.jobId}`;
  }
}

/**
 * Every page and every action of people who are signed in.
 * @param sandbox null where it is off
 */
export function consoleRoutes(sandbox: Sandbox | null): readonly ConsoleRoute[] {
  return [
    home,
    overviewPage,
    jobListPage,
    jobPage,
    pollNow,
    extendJob,
    cancelJob,
    redeliver,
    resultDownload,
    resultPage,
    subscriptionListPage,
    deliveryListPage,
    redeliverSelected,
    redeliveryListPage,
    redeliveryPage,
    countRedelivery,
    sendRedelivery,
    cancelRedelivery,
    originListPage,
    tryOrigin,
    connectionListPage,
    pauseConnection,
    changeCredential,
    changeLimits,
    providerListPage,
    newProviderPage,
    providerPage,
    providerVersionsPage,
    tryProviderPage,
    tryProvider,
    editProviderPage,
    checkDefinition,
    putProvider,
    eventListPage,
    operationalEventListPage,
    callbackTestPage,
    testCallback,
    apiKeyListPage,
    createApiKey,
    revokeApiKey,
    signingPage,
    rotateSecret,
    rotateKey,
    projectPage,
    changeProject,
    auditPage,
    linkListPage,
    createLink,
    revokeLink,
    revokeAllLinks,
    ...(sandbox === null ? [] : sandboxRoutes(sandbox)),
  ];
}
