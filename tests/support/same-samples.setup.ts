import fc from 'fast-check';

/** Property tests try the same samples in every run, so that a red one is red again; `FC_SEED=n` tries others. */
fc.configureGlobal({ seed: Number(process.env['FC_SEED'] ?? 1) });
