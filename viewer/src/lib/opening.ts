/** The page that is on its way: said when it takes long, and when the line or the server failed it, said and tried again. */
import { ref, shallowRef } from 'vue'
import type { Router } from 'vue-router'
import { Problem } from '@/api/client'
import { t } from '@/i18n'

const NOTICED_AFTER_MS = 400

/** It takes so long that a person looks for a sign. */
export const openingSlowly = ref(false)
/** What was not opened, and where it is. */
export const notOpened = shallowRef<{ href: string; problem: Problem } | null>(null)

export function watchOpening(router: Router): void {
  let timer: ReturnType<typeof setTimeout> | undefined
  const settled = (): void => {
    clearTimeout(timer)
    openingSlowly.value = false
  }
  router.beforeEach(() => {
    settled()
    notOpened.value = null
    timer = setTimeout(() => (openingSlowly.value = true), NOTICED_AFTER_MS)
  })
  router.afterEach(settled)
  router.onError((error: unknown, to) => {
    settled()
    notOpened.value = { href: router.resolve(to).href, problem: new Problem(-1, 'page_not_opened', '', t('problem.notOpened'), to.fullPath, { cause: String(error) }) }
  })
}

/** Anew from the server: its pages have other names after an update. While it cannot be reached, this page stays. */
export async function openAgain(load: (href: string) => void = (href) => location.assign(href)): Promise<void> {
  const wanted = notOpened.value
  if (!wanted) return
  notOpened.value = null
  openingSlowly.value = true
  try {
    await fetch(wanted.href, { cache: 'no-store', headers: { Accept: 'text/html' } })
    load(wanted.href)
  } catch {
    notOpened.value = wanted
  } finally {
    openingSlowly.value = false
  }
}
