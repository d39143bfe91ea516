import { expect, test } from 'vitest'
import { once } from './once'

test('what is asked for twice is done once, and who waits hears how it went', async () => {
  let begun = 0
  let end: (done: boolean) => void = () => undefined
  const work = once(() => {
    begun += 1
    return new Promise((resolve) => (end = resolve))
  })

  const both = [work.start(), work.start(), work.settled()]
  end(false)

  expect(await Promise.all(both)).toEqual([false, false, false])
  expect(begun).toBe(1)
  expect(await work.settled()).toBe(true)
  void work.start()
  expect(begun).toBe(2)
})

test('work that failed can be asked for again', async () => {
  let failing = true
  const work = once(async () => {
    if (failing) throw new Error('away')
    return true
  })

  await expect(work.start()).rejects.toThrow('away')
  failing = false
  expect(await work.start()).toBe(true)
})
