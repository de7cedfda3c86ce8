// What a component sees of the packs of one run: the answers to its imports, in the shape of docs/replay.md.
//
// The orders, limits and refusals are those that the comments in wit/ state.

import { byBytes, ROW_BYTES } from './packs.mjs';

/** Rows that one call may answer. */
const MAX_ROWS = 4096;
/** Records, pairs, ids, heads or packs that one call may answer or take. */
const MAX_ITEMS = 1024;
/** Bytes of records that one call may answer, unless it asks for a single record. */
const MAX_BYTES = 4 * 1024 * 1024;

/** Answers for `indexing.index`: all the packs are pushed to a repo that has nothing yet. */
export function pushed(packs) {
  return answers(packs, {
    heads: [],
    headsGivenBy: (pack) => pack.heads,
    history: () => [],
    known: (ids) => ids.map(() => false),
  });
}

/**
 * Answers for `consolidation.plan`: the packs are those of a repo whose branches stand at `heads`. Planning needs no
 * more of the index. A component that asks for more ends its run, since any answer would be made up.
 */
export function stored(packs, heads) {
  const noIndex = () => {
    throw new Error('the component asks for an index, and this host keeps none');
  };
  return answers(packs, { heads, headsGivenBy: () => [], history: noIndex, known: noIndex });
}

/** The order in which a consolidation sees packs: a record that several of them hold is copied from the largest. */
export function inOrder(packs) {
  return [...packs].sort((a, b) => b.records.length - a.records.length || byBytes(a.key, b.key));
}

/** Why a call is refused: an access-error of the WIT. */
class Refusal extends Error {
  constructor(reason) {
    super('the call is refused');
    this.reason = reason;
  }
}

/** Gives `answer(call, args)`, as `Component.start` wants it. */
function answers(packs, repo) {
  const packAt = (number) => {
    if (number >= packs.length) throw new Refusal({ 'no-such-pack': number });
    return packs[number];
  };
  const recordAt = (span) => {
    const record = packAt(span.pack).recordAt(span);
    if (record === undefined) throw new Refusal({ 'not-a-record': span });
    return record;
  };

  const calls = {
    'storage.directory-rows': ({ pack, first, limit }) => {
      const { records, directory } = packAt(pack);
      if (first > records.length) throw new Refusal({ 'out-of-range': { pack, offset: first, length: limit } });
      return directory.subarray(first * ROW_BYTES, (first + Math.min(limit, MAX_ROWS)) * ROW_BYTES);
    },

    'storage.read-records': ({ spans }) => {
      let bytes = 0;
      for (const span of spans) {
        if (recordAt(span).kind === 'object') throw new Refusal({ 'not-a-record': span });
        bytes += span.length;
      }
      if (bytes > MAX_BYTES && spans.length > 1) throw new Refusal({ 'too-much': MAX_ITEMS });
      refuseMore(spans, MAX_ITEMS);
      return spans.map((span) => packs[span.pack].read(span.offset, span.length));
    },

    'storage.compare-records': ({ pairs }) => {
      refuseMore(pairs, MAX_ITEMS);
      pairs.flat().forEach(recordAt);
      return pairs.map(([a, b]) => ['less', 'equal', 'greater'][compare(packs, a, b) + 1]);
    },

    'storage.branch-heads': ({ pack, first, limit }) => page(repo.headsGivenBy(packAt(pack)), first, limit),

    'database.packs': ({ first, limit }) =>
      page(packs, first, limit).map(({ key, bytes, records }) => ({ key, bytes, rows: records.length })),

    'database.heads': ({ after, limit }) => {
      const later = after === null ? repo.heads : repo.heads.filter(({ branch }) => byBytes(branch, after) > 0);
      return page(later, 0, limit);
    },

    'database.history': ({ commits, limit }) => {
      refuseMore(commits, Math.min(limit, MAX_ITEMS));
      return repo.history(commits);
    },

    'database.known': ({ ids }) => {
      refuseMore(ids, MAX_ITEMS);
      return repo.known(ids);
    },

    // Only a push to a repo that has something meets other encodings there.
    'database.rivals': () => [],
  };

  return (call, args) => {
    try {
      return { ok: calls[call](args) };
    } catch (error) {
      if (error instanceof Refusal) return { err: error.reason };
      throw error;
    }
  };
}

function refuseMore(asked, limit) {
  if (asked.length > limit) throw new Refusal({ 'too-much': limit });
}

function page(list, first, limit) {
  return list.slice(first, first + Math.min(limit, MAX_ITEMS));
}

/** Compares two records as strings of bytes, a piece at a time: objects may be large. */
function compare(packs, a, b) {
  const piece = 1024 * 1024;
  const common = Math.min(a.length, b.length);
  for (let at = 0; at < common; at += piece) {
    const length = Math.min(piece, common - at);
    const order = Buffer.compare(packs[a.pack].read(a.offset + at, length), packs[b.pack].read(b.offset + at, length));
    if (order !== 0) return order;
  }
  return Math.sign(a.length - b.length);
}
