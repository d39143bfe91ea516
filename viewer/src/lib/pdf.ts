/** Opens and prints a signed PDF; waits while it is still being made (202 with Retry-After). */
import { headers, problemOf } from '@/api/client'

export const pdfAddress = (reportId: string) => `/api/v1/reports/${encodeURIComponent(reportId)}/pdf`
const LONGEST_WAIT_MS = 60_000

export async function pdfReady(reportId: string, onWait: () => void): Promise<Blob> {
  const until = Date.now() + LONGEST_WAIT_MS
  for (;;) {
    const answer = await fetch(pdfAddress(reportId), { headers: { ...headers('GET'), Accept: 'application/pdf' } })
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

/** Only desktop Chromium prints a PDF from a frame reliably; elsewhere the PDF opens in a tab and is printed there. */
export function printsInFrame(agent: Pick<Navigator, 'userAgent' | 'pdfViewerEnabled'> = navigator): boolean {
  return agent.pdfViewerEnabled && /Chrome\/\d/.test(agent.userAgent) && !/Mobile|Android/.test(agent.userAgent)
}

/** Prints from a hidden frame, so that one press is enough. */
export function printPdf(pdf: Blob): Promise<void> {
  return new Promise((resolve, reject) => {
    const address = URL.createObjectURL(pdf)
    const frame = document.createElement('iframe')
    frame.style.cssText = 'position:fixed;width:0;height:0;border:0;visibility:hidden'
    frame.onload = () => {
      try {
        frame.contentWindow?.focus()
        frame.contentWindow?.print()
        resolve()
      } catch (error) {
        reject(error as Error)
      }
    }
    frame.src = address
    document.body.append(frame)
    // The print window reads from the frame for as long as it is open.
    setTimeout(() => {
      frame.remove()
      URL.revokeObjectURL(address)
    }, 600_000)
  })
}
