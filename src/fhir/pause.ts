/** Moved: base/pause.ts. */
export * from '../base/pause.js';
