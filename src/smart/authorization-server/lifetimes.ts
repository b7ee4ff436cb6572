/** How long things live, in seconds: the pages tell the user the same numbers. */
export const lifetimes = {
  accessToken: 3_600,
  /** Of backend services, which can ask for another one at any time. SMART asks for at most five minutes. */
  backendToken: 300,
  authorizationCode: 60,
  idToken: 3_600,
  /** With offline_access. */
  offline: 90 * 86_400,
  /** A sign-in, and whatever ends with it. */
  session: 12 * 3_600,
  interaction: 1_800,
  pushedRequest: 300,
} as const;
