import { expect, test } from 'vitest'
import { turns } from './turns'

test('an asking is the last until another begins', () => {
  const begin = turns()
  const first = begin()
  expect(first()).toBe(true)
  const second = begin()
  expect([first(), second()]).toEqual([false, true])
})

test('two things are asked without heed of each other', () => {
  const [one, other] = [turns(), turns()]
  const asked = one()
  other()
  expect(asked()).toBe(true)
})
