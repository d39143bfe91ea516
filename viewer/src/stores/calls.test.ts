import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { useCalls } from './calls'

const soundAlarm = vi.hoisted(() => vi.fn())
const api = vi.hoisted(() => ({ get: vi.fn(), post: vi.fn() }))
vi.mock('@/lib/alarm', () => ({ soundAlarm }))
vi.mock('@/api/client', () => ({ api }))

const call = (id: string) => ({ id, called_at: '2026-11-22T08:00:00Z', task: { task_id: `task-${id}` } })

describe('a person on duty', () => {
  beforeEach(() => {
    setActivePinia(createPinia())
    vi.clearAllMocks()
  })

  it('hears each call once, however often it is read', async () => {
    const store = useCalls()
    api.get.mockResolvedValue([])
    await store.load()
    expect(soundAlarm).not.toHaveBeenCalled()
    api.get.mockResolvedValue([call('a')])
    await store.load()
    await store.load()
    expect(soundAlarm).toHaveBeenCalledTimes(1)
    api.get.mockResolvedValue([call('a'), call('b')])
    await store.load()
    expect(soundAlarm).toHaveBeenCalledTimes(2)
  })

  it('keeps the call on the page while the server is away', async () => {
    const store = useCalls()
    api.get.mockResolvedValueOnce([call('a')])
    await store.load()
    api.get.mockRejectedValueOnce(new Error('away'))
    await store.load()
    expect(store.calls).toHaveLength(1)
  })

  it('takes it, and is told when somebody else was first', async () => {
    const store = useCalls()
    api.get.mockResolvedValue([])
    api.post.mockResolvedValueOnce({})
    expect(await store.take(call('a') as never)).toBe(true)
    expect(api.post).toHaveBeenCalledWith('/tasks/task-a/claim')
    api.post.mockRejectedValueOnce(new Error('taken'))
    expect(await store.take(call('a') as never)).toBe(false)
    expect(store.problem).toBeInstanceOf(Error)
  })
})
