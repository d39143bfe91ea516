import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { KeyImage } from '@/api/keyImages'
import { useKeyImages } from './keyImages'

const image = (id: string): KeyImage => ({ id, caption: '', sop_instance_uid: '1.2', frame: 1, snapshot: false, width: 1, height: 1, sha256: '' })
let kept: KeyImage[]
let fails = false

/** A server that takes its time. */
vi.mock('@/api/keyImages', () => ({
  listKeyImages: () => later(() => kept.map((one) => ({ ...one }))),
  arrangeKeyImages: (_: string, order: { id: string; caption: string }[]) =>
    later(() => {
      if (fails) throw new Error('the line is down')
      kept = order.map(({ id, caption }) => ({ ...image(id), caption: caption.trim() }))
    }),
  takeAwayKeyImage: (_: string, id: string) => later(() => (kept = kept.filter((one) => one.id !== id))),
}))

const later = <T>(deed: () => T): Promise<T> => new Promise((done, fail) => setTimeout(() => Promise.resolve().then(deed).then(done, fail), 50))

beforeEach(() => {
  kept = ['a', 'b', 'c'].map(image)
  fails = false
  vi.useFakeTimers()
})
afterEach(() => vi.useRealTimers())

async function opened() {
  const images = useKeyImages('T')
  void images.load()
  await vi.runAllTimersAsync()
  return images
}

it('moves what was described a moment before, with its words', async () => {
  const images = await opened()
  images.typed.set('a', '右肺结节 ')
  void images.describe('a')
  void images.move('b', -1)
  await vi.runAllTimersAsync()
  expect(kept.map((one) => [one.id, one.caption])).toEqual([['b', ''], ['a', '右肺结节'], ['c', '']])
  expect(images.items.value).toEqual(kept)
  expect(images.typed.size).toBe(0)
})

it('keeps words that are being typed while an answer comes, and words that could not be kept', async () => {
  const images = await opened()
  images.typed.set('a', '结节')
  void images.describe('a')
  images.typed.set('b', '积')
  await vi.runAllTimersAsync()
  expect([...images.typed]).toEqual([['b', '积']])
  fails = true
  const settled = images.settled()
  await vi.runAllTimersAsync()
  expect(await settled).toBe(false)
  expect(images.problem.value).toBeInstanceOf(Error)
  expect([...images.typed]).toEqual([['b', '积']])
  fails = false
  const again = images.settled()
  await vi.runAllTimersAsync()
  expect(await again).toBe(true)
  expect(kept.map((one) => one.caption)).toEqual(['结节', '积', ''])
})

it('takes one away once, whoever asks twice', async () => {
  const images = await opened()
  void images.takeAway('b')
  void images.takeAway('b')
  void images.move('b', 1)
  await vi.runAllTimersAsync()
  expect(kept.map((one) => one.id)).toEqual(['a', 'c'])
  expect(images.problem.value).toBeNull()
})
