/** A table as it is shown: texts only. */
export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface Plot {
  /** Of its file, without the extension. */
  readonly name: string;
  readonly title: string;
  readonly svg: string;
}

/** What was hoped for, and what came of it. */
export interface Verdict {
  readonly goal: string;
  readonly measured: string;
  readonly isMet: boolean;
}

/** What one part of the benchmarks came to. */
export interface Section {
  readonly title: string;
  readonly intro: string;
  readonly verdicts: readonly Verdict[];
  readonly tables: readonly Table[];
  readonly plots?: readonly Plot[];
}

/** A part of the benchmarks: does its experiments and tells what they came to. Some take flags that narrow them. */
export type Part = (flags: readonly string[]) => Promise<Section>;
