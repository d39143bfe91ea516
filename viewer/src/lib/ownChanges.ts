/** A form over something that others may change meanwhile: only what this person changed is sent, and nothing of theirs is undone unseen. */
import { Problem } from '@/api/client'

interface Revised {
  revision: string
}

/** Alike in what they say, in whichever order their fields came. */
const same = (one: unknown, other: unknown) => JSON.stringify(one ?? null, inOrder) === JSON.stringify(other ?? null, inOrder)
const inOrder = (_: string, value: unknown): unknown => (typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value)

/** What it is by now, where somebody else changed it since it was read. */
export function currentOf<T>(error: unknown): T | null {
  return error instanceof Problem && error.code === 'changed_since' ? ((error.body.current as T | undefined) ?? null) : null
}

/**
 * Sends the fields that differ from `begun`. Where somebody else changed other ones meanwhile, it is sent over theirs;
 * where they changed one of these, it fails and says so, and what is sent after that is meant.
 */
export function ownChanges<T extends Revised>(begun: T) {
  let seen = begun
  return async (body: object, send: (changes: Record<string, unknown>, revision: string) => Promise<T>): Promise<T> => {
    const own = Object.fromEntries(Object.entries(body).filter(([name, value]) => !same(value, fieldOf(begun, name))))
    for (;;) {
      try {
        return await send(own, seen.revision)
      } catch (error) {
        const current = currentOf<T>(error)
        if (!current) throw error
        const contested = Object.keys(own).some((name) => !same(fieldOf(current, name), fieldOf(seen, name)))
        seen = current
        if (contested) throw error
      }
    }
  }
}

const fieldOf = (one: object, name: string) => (one as Record<string, unknown>)[name]
