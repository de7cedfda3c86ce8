// node replay.mjs COMPONENT TAPE…
//
// Runs what is on tapes again, and prints for each whether the component did the same. Exit code 4: it did something
// else; 1: a tape is damaged. Where both happen, 4.

import { readFileSync } from 'node:fs';
import { load } from './engine.mjs';
import { DamagedTape, readTape, replay } from './tape.mjs';

const [file, ...tapes] = process.argv.slice(2);
if (tapes.length === 0) {
  console.error('usage: node replay.mjs COMPONENT TAPE…');
  process.exit(2);
}
let diverged = false;
let failed = false;
try {
  const component = await load(readFileSync(file));
  for (const path of tapes) {
    try {
      const tape = readTape(path);
      if (tape.component !== component.digest) {
        console.error(`note: ${path} was recorded with ${tape.component}, and this is ${component.digest}`);
      }
      const { calls, divergence } = replay(component, tape);
      console.log(JSON.stringify({ tape: path, calls, ok: divergence === null, divergence }));
      diverged ||= divergence !== null;
    } catch (error) {
      if (!(error instanceof DamagedTape)) throw error;
      console.error(error.message);
      failed = true;
    }
  }
} catch (error) {
  console.error(error.message);
  failed = true;
}
process.exitCode = diverged ? 4 : failed ? 1 : 0;
