/** Amending a report, and making one void. */
export const amending = {
  amend: 'Amend the report',
  void: 'Make it void',
  kind: { addendum: 'Addendum', correction: 'Correction' },
  kindHint: { addendum: 'What was said stands; something is added behind it.', correction: 'Something was wrong; it is rewritten and signed again.' },
  reason: 'Reason',
  reasonHint: 'It stands in the new version, and everybody who had the old one is told',
  begin: 'Begin',
  doVoid: 'Make it void',
  after: 'Afterwards',
  afters: { read_again: 'Read it again', sent_back: 'Send it back to be made again', nothing: 'Nothing' },
  amended: { addendum: 'Addendum', correction: 'Correction' },
  because: 'Version {version} in place of {before}. Reason: {reason}',
  difference: 'What is other than in version {version}',
  same: 'The words are the same.',
  voided: 'Made void by {name}, {time}. Reason: {reason}',
  voidNotice: 'Void',
}
