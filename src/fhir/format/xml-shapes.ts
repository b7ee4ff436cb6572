/** The shapes that XML is read and written by: made once for each set of definitions. */
import type { Definitions } from '../definitions/definitions.js';
import { Shapes } from '../validation/shapes.js';

const shapesByDefinitions = new WeakMap<Definitions, Shapes>();

export function shapesOf(definitions: Definitions): Shapes {
  let shapes = shapesByDefinitions.get(definitions);
  if (!shapes) shapesByDefinitions.set(definitions, (shapes = new Shapes(definitions)));
  return shapes;
}
