import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { REQUESTS_PER_SECOND_MIN } from "../../../src/core/limits/poll-ceilings.ts";
import type { ProviderVersion } from "../../../src/providers/compile/provider.ts";
import type { Database } from "../../../src/store/db/database.ts";
import { deleteProvider } from "../../../src/store/connections/delete-provider.ts";
import { loadProviders } from "../../../src/store/connections/load-providers.ts";
import { putProvider } from "../../../src/store/connections/put-provider.ts";
import { exampleProvider, exampleSource } from "../../providers/example-provider.ts";
import { openTestDatabase } from "../../support/database.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { builtInProviders, providersOn } from "../../support/providers.ts";
import { PROJECT_ID, uuids } from "../../support/rows.ts";

const OTHER_PROJECT_ID = uuids(Date.now(), 0);

let database: Database;
let drop: () => Promise<void>;
beforeEach(async () => {
  ({ database, drop } = await openTestDatabase());
});
afterEach(() => drop());

function openDirectory(files: readonly ProviderVersion[] = []) {
  const changed: string[] = [];
  const onChange = (projectId: string, name: string) => void changed.push(`${projectId} ${name}`);
  const directory = providersOn(database, new FakeClock(), { files, onChange });
  return { directory, changed };
}

async function put(title: string, definition: object = exampleSource): Promise<string> {
  const id = uuids(Date.now(), 0);
  await putProvider(database, {
    id,
    projectId: PROJECT_ID,
    name: exampleSource.name,
    definition: JSON.stringify({ ...definition, title }),
    keyId: null,
    isSame: () => false,
    namesMax: 10,
    versionsMax: 1000,
  });
  return id;
}

const titleOf = (known: ProviderVersion | null) => known?.provider.title ?? null;

describe("a provider of a project's own", () => {
  test("a project's own provider is found by that project alone", async () => {
    await put("Own");
    const { directory } = openDirectory();
    await directory.refresh();
    expect(directory.find(PROJECT_ID, "example")).toMatchObject({
      source: "project",
      version: { number: 1 },
    });
    expect(directory.find(OTHER_PROJECT_ID, "example")).toBeNull();
    const namesFor = (projectId: string) =>
      directory.list(projectId).map(({ provider }) => provider.name);
    const builtIn = [...builtInProviders().keys()];
    expect(namesFor(OTHER_PROJECT_ID)).toEqual(builtIn.toSorted());
    expect(namesFor(PROJECT_ID)).toEqual([...builtIn, "example"].toSorted());
  });

  test("a provider just created by another node is found by one read for all who ask", async () => {
    const { directory } = openDirectory();
    await directory.refresh();
    await put("Own");
    expect(directory.find(PROJECT_ID, "example")).toBeNull();
    const found = await Promise.all(
      [1, 2, 3].map(() => directory.findFresh(PROJECT_ID, "example")),
    );
    expect(found.map(titleOf)).toEqual(["Own", "Own", "Own"]);
  });

  test("a provider is kept fresh, and each change is reported once", async () => {
    const { directory, changed } = openDirectory();
    await put("One");
    await directory.refresh();
    await put("Two");
    await directory.refresh();
    await directory.refresh();
    expect(titleOf(directory.find(PROJECT_ID, "example"))).toBe("Two");
    expect(changed).toEqual([`${PROJECT_ID} example`, `${PROJECT_ID} example`]);
    await deleteProvider(database, { projectId: PROJECT_ID, name: "example" });
    await directory.refresh();
    expect(directory.find(PROJECT_ID, "example")).toBeNull();
    expect(changed).toHaveLength(3);
  });

  test("a project's provider takes precedence over a shared one of its name, which is back when it is deleted", async () => {
    const file: ProviderVersion = {
      name: "example",
      provider: exampleProvider({ title: "File" }),
      written: {},
      source: "file",
      version: { id: uuids(Date.now(), 0), number: 1, createdAtMs: 0 },
    };
    const { directory } = openDirectory([file]);
    expect(titleOf(directory.find(PROJECT_ID, "example"))).toBe("File");
    await put("Own");
    await directory.refresh();
    expect(titleOf(directory.find(PROJECT_ID, "example"))).toBe("Own");
    expect(titleOf(directory.find(OTHER_PROJECT_ID, "example"))).toBe("File");
    await deleteProvider(database, { projectId: PROJECT_ID, name: "example" });
    await directory.refresh();
    expect(titleOf(directory.find(PROJECT_ID, "example"))).toBe("File");
  });

  test("a provider that this release can't read counts as unknown", async () => {
    await put("Own", { ...exampleSource, from_a_later_release: true });
    const { directory } = openDirectory();
    await directory.refresh();
    expect(directory.find(PROJECT_ID, "example")).toBeNull();
    expect(await loadProviders(database, 0)).toHaveLength(1);
  });
});

describe("the definition that a job began with", () => {
  test("a stored definition whose rate is slower than can be set today gets the slowest that can", async () => {
    const limits = { concurrency: 1, requests_per_second: 0.0001, burst: 1 };
    await put("Slow", { ...exampleSource, limits });
    const { directory } = openDirectory();
    await directory.refresh();
    const known = directory.find(PROJECT_ID, "example");
    expect(known?.provider.limits.requestsPerSecond).toBe(REQUESTS_PER_SECOND_MIN);
  });

  test("a definition without a version is the built-in one, even where a file says otherwise", () => {
    const file: ProviderVersion = {
      name: "pulse",
      provider: exampleProvider({ name: "pulse" }),
      written: {},
      source: "file",
      version: { id: uuids(Date.now(), 0), number: 1, createdAtMs: 0 },
    };
    const { directory } = openDirectory([file]);
    expect(directory.current(PROJECT_ID, "pulse")?.title).toBe("Example");
    expect(directory.ofJob("pulse", null)?.title).toBe("Pulse");
    expect(directory.ofJob("pulse", file.version?.id ?? "")?.title).toBe("Example");
    expect(directory.ofJob("absent", null)).toBeNull();
  });

  test("the definition of a job that began before this node did is read when needed", async () => {
    const older = await put("Older");
    await put("Newer");
    const { directory } = openDirectory();
    await directory.refresh();
    expect(directory.knows({ providerVersionId: older })).toBe(false);
    expect(directory.ofJob("example", older)).toBeNull();
    await directory.learn([{ providerVersionId: null }, { providerVersionId: older }]);
    expect(directory.ofJob("example", older)?.title).toBe("Older");
    expect(titleOf(directory.find(PROJECT_ID, "example"))).toBe("Newer");
  });

  test("a job's definition is read once, even if it does not exist", async () => {
    const nowhere = uuids(Date.now(), 0);
    const { directory } = openDirectory();
    await directory.learn([{ providerVersionId: nowhere }]);
    expect(directory.knows({ providerVersionId: nowhere })).toBe(true);
    expect(directory.ofJob("example", nowhere)).toBeNull();
  });
});
