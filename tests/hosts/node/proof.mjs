// What a host proves before it believes a plan. A component is only asked what goes where: that nothing is lost, and that
// nothing else gets in, is for the host to see.

import { isDeepStrictEqual } from 'node:util';
import { BadPack, KINDS, Pack } from './packs.mjs';

/**
 * Checks a plan before anything is written: what it copies is whole records of the sources, and each of their entities
 * once. Gives the records in the order of the plan, with the offset that each will have.
 */
export function admit(plan, packs) {
  const records = [];
  const entities = new Set();
  let bytes = 0;
  for (const { literal, copy } of plan.steps) {
    if (literal) {
      bytes += literal.length;
      continue;
    }
    const pack = packs[copy.pack];
    if (!pack) throw new Error(`the plan copies from pack number ${copy.pack}, and there are ${packs.length}`);
    const copied = pack.recordsIn(copy);
    if (!copied) {
      throw new Error(
        `the plan copies bytes ${copy.offset}+${copy.length} of ${pack.file}, which are not whole records`,
      );
    }
    for (const record of copied) {
      const entity = entityOf(record);
      if (entities.has(entity)) throw new Error(`the plan copies ${entity} twice`);
      entities.add(entity);
      records.push({ ...record, offset: bytes + record.offset - copy.offset });
    }
    bytes += copy.length;
  }
  const lost = packs.flatMap((pack) => pack.records).find((record) => !entities.has(entityOf(record)));
  if (lost) throw new Error(`the plan leaves out ${entityOf(lost)}`);
  if (bytes !== plan.bytes) throw new Error(`the plan claims ${plan.bytes} bytes, and its steps write ${bytes}`);
  for (const kind of KINDS) {
    const found = records.filter((record) => record.kind === kind).length;
    const claimed = plan.records[`${kind}s`];
    if (found !== claimed) throw new Error(`the plan claims ${claimed} ${kind}s, and copies ${found}`);
  }
  return records;
}

/**
 * Reads back what was written. It has to be a sound pack whose objects hash to their ids, to hold the records that were
 * admitted, in their places and encodings, and to name the heads: so no literal has added or hidden anything, and no
 * source has changed since it was scanned.
 */
export function prove(written, records, heads) {
  const pack = readBack(written.file);
  if (pack.key !== written.key) throw new Error('what was read back is not what was written');
  const wrong = pack.records.find((record, number) => !isDeepStrictEqual(record, records[number]));
  if (wrong) throw new Error(`${entityOf(wrong)} is not in the new pack as it is in its source`);
  if (pack.records.length !== records.length) {
    throw new Error(`the new pack has ${pack.records.length} records of ${records.length}`);
  }
  if (!isDeepStrictEqual(pack.heads, heads)) throw new Error("the new pack's branch heads are not the repo's");
}

function readBack(file) {
  try {
    const pack = new Pack(file);
    pack.close();
    return pack;
  } catch (error) {
    if (!(error instanceof BadPack)) throw error;
    // Without the file's name: it is gone when this is read.
    throw new Error(`the plan makes no sound pack: byte ${error.offset}: ${error.reason}`, { cause: error });
  }
}

/** Two ids are the same only if the strings are. */
function entityOf({ kind, id }) {
  return `${kind} ${id}`;
}
