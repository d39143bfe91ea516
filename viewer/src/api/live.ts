/** One event stream for the whole page; when it is away, a poll every 15 s, so that nobody waits for a reload. */
import { onScopeDispose } from 'vue'
import type { Topic } from './types'

const POLL_MS = 15_000
const RETRY_MS = [1_000, 2_000, 5_000, 10_000, 30_000]

type Listener = (topics: Topic[]) => void

const listeners = new Set<Listener>()
let source: EventSource | null = null
let timer: ReturnType<typeof setTimeout> | null = null
let poll: ReturnType<typeof setInterval> | null = null
let failures = 0

function tell(topics: Topic[]): void {
  for (const listener of [...listeners]) listener(topics)
}

function everything(): void {
  if (!document.hidden) tell(['worklist', 'returns', 'system', 'held', 'patients', 'duty', 'lab', 'critical', 'devices'])
}

function pollInstead(on: boolean): void {
  if (on && poll === null) poll = setInterval(everything, POLL_MS)
  if (!on && poll !== null) {
    clearInterval(poll)
    poll = null
  }
}

function open(): void {
  source = new EventSource('/api/v1/events')
  source.onopen = () => {
    if (failures > 0) everything()
    failures = 0
    pollInstead(false)
  }
  source.addEventListener('changed', (event) => {
    const data = JSON.parse((event as MessageEvent<string>).data) as { topics: Topic[] }
    tell(data.topics)
  })
  source.onerror = () => {
    source?.close()
    source = null
    pollInstead(true)
    timer = setTimeout(open, RETRY_MS[Math.min(failures, RETRY_MS.length - 1)])
    failures += 1
  }
}

function close(): void {
  source?.close()
  source = null
  if (timer !== null) clearTimeout(timer)
  timer = null
  pollInstead(false)
  failures = 0
}

/** Calls back when something of these topics may have changed; ends with the component. */
export function onChanged(topics: Topic[], then: () => void): void {
  const listener: Listener = (changed) => {
    if (changed.some((topic) => topics.includes(topic))) then()
  }
  if (listeners.size === 0) open()
  listeners.add(listener)
  onScopeDispose(() => {
    listeners.delete(listener)
    if (listeners.size === 0) close()
  })
}
