import { expect, test } from 'vitest'
import { countText } from './amount'

test('a count says where counting ended', () => {
  expect([0, 499, 500, null].map(countText)).toEqual(['0', '499', '500+', ''])
})
