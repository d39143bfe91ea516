import { expect, it } from 'vitest'
import { pageOf } from './navigation'

const links = ['/figures', '/figures/recognition', '/critical', '/sent'].map((path) => ({ path }))

it('names one link: of two that fit, the longer', () => {
  expect(pageOf(links, '/figures/recognition')?.path).toBe('/figures/recognition')
  expect(pageOf(links, '/figures')?.path).toBe('/figures')
})

it('names what a page lies under, and nothing that only begins alike', () => {
  expect(pageOf(links, '/critical/4711')?.path).toBe('/critical')
  expect(pageOf(links, '/sentences')).toBeUndefined()
})
