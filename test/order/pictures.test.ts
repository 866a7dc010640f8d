import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { orderingPictures } from './ordering-pictures.ts';

// npx vitest run test/order/pictures.test.ts --update draws them again.
test.each(orderingPictures())('docs/pictures/%s.svg is as the library orders', async (name, svg) => {
  await expect(svg).toMatchFileSnapshot(fileURLToPath(new URL(`../../docs/pictures/${name}.svg`, import.meta.url)));
});
