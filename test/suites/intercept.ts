/** `real` with some methods replaced. */
export function intercept<T extends object>(real: T, replaced: Partial<T>): T {
  return new Proxy(real, {
    get: (target, key) => {
      const member = (replaced as Record<PropertyKey, unknown>)[key] ?? (target as Record<PropertyKey, unknown>)[key];
      return typeof member === 'function' ? (member as (...args: unknown[]) => unknown).bind(target) : member;
    },
  });
}
