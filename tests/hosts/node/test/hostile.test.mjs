// A component that is honest but for one misdeed, which a branch of the repo names: components/hostile. Here are those
// that a consolidation meets and that end by themselves; this host sets no limits to the others.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { consolidate } from '../consolidation.mjs';
import { component, encode, folder, HOSTILE, object, sha256 } from './helpers.mjs';

const MISDEEDS = {
  'drops-an-object': /the plan leaves out object/,
  'repeats-an-object': /the plan copies object [0-9a-f]{64} twice/,
  // Not by a check of its own: the offset is beyond 2^53.
  'outside-a-pack': /is beyond 2\^53/,
  'another-repos-pack': /the plan copies from pack number 4294967295, and there are 2/,
  'half-a-record': /which are not whole records/,
  invents: /the plan leaves out tag v1/,
  'moves-a-branch': /branch heads are not the repo's/,
  'counts-wrong': /the plan claims 3 objects, and copies 2/,
  'sizes-wrong': /the plan claims \d+ bytes, and its steps write \d+/,
  'claims-endless-steps': /is beyond 2\^53/,
  'gives-no-steps': /claims \d+ of consolidation\.steps, and gives 0/,
  'gives-too-many-steps': /claims \d+ of consolidation\.steps, and gives \d+/,
  'pages-backwards': /the plan makes no sound pack: byte 0: /,
  traps: /the component was stopped: .*unreachable/,
  'traps-in-pages': /the component was stopped: .*unreachable/,
  'asks-for-content': /there is no plan: \{"access":\{"not-a-record":/,
  'asks-for-nonsense': /is beyond 2\^53/,
};

test('no misdeed leaves a pack behind', async (t) => {
  const engine = await component(HOSTILE);
  const reference = await component();
  const [a, b] = ['a', 'b'].map(object);
  const snapshot = { snapshot_id: sha256('s'), manifest: { a: a.object_id, b: b.object_id } };
  const commit = { commit_id: sha256('c'), snapshot_id: snapshot.snapshot_id };
  const told = (misdeed) =>
    folder(t, {
      '1.mpack': encode({
        commits: [commit],
        snapshots: [snapshot],
        objects: [a, b],
        tags: [{ tag_id: 'v1', commit_id: commit.commit_id }],
        branch_heads: { [`hostile-${misdeed}`]: commit.commit_id },
      }),
      '2.mpack': encode({ objects: [b] }),
    });

  const honest = told('nothing');
  assert.deepEqual(
    consolidate(engine, honest, join(honest, 'out')),
    consolidate(reference, honest, join(honest, 'out')),
  );
  for (const [misdeed, why] of Object.entries(MISDEEDS)) {
    const path = told(misdeed);
    assert.throws(() => consolidate(engine, path, join(path, 'out')), why, misdeed);
    assert.deepEqual(readdirSync(path).sort(), ['1.mpack', '2.mpack'], misdeed);
  }
});
