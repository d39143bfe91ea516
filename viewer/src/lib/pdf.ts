/**
 * Opens a signed PDF in a tab, where the browser's own viewer prints it; waits while it is still being made (202).
 *
 * Not from a hidden frame: Chromium 156 was seen to crash the page that way, and Firefox prints nothing.
 */
import { headers, problemOf, reach } from '@/api/client'

export const pdfAddress = (reportId: string) => `/api/v1/reports/${encodeURIComponent(reportId)}/pdf`
const LONGEST_WAIT_MS = 60_000

export async function pdfReady(reportId: string, onWait: () => void): Promise<Blob> {
  const until = Date.now() + LONGEST_WAIT_MS
  for (;;) {
    const answer = await reach(pdfAddress(reportId), { headers: { ...headers('GET'), Accept: 'application/pdf' } })
    if (answer.status === 200) return answer.blob()
    if (answer.status !== 202 || Date.now() > until) {
      throw problemOf(answer.status, answer.headers.get('Retry-After'), await answer.text(), `GET ${pdfAddress(reportId)}`)
    }
    onWait()
    await new Promise((resolve) => setTimeout(resolve, 1_000 * Number(answer.headers.get('Retry-After') ?? 1)))
  }
}

/**
 * A tab that will show the PDF. To be called within the click, or the browser blocks it; false when it was blocked.
 *
 * The tab is filled once the PDF is there; when that fails, it closes and the problem is thrown for our page to show.
 */
export async function openPdf(reportId: string, onWait: () => void): Promise<boolean> {
  const tab = window.open('about:blank', '_blank')
  if (!tab) return false
  try {
    await pdfReady(reportId, onWait)
  } catch (error) {
    tab.close()
    throw error
  }
  tab.opener = null
  tab.location.replace(pdfAddress(reportId))
  return true
}
