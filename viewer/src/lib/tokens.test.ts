import { describe, expect, it } from 'vitest'
import { endOf, stateOf, type Token } from './tokens'

const NOW = new Date('2026-11-22T08:00:00Z').getTime()
const token = (fields: Partial<Token> = {}): Token => ({
  id: 't', device_id: null, name: 'PACS', institution_id: 'i', wires: ['dicomweb'], created_at: '2026-01-01T00:00:00Z', last_used_at: null, expires_at: null, enabled: true, ...fields,
})

describe('a token', () => {
  it('is valid until it ends, is revoked, or its institution is disabled', () => {
    expect(stateOf(token(), { enabled: true }, NOW)).toBe('valid')
    expect(stateOf(token({ expires_at: '2026-11-22T08:00:01Z' }), { enabled: true }, NOW)).toBe('valid')
    expect(stateOf(token({ expires_at: '2026-11-22T08:00:00Z' }), { enabled: true }, NOW)).toBe('expired')
    expect(stateOf(token({ enabled: false, expires_at: '2020-01-01T00:00:00Z' }), { enabled: false }, NOW)).toBe('revoked')
    expect(stateOf(token(), { enabled: false }, NOW)).toBe('closed')
    expect(stateOf(token(), undefined, NOW)).toBe('valid') // not known yet
  })

  it('that ends on a day is good to the end of it, here', () => {
    expect(new Date(endOf('2026-12-31')!)).toEqual(new Date(2026, 11, 31, 23, 59, 59))
    expect(endOf('')).toBeNull()
  })
})
