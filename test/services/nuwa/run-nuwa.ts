import { start } from '../../../services/nuwa/server.ts';

/** A Nuwa server as a process: `run-nuwa.ts <dataDir> <listen> [<nuwaServer as JSON>]`; prints its address. SIGTERM stops it. */
const [dataDir, listen, nuwaServer] = process.argv.slice(2);
process.env.FEITIAN_LOG_LEVEL ??= 'silent';
const role = await start({
  cluster: 'test',
  dataDir: dataDir!,
  listen: listen!,
  nuwa: [],
  ...(nuwaServer ? { nuwaServer: JSON.parse(nuwaServer) } : {}),
});
console.log(role.address);
process.once('SIGTERM', () => void role.stop().then(() => process.exit(0)));
