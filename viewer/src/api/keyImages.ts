/** Key images: the pictures of the report to be. */
import type { View } from '@/lib/ohif'
import { api } from './client'

export interface KeyImage {
  id: string
  caption: string
  sop_instance_uid: string
  frame: number
  snapshot: boolean
  width: number
  height: number
  sha256: string
}

const of = (task: string) => `/tasks/${task}/key-images`
export const listKeyImages = (task: string) => api.get<KeyImage[]>(of(task))
export const chooseFrame = (task: string, view: View) => api.post<KeyImage>(of(task), view)
export const chooseSnapshot = (task: string, view: View, picture: Blob) =>
  api.post<KeyImage>(`${of(task)}/snapshot?${new URLSearchParams({ sop_instance_uid: view.sop_instance_uid, frame: String(view.frame) }).toString()}`, picture)
export const arrangeKeyImages = (task: string, items: { id: string; caption: string }[]) => api.put<KeyImage[]>(of(task), { items })
export const takeAwayKeyImage = (task: string, id: string) => api.delete(`${of(task)}/${id}`)
export const pictureOf = (task: string, id: string) => `/api/v1${of(task)}/${id}/picture`
export const pictureOfReport = (report: string, id: string) => `/api/v1/reports/${report}/key-images/${id}`
