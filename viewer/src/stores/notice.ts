/** One quiet sentence about what was just done, on the page that comes next. */
import { defineStore } from 'pinia'
import { ref } from 'vue'

const SHOWN_MS = 12_000

export const useNotice = defineStore('notice', () => {
  const text = ref('')
  const link = ref<string | undefined>()
  let timer: ReturnType<typeof setTimeout> | undefined

  function clear(): void {
    text.value = ''
    link.value = undefined
  }

  function say(sentence: string, to?: string): void {
    text.value = sentence
    link.value = to
    clearTimeout(timer)
    timer = setTimeout(clear, SHOWN_MS)
  }

  return { text, link, say, clear }
})
