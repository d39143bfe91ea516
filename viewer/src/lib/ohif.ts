/**
 * What stands in OHIF's active viewport, read from the services that OHIF puts on its own window (same origin).
 *
 * Image ids are WADO-RS addresses of ours, so instance and frame are read from the address itself.
 */

export interface View {
  sop_instance_uid: string
  frame: number
  /** In the units of the modality; none where the viewport has none, as for colour. */
  window: { center: number; width: number } | null
}

/** As much of a viewport of cornerstone as is used here. */
export interface Viewport {
  getCurrentImageId?: () => string | undefined
  getProperties?: () => { voiRange?: { lower: number; upper: number } }
  getCanvas: () => HTMLCanvasElement
  element: HTMLElement
  /** Cornerstone's ViewportStatus. */
  viewportStatus?: string
  /** The image that a stack shows; none before its pixels are there. */
  getCornerstoneImage?: () => unknown
}

interface OhifWindow extends Window {
  services?: {
    viewportGridService?: { getActiveViewportId: () => string | null }
    cornerstoneViewportService?: { getCornerstoneViewport: (id: string) => Viewport | null | undefined }
  }
}

/** Nothing stands in the viewport that could be shown in a report. */
export class NothingShown extends Error {}

const IMAGE = /\/instances\/([0-9.]+)\/frames\/(\d+)/

export function activeViewport(viewer: Window | null): Viewport {
  const services = (viewer as OhifWindow | null)?.services
  const id = services?.viewportGridService?.getActiveViewportId()
  const viewport = id ? services?.cornerstoneViewportService?.getCornerstoneViewport(id) : null
  if (!viewport) throw new NothingShown()
  return viewport
}

/** Throws NothingShown for what is no image of ours: a document, an empty viewport. */
export function viewOf(viewport: Viewport): View {
  const found = IMAGE.exec(viewport.getCurrentImageId?.() ?? '')
  if (!found) throw new NothingShown()
  const range = viewport.getProperties?.()?.voiRange
  return { sop_instance_uid: found[1]!, frame: Number(found[2]), window: range ? windowOf(range) : null }
}

export function studiesOf(address: string): string[] {
  return (new URL(address, location.origin).searchParams.get('StudyInstanceUIDs') ?? '').split(',').filter(Boolean)
}

/** What OHIF shows without cornerstone: documents, films, slides. */
const OTHER = 'object, embed, video, .DicomMicroscopyViewer'

/** Whether anything of these studies is to be seen by now. */
export function isPainted(viewer: Window | null, studies: string[]): boolean {
  if (!viewer || !studies.some((study) => viewer.location.search.includes(study))) return false
  if (viewer.document.querySelector(OTHER)) return true
  try {
    return isDrawn(activeViewport(viewer), studies)
  } catch {
    return false // OHIF has not begun, or is between two studies: its services throw then
  }
}

/** An empty viewport counts as rendered too: what was asked for has to be in it. */
function isDrawn(viewport: Viewport, studies: string[]): boolean {
  const image = viewport.getCurrentImageId?.() ?? ''
  const asked = studies.some((study) => image.includes(`/studies/${study}/`))
  // A volume has no image of its own.
  const pixels = viewport.getCornerstoneImage ? viewport.getCornerstoneImage() : true
  return asked && Boolean(pixels) && viewport.viewportStatus === 'rendered'
}

/** PS3.3 C.11.2.1.2: the range that becomes black to white, as centre and width. */
function windowOf({ lower, upper }: { lower: number; upper: number }): View['window'] {
  if (!Number.isFinite(lower) || !Number.isFinite(upper) || upper < lower) return null
  const round = (value: number) => Math.round(value * 1000) / 1000
  return { center: round((lower + upper + 1) / 2), width: round(upper - lower + 1) }
}

/** The viewport as it stands there: its image, and over it the annotations, which are SVG. */
export async function snapshotOf(viewport: Viewport): Promise<Blob> {
  const image = viewport.getCanvas()
  if (!image.width || !image.height) throw new NothingShown()
  const canvas = document.createElement('canvas')
  canvas.width = image.width
  canvas.height = image.height
  const context = canvas.getContext('2d')
  if (!context) throw new NothingShown()
  context.drawImage(image, 0, 0)
  const layer = viewport.element.querySelector<SVGSVGElement>('svg.svg-layer')
  if (layer) context.drawImage(await drawn(layer), 0, 0, canvas.width, canvas.height)
  return new Promise((done, fail) => canvas.toBlob((blob) => (blob ? done(blob) : fail(new NothingShown())), 'image/png'))
}

async function drawn(layer: SVGSVGElement): Promise<HTMLImageElement> {
  const copy = layer.cloneNode(true) as SVGSVGElement
  const box = layer.getBoundingClientRect()
  copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg')
  copy.setAttribute('width', String(box.width))
  copy.setAttribute('height', String(box.height))
  const image = new Image()
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`
  await image.decode()
  return image
}
