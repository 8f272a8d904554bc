import { start } from '../../../services/nuwa/server.ts';

/** A Nuwa server as a process: `run-nuwa.ts <dataDir> <listen>`; prints its address. */
const [dataDir, listen] = process.argv.slice(2);
process.env.FEITIAN_LOG_LEVEL = 'silent';
const role = await start({ cluster: 'test', dataDir: dataDir!, listen: listen!, nuwa: [] });
console.log(role.address);
