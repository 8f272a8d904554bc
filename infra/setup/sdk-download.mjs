/** Child process of fetch-sdk.ts: `node sdk-download.mjs dev-server|time-skipping <directory>`. */
const [server, downloadDir] = process.argv.slice(2);
try {
  const { TestWorkflowEnvironment } = await import('@temporalio/testing');
  const options = { server: { executable: { type: 'cached-download', downloadDir } } };
  const environment = await (server === 'dev-server'
    ? TestWorkflowEnvironment.createLocal(options)
    : TestWorkflowEnvironment.createTimeSkipping(options));
  await environment.teardown();
  process.exit(0);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
