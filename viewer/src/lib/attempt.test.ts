import { expect, test } from 'vitest'
import { useAttempt } from './attempt'

test('while it is under way it is busy, and what was wrong before is forgotten', async () => {
  const { busy, problem, attempt } = useAttempt()
  let end: () => void = () => undefined
  problem.value = 'from before'

  const under = attempt(() => new Promise<void>((resolve) => (end = resolve)))
  expect([busy.value, problem.value]).toEqual([true, null])
  end()

  expect(await under).toBe(true)
  expect([busy.value, problem.value]).toEqual([false, null])
})

test('what went wrong is kept, and it can be tried again', async () => {
  const { busy, problem, attempt } = useAttempt()
  const wrong = new Error('refused')

  expect(await attempt(() => Promise.reject(wrong))).toBe(false)
  expect([busy.value, problem.value]).toEqual([false, wrong])
  expect(await attempt(() => Promise.resolve())).toBe(true)
  expect(problem.value).toBeNull()
})
