/** Dark beside images, light for paper; each of the two remembers the person's choice. */
import { ref } from 'vue'

export const dark = ref(false)
let area: 'images' | 'paper' = 'paper'

const key = () => `gateway.theme.${area}`

export function applyTheme(besideImages: boolean): void {
  area = besideImages ? 'images' : 'paper'
  const choice = localStorage.getItem(key())
  show(choice === null ? besideImages : choice === 'dark')
}

export function toggleTheme(): void {
  show(!dark.value)
  localStorage.setItem(key(), dark.value ? 'dark' : 'light')
}

function show(on: boolean): void {
  dark.value = on
  document.documentElement.classList.toggle('dark', on)
}
