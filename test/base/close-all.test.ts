import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { closeAll } from '../../src/base/close-all.js';

describe('closing many things', () => {
  const told: string[] = [];
  const part = (name: string, failure?: string) => async () => {
    await Promise.resolve();
    told.push(name);
    if (failure !== undefined) throw new Error(failure);
  };

  it('closes them in turn', async () => {
    await closeAll([part('door'), part('store')]);
    assert.deepEqual(told.splice(0), ['door', 'store']);
  });

  it('closes those behind one that fails, and says what failed first', async () => {
    await assert.rejects(
      closeAll([part('door'), part('log', 'disk full'), part('chain', 'away'), part('store')]),
      /disk full/,
    );
    assert.deepEqual(told.splice(0), ['door', 'log', 'chain', 'store']);
  });
});
