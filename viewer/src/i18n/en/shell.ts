import type { Same } from '../same'
import type { shell as zh } from '../zh/shell'

export const shell: Same<typeof zh> = {
  product: 'Shared-Centre Gateway',
  slogan: 'Examined in the township · read in the county · recognised everywhere',
  signIn: 'Sign in',
  signOut: 'Sign out',
  username: 'User name',
  password: 'Password',
  demo: 'Demonstration county: the password stands in the window of gateway demo. Click a name to fill it in.',
  welcome: 'You are signed in but have no role yet. Ask an administrator for one.',
  notFound: 'There is no such page, or you may not see it.',
  toStart: 'To the start page',
  language: '中文',
  languageTitle: 'Switch to Chinese',
  dark: 'Switch to dark',
  light: 'Switch to light',
  help: 'Keys',
  helpTitle: 'Keyboard shortcuts',
  helpIme: 'Keys do nothing while an input method is composing.',
  account: 'Account',
  changePassword: 'Change password',
  currentPassword: 'Current password',
  newPassword: 'New password',
  passwordChanged: 'Password changed.',
  nav: { worklist: 'Worklist', overview: 'Today', sent: 'Sent', upload: 'Upload', returns: 'Returns', village: 'Reports', refusals: 'Refused' },
}
