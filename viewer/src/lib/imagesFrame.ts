/**
 * One OHIF for the whole visit: it starts while the worklist is read, and goes from study to study inside,
 * which takes a third of the time of starting it anew.
 *
 * A frame that moves in the document loads again, so it stays in the body and lies over the place that shows it.
 */
import { language } from '@/i18n'

/** A page that OHIF does not know: nothing of a patient is kept on it. */
const NOWHERE = '/ohif/none'
const OFFSTAGE = 'position:fixed;z-index:1;border:0;left:0;top:0;width:800px;height:600px;visibility:hidden;pointer-events:none'

let frame: HTMLIFrameElement | null = null
let spoken = ''
let place: HTMLElement | null = null
let onKey: (event: KeyboardEvent) => void = () => {}
let watcher: ResizeObserver | null = null

function make(address: string): HTMLIFrameElement {
  const made = document.createElement('iframe')
  made.title = 'OHIF'
  made.allow = 'fullscreen'
  made.style.cssText = OFFSTAGE
  made.src = address
  // Same origin: our few keys also work while the images have the focus.
  made.addEventListener('load', () => made.contentWindow?.addEventListener('keydown', (event) => onKey(event)))
  document.body.append(made)
  spoken = language.value
  return made
}

/** Starts OHIF behind the page, so that the first examination opens as fast as the others. */
export function warmImages(): void {
  frame ??= make(NOWHERE)
}

function started(one: HTMLIFrameElement): boolean {
  return (one.contentDocument?.getElementById('root')?.childElementCount ?? 0) > 0
}

/** Inside OHIF, without an entry in the history of the browser. */
function go(one: HTMLIFrameElement, address: string): void {
  const inner = one.contentWindow as (Window & typeof globalThis) | null
  if (!inner || !started(one)) {
    inner?.location.replace(address)
    return
  }
  inner.history.replaceState(null, '', address)
  inner.dispatchEvent(new inner.PopStateEvent('popstate', { state: null }))
}

function lay(): void {
  if (!frame || !place) return
  const box = place.getBoundingClientRect()
  Object.assign(frame.style, { left: `${box.left}px`, top: `${box.top}px`, width: `${box.width}px`, height: `${box.height}px`, visibility: 'visible', pointerEvents: '' })
}

export function showImages(host: HTMLElement, address: string, keys: (event: KeyboardEvent) => void): void {
  if (frame && spoken !== language.value) dropImages()
  place = host
  onKey = keys
  if (frame) {
    const one = frame
    // By way of nowhere: OHIF leaves one study wholly before it opens the next.
    go(one, NOWHERE)
    setTimeout(() => one === frame && place === host && go(one, address), 60)
  } else frame = make(address)
  watcher?.disconnect()
  watcher = new ResizeObserver(lay)
  watcher.observe(host)
  window.addEventListener('scroll', lay, true)
  window.addEventListener('resize', lay)
  lay()
}

/** From the server anew, for images that came since. */
export function reloadImages(): void {
  frame?.contentWindow?.location.reload()
}

/** The window of OHIF in this page; null while there is none. */
export function viewerHere(): Window | null {
  return frame?.contentWindow ?? null
}

export function hideImages(): void {
  watcher?.disconnect()
  window.removeEventListener('scroll', lay, true)
  window.removeEventListener('resize', lay)
  place = null
  onKey = () => {}
  if (!frame) return
  frame.style.cssText = OFFSTAGE
  go(frame, NOWHERE)
}

/** Whoever signs out leaves no images behind. */
export function dropImages(): void {
  hideImages()
  frame?.remove()
  frame = null
}
