import { describe, expect, it } from 'vitest'
import { mergeRows, step } from './rows'

const row = (id: string, state = 'waiting') => ({ id, state })
const keyOf = (one: { id: string }) => one.id

describe('a live list', () => {
  it('updates rows where they stand', () => {
    const merged = mergeRows([row('a'), row('b')], [row('b', 'claimed'), row('a')], keyOf)
    expect(merged.shown).toEqual([row('a'), row('b', 'claimed')])
    expect(merged.fresh).toEqual([])
  })

  it('holds new rows back and counts them', () => {
    const merged = mergeRows([row('a')], [row('urgent'), row('a'), row('c')], keyOf)
    expect(merged.shown.map(keyOf)).toEqual(['a'])
    expect(merged.fresh.map(keyOf)).toEqual(['urgent', 'c'])
  })

  it('keeps rows that left in their place, marked', () => {
    const merged = mergeRows([row('a'), row('b')], [row('b')], keyOf)
    expect(merged.shown.map(keyOf)).toEqual(['a', 'b'])
    expect([...merged.gone]).toEqual(['a'])
  })

  it('moves the selection without leaving the list', () => {
    expect(step(0, -1, 3)).toBe(0)
    expect(step(2, 1, 3)).toBe(2)
    expect(step(-1, 1, 3)).toBe(0)
    expect(step(0, 1, 0)).toBe(-1)
  })
})
