/** 报告修订与作废。 */
export const amending = {
  amend: '修订报告',
  void: '作废报告',
  kind: { addendum: '补充', correction: '更正' },
  kindHint: { addendum: '原文保留，在其后增加内容。', correction: '原文有误，改写后重新签发。' },
  reason: '理由',
  reasonHint: '将记入新版报告，并通知所有收到旧版的机构',
  begin: '开始修订',
  doVoid: '确认作废',
  after: '作废之后',
  afters: { read_again: '重新阅片出报告', sent_back: '退回重做检查', nothing: '不再处理' },
  amended: { addendum: '补充报告', correction: '更正报告' },
  because: '第 {version} 版，替代第 {before} 版。理由：{reason}',
  difference: '与第 {version} 版的不同',
  same: '文字没有改动。',
  voided: '{name} 于 {time} 作废。理由：{reason}',
  voidNotice: '作废通知',
}
