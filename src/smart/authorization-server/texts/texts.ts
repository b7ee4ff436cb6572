/** Every word on the pages of the authorization server, in one shape for every language. */

export interface Texts {
  /** BCP 47, for `<html lang>`. */
  readonly language: string;
  /** Above every page: whose pages they are. */
  place(host: string): string;
  readonly signIn: {
    readonly title: string;
    wants(app: string, host: string): string;
    readonly name: string;
    readonly password: string;
    readonly button: string;
    readonly passkey: string;
    readonly cancel: string;
  };
  readonly problems: {
    readonly password: string;
    readonly passkey: string;
    throttled(minutes: number): string;
    readonly closed: string;
    readonly launchUsed: string;
    readonly otherUser: string;
    readonly noPatient: string;
    readonly passkeyNotAdded: string;
  };
  readonly decision: {
    title(app: string): string;
    question(app: string, isOwn: boolean): string;
    signedInAs(user: string): string;
    readonly notYou: string;
    readonly signOut: string;
    readonly whose: string;
    /** `Ada Moor, born 1984-05-02`; either may not be known. */
    patient(name: string | undefined, birthDate: string | undefined): string;
    readonly lookAbove: string;
    readonly nobody: string;
    readonly searchLabel: string;
    readonly search: string;
    readonly what: string;
    readonly whatMay: string;
    readonly untick: string;
    readonly nothing: string;
    readonly toWhom: string;
    runsAt(host: string): string;
    onDevice(scheme: string): string;
    readonly selfMade: string;
    readonly policy: string;
    readonly howLong: string;
    days(days: number): string;
    session(hours: number): string;
    readonly hour: string;
    readonly endAnyTime: string;
    readonly allow: string;
    readonly refuse: string;
  };
  readonly apps: {
    readonly title: string;
    readonly intro: string;
    readonly none: string;
    allowed(from: string, until: string): string;
    readonly end: string;
    readonly passkeys: string;
    readonly passkeysIntro: string;
    readonly noPasskeys: string;
    passkeyAdded(day: string): string;
    readonly removePasskey: string;
    readonly addPasskey: string;
  };
  readonly logout: {
    readonly title: string;
    readonly question: string;
    readonly text: string;
    readonly stay: string;
    readonly done: string;
    readonly close: string;
  };
  readonly error: { readonly title: string; readonly text: string };
  readonly scopes: ScopeWords;
}

/** Words for what a scope allows. */
export interface ScopeWords {
  readonly whoYouAre: string;
  /** Of the user herself, and of the patient in context. */
  line(facts: ScopeLine): string;
  readonly verbs: Readonly<Record<'see' | 'add' | 'change' | 'delete', string>>;
  readonly and: string;
  readonly everything: string;
  /** A type that has no word of its own. */
  otherType(words: string): string;
  onlyWhere(name: string, code: string): string;
  readonly types: Readonly<Record<string, string>>;
  readonly filters: Readonly<Record<string, string>>;
}

export interface ScopeLine {
  /** `See and add`, in the order of `verbs`; begins with a capital letter. */
  readonly verbs: string;
  readonly things: string;
  /** `own`: the user's; `patient`: the patient's in context; `all`: of every patient whom the user may see. */
  readonly whose: 'own' | 'patient' | 'all';
}
