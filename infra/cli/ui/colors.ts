import picocolors from 'picocolors';

/**
 * Colours for people who look at a terminal. Where output goes into a pipe or a file there are none unless FORCE_COLOR asks for them; the
 * library by itself would also colour whatever runs under CI.
 */
const { FORCE_COLOR } = process.env;
const forced = FORCE_COLOR !== undefined && FORCE_COLOR !== '' && FORCE_COLOR !== '0';

export const colors = picocolors.createColors(picocolors.isColorSupported && (forced || process.stdout.isTTY === true));
