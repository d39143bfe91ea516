export const duty = {
  called: '值班呼叫：胸痛无人领取',
  over: '超时',
  dueAt: '应在 {time} 前签发',
}
