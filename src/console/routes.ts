import { type ConsoleRoute, definePage, redirect } from "./http/page.ts";
import { cancelJob, pollNow, redeliver, resultDownload } from "./jobs/actions.ts";
import { jobPage } from "./jobs/job-page.ts";
import { jobListPage } from "./jobs/list-page.ts";

const home = definePage({
  path: "/",
  scope: "subscriptions:read",
  show: () => Promise.resolve(redirect("jobs")),
});

/** Every page and every action of people who are signed in. */
export function consoleRoutes(): readonly ConsoleRoute[] {
  return [home, jobListPage, jobPage, pollNow, cancelJob, redeliver, resultDownload];
}
