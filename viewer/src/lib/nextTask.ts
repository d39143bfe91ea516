/** What comes up when a report is done: of the same work the next on the list that this person may begin. */
import type { WorklistItem } from '@/api/types'
import { isOfAnother } from '@/lib/assignment'

export function nextTask(listed: readonly WorklistItem[], gone: { has(task: string): boolean }, me: string, done: { task: string; reviewing: boolean }): WorklistItem | undefined {
  const fits = done.reviewing ? toReview : toRead
  return listed.find((item) => item.task_id !== done.task && !gone.has(item.task_id) && fits(item, me))
}

const toReview = (item: WorklistItem, me: string): boolean => item.state === 'submitted' && item.claimed_by?.id !== me

const toRead = (item: WorklistItem, me: string): boolean => (item.state === 'waiting' && !item.waiting_reason && !isOfAnother(item, me)) || (item.state === 'claimed' && item.claimed_by?.id === me)
