/**
 * Of Consents that another server committed: it tells the chain itself, as a rule. Whether it has is looked at here after a while, and at the latest when
 * this server stops; so a Consent reaches the chain also when the server that took it was killed in between.
 */
export class LateLooks {
  private readonly waiting = new Map<NodeJS.Timeout, readonly string[]>();

  /**
   * @param look files or withdraws what is missing of a patient (ConsentPublisher.reconcile).
   * @param graceMs how long the other server has.
   */
  constructor(
    private readonly look: (patientId: string) => Promise<void>,
    private readonly graceMs: number,
    private readonly onProblem: (error: unknown) => void,
  ) {}

  /** Another server committed Consents of these patients. */
  later(patientIds: readonly string[]): void {
    if (patientIds.length === 0) return;
    const timer = setTimeout(() => {
      this.waiting.delete(timer);
      this.lookAt(patientIds).catch((error: unknown) => {
        // Tried again, or at the stop.
        this.later(patientIds);
        this.onProblem(error);
      });
    }, this.graceMs);
    timer.unref();
    this.waiting.set(timer, patientIds);
  }

  /** Looks at whatever waits, at once. @throws what `look` throws. */
  async now(): Promise<void> {
    const patientIds = new Set([...this.waiting.values()].flat());
    for (const timer of this.waiting.keys()) clearTimeout(timer);
    this.waiting.clear();
    await this.lookAt([...patientIds]);
  }

  private async lookAt(patientIds: readonly string[]): Promise<void> {
    await Promise.all(patientIds.map((patientId) => this.look(patientId)));
  }
}
