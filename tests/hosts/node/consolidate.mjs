// node consolidate.mjs COMPONENT FOLDER OUT
//
// Makes one pack, OUT, of all the packs (*.mpack) in FOLDER, and prints its key and what it holds.

import { readFileSync } from 'node:fs';
import { consolidate } from './consolidation.mjs';
import { load } from './engine.mjs';

const [component, folder, out, ...more] = process.argv.slice(2);
if (out === undefined || more.length > 0) {
  console.error('usage: node consolidate.mjs COMPONENT FOLDER OUT');
  process.exit(2);
}
try {
  console.log(JSON.stringify(consolidate(await load(readFileSync(component)), folder, out)));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
