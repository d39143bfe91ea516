import { common } from './common'
import { shell } from './shell'

export const zh = { ...common, shell }

/** English has the same keys: the type says so, and src/i18n/i18n.test.ts checks placeholders too. */
export type Messages = Same<typeof zh>
type Same<T> = { [K in keyof T]: T[K] extends string ? string : Same<T[K]> }
