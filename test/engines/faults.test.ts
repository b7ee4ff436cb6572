/** The whole table of faults (test/faults/table.test.ts): every durable step of every procedure, in both ways, and as the last one of a process. */
process.env.FAULTS ??= 'all';
await import('../faults/table.test.js');
