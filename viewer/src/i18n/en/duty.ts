export const duty = {
  called: 'On duty: chest pain that nobody has taken',
  over: 'overdue',
  dueAt: 'Due at {time}',
}
