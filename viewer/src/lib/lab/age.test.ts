import { expect, it } from 'vitest'
import { readAge, writeAge } from './age'

it('writes an age in the largest unit, and reads it back', () => {
  expect([28, 182, 365, 6574, 400, null].map(writeAge)).toEqual(['28d', '6m', '1y', '18y', '400d', ''])
  expect(['28d', '6M', ' 1 y ', '18y', ''].map(readAge)).toEqual([28, 182, 365, 6574, null])
  expect(readAge('old')).toBeUndefined()
})
