/**
 * `/health/live`: the process answers. `/health/ready`: it can serve, or which dependency is away.
 *
 * Each dependency is asked at most once a second, however many ask for health.
 */

export interface Dependency {
  readonly name: 'catalog' | 'blocks' | 'chain' | 'access-log';
  /** Resolves when the dependency answers. */
  check(): Promise<unknown>;
}

export interface Readiness {
  readonly isReady: boolean;
  readonly dependencies: ReadonlyMap<string, boolean>;
}

const timeoutMs = 2_000;
const rememberedMs = 1_000;

export class Health {
  private known: { readonly at: number; readonly answer: Promise<ReadonlyMap<string, boolean>> } | undefined;
  private isDraining = false;

  constructor(private readonly dependencies: readonly Dependency[]) {}

  /** From now on not ready: a load balancer sends its requests elsewhere. */
  drain(): void {
    this.isDraining = true;
  }

  get draining(): boolean {
    return this.isDraining;
  }

  async ready(): Promise<Readiness> {
    const now = performance.now();
    if (this.known === undefined || now - this.known.at > rememberedMs) this.known = { at: now, answer: this.ask() };
    const dependencies = await this.known.answer;
    return { isReady: !this.isDraining && [...dependencies.values()].every(Boolean), dependencies };
  }

  private async ask(): Promise<ReadonlyMap<string, boolean>> {
    const answers = await Promise.all(
      this.dependencies.map(async (dependency) => [dependency.name, await isUp(dependency)] as const),
    );
    return new Map(answers);
  }
}

async function isUp({ check }: Dependency): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs);
  });
  try {
    return await Promise.race([check().then(() => true), late]);
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}
