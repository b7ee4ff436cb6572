/** A bounded map that keeps what is used: when the younger half is full it becomes the older one, and what was the older is dropped. */
export class Recent<K, V> {
  private young = new Map<K, V>();
  private old = new Map<K, V>();

  /** @param capacity how many entries are held at most. */
  constructor(private readonly capacity: number) {}

  get(key: K): V | undefined {
    const found = this.young.get(key);
    if (found !== undefined) return found;
    const older = this.old.get(key);
    if (older !== undefined) this.set(key, older);
    return older;
  }

  set(key: K, value: V): void {
    if (this.young.size >= this.capacity / 2 && !this.young.has(key)) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(key, value);
  }

  clear(): void {
    this.young.clear();
    this.old.clear();
  }

  delete(key: K): void {
    this.young.delete(key);
    this.old.delete(key);
  }
}
