import { watch, type Ref } from 'vue'

/** Until a condition holds, and no longer than `most`. */
export function until(condition: Readonly<Ref<boolean>>, most: number): Promise<void> {
  if (condition.value) return Promise.resolve()
  return new Promise((resolve) => {
    const timer = setTimeout(end, most)
    const stop = watch(condition, (holds) => holds && end(), { flush: 'sync' })

    function end(): void {
      clearTimeout(timer)
      stop()
      resolve()
    }
  })
}
