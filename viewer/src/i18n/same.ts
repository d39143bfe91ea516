/** English has the same keys as Chinese: `const en: Same<typeof zh>` does not compile with one missing or too many. */
export type Same<T> = { [K in keyof T]: T[K] extends string ? string : T[K] extends string[] ? string[] : Same<T[K]> }
