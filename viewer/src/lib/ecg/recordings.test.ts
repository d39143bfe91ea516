import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { effectScope } from 'vue'
import { useEcgRecordings, type EcgRecordingItem } from './recordings'

const item = (id: string) => ({ recording_id: id, filename: `${id}.scp`, wire: 'ftp', received_at: '2026-11-22T08:00:00Z', proposal: null, problem: '' }) as EcgRecordingItem

class NoEvents {
  addEventListener(): void {}
  close(): void {}
}

describe('the recordings of an examination', () => {
  let answer: EcgRecordingItem[] = []
  const asked = vi.fn(async () => new Response(JSON.stringify(answer)))

  beforeEach(() => {
    asked.mockClear()
    vi.stubGlobal('fetch', asked)
    vi.stubGlobal('EventSource', NoEvents)
  })
  afterEach(() => vi.unstubAllGlobals())

  it('are asked for once, however many parts of the page look at them', async () => {
    answer = [item('b'), item('a')]
    const scope = effectScope()
    const [desk, report] = scope.run(() => [useEcgRecordings('e1'), useEcgRecordings('e1')])!
    await vi.waitFor(() => expect(desk!.current?.recording_id).toBe('b'))
    expect(report).toBe(desk)
    expect(asked).toHaveBeenCalledTimes(1)
    report!.choose('a')
    expect(desk!.current?.recording_id).toBe('a')
    scope.stop()
  })

  it('keep the one on the page when a newer one arrives, and count it', async () => {
    answer = [item('a')]
    const scope = effectScope()
    const shown = scope.run(() => useEcgRecordings('e2'))!
    await vi.waitFor(() => expect(shown.current).not.toBeNull())
    answer = [item('b'), item('a')]
    await shown.load()
    expect([shown.current?.recording_id, shown.fresh]).toEqual(['a', 1])
    shown.choose('b')
    expect(shown.fresh).toBe(0)
    scope.stop()
  })

  it('are read anew by the next page, after the last has gone', async () => {
    answer = [item('a')]
    for (let visit = 0; visit < 2; visit++) {
      const scope = effectScope()
      const shown = scope.run(() => useEcgRecordings('e3'))!
      await vi.waitFor(() => expect(shown.current).not.toBeNull())
      scope.stop()
    }
    expect(asked).toHaveBeenCalledTimes(2)
  })
})
