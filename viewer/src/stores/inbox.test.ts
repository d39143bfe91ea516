import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, expect, test, vi } from 'vitest'
import { useInbox } from './inbox'

let critical: { id: string }[] = []
let answer = 200
const tones: number[] = []

class Sound {
  currentTime = 0
  destination = {}
  createOscillator() {
    return { frequency: { value: 0 }, connect: (to: object) => to, start: (at: number) => tones.push(at), stop: () => undefined }
  }
  createGain() {
    return { gain: { setValueAtTime: () => undefined, exponentialRampToValueAtTime: () => undefined }, connect: (to: object) => to }
  }
  close = () => Promise.resolve()
}

beforeEach(() => {
  setActivePinia(createPinia())
  critical = []
  answer = 200
  tones.length = 0
  vi.stubGlobal('AudioContext', Sound)
  vi.stubGlobal('fetch', (path: string) =>
    Promise.resolve(new Response(JSON.stringify(path.includes('critical') ? { items: critical, next_cursor: null } : { items: [], next_cursor: null, counts: { delivered: 3 } }), { status: answer, headers: { 'Content-Type': 'application/json' } })),
  )
})

test('the number is what nobody has opened, and stays while the gateway is away', async () => {
  const inbox = useInbox()
  await inbox.load(false)
  answer = 503
  await inbox.load(false)
  expect(inbox.unread).toBe(3)
})

test('a critical report sounds once when it comes, and not for what lay there before', async () => {
  const inbox = useInbox()
  critical = [{ id: 'old' }]
  await inbox.load(true)
  expect(tones).toHaveLength(0)
  critical = [{ id: 'new' }, { id: 'old' }]
  await inbox.load(true)
  await inbox.load(true)
  expect(tones).toHaveLength(2) // two tones, once
})
