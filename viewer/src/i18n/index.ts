/** Simplified Chinese first, English complete; the choice is remembered on this computer. */
import { computed } from 'vue'
import { createI18n } from 'vue-i18n'
import { configure } from '@/api/client'
import { en } from './en'
import { zh } from './zh'

export type Language = 'zh-CN' | 'en'
const KEY = 'gateway.language'

function remembered(): Language {
  return localStorage.getItem(KEY) === 'en' ? 'en' : 'zh-CN'
}

export const i18n = createI18n({
  legacy: false,
  locale: remembered(),
  fallbackLocale: 'zh-CN',
  messages: { 'zh-CN': zh, en },
})

export const language = computed(() => i18n.global.locale.value as Language)
export const t = i18n.global.t
export const te = i18n.global.te

function apply(chosen: Language): void {
  document.documentElement.lang = chosen
  // OHIF (same origin) reads its language from here; see ohif/app-config.js.
  localStorage.setItem('i18nextLng', chosen === 'en' ? 'en-US' : 'zh')
  configure({ language: chosen === 'en' ? 'en, zh-CN;q=0.5' : 'zh-CN, en;q=0.5' })
}

export function setLanguage(chosen: Language): void {
  i18n.global.locale.value = chosen
  localStorage.setItem(KEY, chosen)
  apply(chosen)
}

apply(remembered())
