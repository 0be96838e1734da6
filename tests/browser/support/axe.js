/* What axe-core complains about on a page. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** All rules, also those that are only good practice. Calm first: half a motion has half a contrast. */
export async function complaints(page) {
  await page.evaluate(AXE);
  const found = await page.evaluate(async () => {
    await Promise.allSettled(document.getAnimations({ subtree: true })
      .filter((motion) => motion.effect.getComputedTiming().endTime < Infinity).map(({ finished }) => finished));
    const { violations, passes } = await window.axe.run(document, { resultTypes: ['violations'] });
    const words = violations.flatMap(({ id, nodes }) =>
      nodes.map(({ html, any }) => `${id}: ${html} ${any[0]?.message || ''}`));
    return { words, passed: passes.length };
  });
  assert.ok(found.passed > 20, 'the rules were applied');
  return found.words;
}
