/** The tokens of machines: what they are for, how they stand, and the calls that make and end them. Fields as in docs/http.md. */
import { api } from '@/api/client'
import type { Row } from '@/api/operations'
import type { Page, Time } from '@/api/types'
import type { Column } from './administration'

export const WIRES = ['dicomweb', 'upload', 'reports', 'metrics', 'recognition'] as const
export type Wire = (typeof WIRES)[number]

export interface Token {
  id: string
  name: string
  institution_id: string
  device_id: string | null
  wires: Wire[]
  created_at: Time
  last_used_at: Time | null
  expires_at: Time | null
  enabled: boolean
}
export interface NewToken {
  name: string
  institution_id: string
  device_id: string | null
  wires: Wire[]
  expires_at: Time | null
}
export type TokenState = 'valid' | 'expired' | 'revoked' | 'closed' | 'device'

export const NAME: Column = { name: 'name', type: 'text', title: 'admin.field.token_name', required: true }
export const INSTITUTION: Column = { name: 'institution_id', type: 'reference', of: 'institution', required: true, fits: (row) => row.enabled === true }
export const ENDS_ON: Column = { name: 'expires_at', type: 'date', title: 'admin.field.ends_on', empty: 'admin.token.never' }
/** What it sends is this device's: only for one that sends. */
export const deviceOf = (institution: string): Column => ({
  name: 'device_id', type: 'reference', title: 'admin.field.token_device', of: 'device', empty: 'admin.none',
  fits: (row) => row.enabled === true && row.institution_id === institution,
})

const PATH = '/tokens'
const PAGE = 500

export async function listTokens(): Promise<Token[]> {
  const all: Token[] = []
  let cursor: string | null = null
  do {
    const page: Page<Token> = await api.get<Page<Token>>(PATH, { limit: PAGE, cursor })
    all.push(...page.items)
    cursor = page.next_cursor
  } while (cursor)
  return all.reverse() // as issued; the newest is shown first
}

export const issueToken = (values: NewToken) => api.post<Token & { token: string }>(PATH, values)
export const setTokenEnabled = (id: string, enabled: boolean) => api.patch<Token>(`${PATH}/${id}`, { enabled })

/** Whether it opens a door now; of several reasons why not, the one that a person decided. */
export function stateOf(token: Token, institution: Row | undefined, now: number, device?: Row): TokenState {
  if (!token.enabled) return 'revoked'
  if (token.expires_at !== null && new Date(token.expires_at).getTime() <= now) return 'expired'
  if (device && (device.enabled === false || device.institution_id !== token.institution_id)) return 'device'
  return institution?.enabled === false ? 'closed' : 'valid'
}

/** A token that ends on a day is good to the end of that day, as it is here. */
export function endOf(day: string): Time | null {
  if (!day) return null
  const [year, month, date] = day.split('-').map(Number)
  return new Date(year!, month! - 1, date!, 23, 59, 59).toISOString()
}
