export const ecg = {
  none: '这份检查还没有心电记录。',
}
