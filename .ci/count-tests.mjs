// Prints `N passed, N failed` from vitest's JSON report, and exits 1 unless everything passed.
// Plain JavaScript: it has to run on whatever Node a machine has, also when the install failed.
import { existsSync, readFileSync } from "node:fs";

const [reportFile, gateStatus] = process.argv.slice(2);
const gatePassed = gateStatus === "0";
const { passed, failed } = count(reportFile);

if (failed === 0 && !gatePassed) {
  console.log(passed === 0 ? "The tests did not run." : "The run failed outside of a test.");
}
// Something failed that is not a test, or no test ran at all: never report a clean sheet for that.
const failures = failed === 0 && (!gatePassed || passed === 0) ? 1 : failed;
console.log(`${passed} passed, ${failures} failed`);
process.exitCode = failures === 0 ? 0 : 1;

/** A file that could not even be loaded has no tests of its own; it counts as one failure. */
function count(file) {
  if (!file || !existsSync(file)) return { passed: 0, failed: 0 };
  try {
    const report = JSON.parse(readFileSync(file, "utf8"));
    const brokenFiles = report.testResults.filter(
      (result) =>
        result.status === "failed" &&
        !result.assertionResults.some((assertion) => assertion.status === "failed"),
    );
    return { passed: report.numPassedTests, failed: report.numFailedTests + brokenFiles.length };
  } catch {
    return { passed: 0, failed: 1 };
  }
}
