/** Looking into JSON whose shape may be wrong. */

export type JsonObject = Readonly<Record<string, unknown>>;

/** The objects of a list; none when `value` is no list. Their places in the list are kept beside them. */
export function objectsOf(value: unknown): { readonly object: JsonObject; readonly at: number }[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((object: unknown, at) =>
    typeof object === 'object' && object !== null && !Array.isArray(object)
      ? [{ object: object as JsonObject, at }]
      : [],
  );
}

/** `value` when it is a text that is not empty. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
