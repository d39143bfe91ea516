"""What a reader noticed in a message, in the caller's language.

Adapters and filing say it in English, and it is kept so; here is the Chinese of each sentence. A sentence that is not
in the table is shown as it is, and a test names it.
"""

import re
from collections.abc import Iterable

from gateway.lab.filing import CLOCK_IS_WRONG

_NUMBER = r"(\d+)"
_CHINESE: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), chinese)
    for pattern, chinese in (
        (rf"{_NUMBER} line ends inside of segments", r"有 \1 处换行在字段中间，已并入该字段"),
        (
            rf"{_NUMBER} segments have what looks like further segments, joined by blanks",
            r"有 \1 个段里像是用空格连着别的段，没有拆开",
        ),
        (r"records follow the L record", "结束记录（L）之后还有记录"),
        (r"several H records", "有多个报头记录（H）"),
        (r"results without an O record", "有结果没有对应的申请记录（O）"),
        (r"a time that no calendar has", "有一个不存在的时间"),
        (r"the message has no L record: it may not be whole", "没有结束记录（L），报文可能不完整"),
        (r"the sender broke it off \(L-3 (.*)\)", r"发送方中断了传输（L-3 \1）"),
        (rf"row {_NUMBER} has more columns than there are headings", r"第 \1 行的列数多于标题"),
        (rf"the time in row {_NUMBER} is none that we read", r"第 \1 行的时间无法识别"),
        (r"and more of the kind", "还有同类情况"),
        (re.escape(CLOCK_IS_WRONG), "时间不可能：仪器时钟不对"),
    )
)


def say_remarks(remarks: Iterable[str], language: str) -> list[str]:
    return [one if language == "en" else say_in_chinese(one) for one in remarks]


def say_in_chinese(remark: str) -> str:
    for pattern, chinese in _CHINESE:
        found = pattern.fullmatch(remark)
        if found is not None:
            return found.expand(chinese)
    return remark
