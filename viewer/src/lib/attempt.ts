/** What a person asked for: while it is under way its buttons rest, and what went wrong is kept for a note. */
import { ref } from 'vue'

export function useAttempt() {
  const busy = ref(false)
  const problem = ref<unknown>(null)

  /** True when it was done. */
  async function attempt(work: () => Promise<unknown>): Promise<boolean> {
    busy.value = true
    problem.value = null
    try {
      await work()
      return true
    } catch (error) {
      problem.value = error
      return false
    } finally {
      busy.value = false
    }
  }

  return { busy, problem, attempt }
}
