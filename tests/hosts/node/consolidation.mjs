// Makes one pack of all the packs in a folder. The component says what goes where, and this host believes none of it:
// proof.mjs has what it checks.

import { createHash, randomUUID } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { inOrder, pushed, stored } from './host.mjs';
import { byBytes, Pack } from './packs.mjs';
import { admit, prove } from './proof.mjs';

/** Bytes that are copied at a time. */
const PIECE = 1024 * 1024;

/** Consolidates the packs (*.mpack) in `folder` to the file `out`. Gives the new pack's key and what it holds. */
export function consolidate(component, folder, out) {
  const packs = openPacks(folder);
  try {
    const heads = decideHeads(component, packs);
    const sources = inOrder(packs);
    const plan = planned(component, sources, heads);
    const records = admit(plan, sources);
    const key = publish(plan, sources, out, (written) => prove(written, records, heads));
    const { commits, snapshots, objects, tags } = plan.records;
    return { key, bytes: plan.bytes, commits, snapshots, objects, tags };
  } finally {
    for (const pack of packs) pack.close();
  }
}

/** The packs of a folder, by file name, each once however often it is there. */
function openPacks(folder) {
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.mpack'))
    .sort();
  if (files.length === 0) throw new Error(`${folder}: there is no *.mpack in it`);
  const packs = new Map();
  try {
    for (const file of files) {
      const pack = new Pack(join(folder, file));
      if (packs.has(pack.key)) pack.close();
      else packs.set(pack.key, pack);
    }
  } catch (error) {
    for (const pack of packs.values()) pack.close();
    throw error;
  }
  return [...packs.values()];
}

/** Where the branches stand when all the packs have been pushed. This reads every commit, snapshot and tag. */
function decideHeads(component, packs) {
  const run = component.start(pushed(packs));
  const { ok: index, err: error } = run.call('indexing.index', { pushed: packs.length, force: false });
  if (error) throw new Error(inWords(error, packs));

  const given = packs.flatMap((pack) => pack.heads);
  const choices = new Set(given.map((head) => JSON.stringify(head)));
  const invented = index.heads.find((head) => !choices.has(JSON.stringify(head)));
  if (invented) {
    throw new Error(`the component puts branch \`${invented.branch}\` at ${invented.commit}, which no pack gives`);
  }
  const expected = [...new Set(given.map(({ branch }) => branch))].sort(byBytes);
  const decided = index.heads.map(({ branch }) => branch);
  if (!isDeepStrictEqual(decided, expected)) {
    throw new Error('the component does not say of each branch, once and by name, where it stands');
  }
  return index.heads;
}

function planned(component, packs, heads) {
  const run = component.start(stored(packs, heads));
  const { ok: summary, err: error } = run.call('consolidation.plan', {});
  if (error) throw new Error(inWords(error, packs));
  // Before they are paged in: there can't be more steps than records and sections.
  const most = packs.reduce((sum, pack) => sum + pack.records.length, 8);
  if (summary.steps > most) {
    throw new Error(`the plan claims ${summary.steps} steps, and ${most} are the most there can be`);
  }
  return { ...summary, steps: run.pages('consolidation.steps', summary.steps) };
}

/** Writes the plan to a file beside `out`, and moves it there when `check` finds it right. Gives its key. */
function publish(plan, packs, out, check) {
  const partial = join(dirname(out), `.${basename(out)}.${randomUUID()}.partial`);
  try {
    const sum = createHash('sha256');
    const fd = openSync(partial, 'wx');
    try {
      for (const piece of pieces(plan, packs)) {
        sum.update(piece);
        writeFileSync(fd, piece);
      }
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    const key = `sha256:${sum.digest('hex')}`;
    check({ file: partial, key });
    renameSync(partial, out);
    return key;
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}

function* pieces(plan, packs) {
  for (const { literal, copy } of plan.steps) {
    if (literal) yield literal;
    for (let at = 0; copy && at < copy.length; at += PIECE) {
      yield packs[copy.pack].read(copy.offset + at, Math.min(PIECE, copy.length - at));
    }
  }
}

/** A plan-error of the WIT as a sentence. */
function inWords(error, packs) {
  const [[name, why]] = Object.entries(error);
  const file = (span) => packs[span.pack]?.file ?? `pack ${span.pack}`;
  const place = (span) => `${file(span)} (byte ${span.offset})`;
  switch (name) {
    case 'malformed':
      return `${file(why.at)}: byte ${why.offset}: ${why.kind} ${why.id}: ${why.reason}`;
    case 'conflicting':
      return `${why.kind} ${why.id} is not the same in ${place(why.first)} and in ${place(why.second)}: ${why.detail}`;
    case 'head-conflict':
      return why
        .map(({ branch, given }) => `branch \`${branch}\`: no head leads to all the others of ${given.join(', ')}`)
        .join('; ');
    case 'other':
      return why;
    default:
      return `there is no plan: ${JSON.stringify(error)}`;
  }
}
