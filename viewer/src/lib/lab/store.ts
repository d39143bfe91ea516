/** The results of one examination while they are read: loaded, told of changes, acted upon one thing at a time. */
import { computed, ref, shallowRef } from 'vue'
import { chooseResult, readResults, remarkResult, rerunResult, unverifyResult, verifyResults, type LabResults } from '@/api/lab'
import { onChanged } from '@/api/live'

export function useLabSheet(taskId: string) {
  const results = shallowRef<LabResults | null>(null)
  const problem = shallowRef<unknown>(null)
  const busy = ref(false)
  let examination = ''
  let running: Promise<void> | null = null
  let again = false
  let under: Promise<boolean> | null = null

  /** One question at a time, however often something changes; what was asked for meanwhile is asked once more. */
  function load(): Promise<void> {
    if (!examination) return Promise.resolve()
    if (running) again = true
    running ??= read().finally(() => (running = null))
    return running
  }

  async function read(): Promise<void> {
    do {
      again = false
      try {
        results.value = await readResults(examination)
      } catch (error) {
        problem.value = error
      }
    } while (again)
  }

  function open(id: string): Promise<void> {
    examination = id
    return load()
  }

  /** True when it was done; one deed at a time. */
  function act(work: () => Promise<unknown>): Promise<boolean> {
    if (under) return Promise.resolve(false)
    under = doNow(work).finally(() => (under = null))
    return under
  }

  /** What moved on meanwhile is shown as it is now, beside what was refused. */
  async function doNow(work: () => Promise<unknown>): Promise<boolean> {
    busy.value = true
    problem.value = null
    try {
      await work()
      return true
    } catch (error) {
      problem.value = error
      return false
    } finally {
      await load()
      busy.value = false
    }
  }

  onChanged(['lab', 'worklist'], () => void load())

  return {
    results,
    problem,
    busy,
    items: computed(() => results.value?.items ?? []),
    open,
    load,
    /** When the deed under way, if there is one, is done and shown. */
    settled: (): Promise<boolean> => under ?? Promise.resolve(true),
    verify: (ids: string[], reason = '') => act(() => verifyResults(taskId, ids, reason)),
    unverify: (id: string, reason: string) => act(() => unverifyResult(taskId, id, reason)),
    choose: (id: string, reason: string) => act(() => chooseResult(taskId, id, reason)),
    remark: (id: string, text: string) => act(() => remarkResult(taskId, id, text)),
    rerun: (id: string, reason: string, newSpecimen: boolean) => act(() => rerunResult(taskId, id, reason, newSpecimen)),
  }
}

export type LabSheet = ReturnType<typeof useLabSheet>
