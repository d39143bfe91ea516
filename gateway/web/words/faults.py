"""What is wrong with the system now, in a sentence; {where} says with which part of it."""

from collections.abc import Mapping

WHY = ("（{why}）", " ({why})")  # in a fault that has a cause of a peer

FAULTS: Mapping[str, tuple[str, str]] = {
    "listener_down": ("接收端口 {where} 没有进程在听。", "Nothing listens at {where}."),
    "ftp_logins_fail": (
        "有设备不能登录 FTP（{where}）：请核对设备上的账号、密码和地址。",
        "Devices cannot sign in by FTP ({where}): check account, password and address at the device.",
    ),
    "drop_waits": (
        "投递文件夹中的文件暂时不能接收（{where} 个）：接收日志或磁盘没有空间；文件原样保留，有空间后自动接收。",
        "Files in the drop folder cannot be taken now ({where}): journal or disk are full. They stay and are taken later.",
    ),
    "drop_stuck": (
        "投递文件夹中有文件不能读取或移走（{where}）：请检查权限；文件原样保留，会再试。",
        "Files in the drop folder cannot be read or moved ({where}): check the permissions. They stay and are tried again.",
    ),
    "drop_of_nobody": (
        "投递文件夹中有不属于任何设备的内容（{where}）：没有动过；请核对设备的账号。",
        "There is something of no device in the drop folder ({where}); it was left alone. Check the devices' accounts.",
    ),
    "analysers_silent": (
        "检验设备在工作时间内长时间没有消息：{where}。",
        "Analysers of which nothing was heard for a long time in working hours: {where}.",
    ),
    "lab_held": (
        "检验结果待处理：{where} 条已等待一小时以上，请检验中心在“待处理检验”中处理。",
        "Laboratory results that wait for a person: {where}, the oldest for more than an hour.",
    ),
    "database_away": (
        "数据库不可用（{where}）：照常接收，恢复后自动入库；阅片和签发暂停。",
        "The database is away ({where}): receiving goes on and is caught up with; reading and signing wait.",
    ),
    "broker_away": (
        "消息队列不可用（{where}）：后台任务暂停，恢复后自动继续。",
        "The broker is away ({where}): due work waits and goes on once it is back.",
    ),
    "townships_silent": (
        "工作时间内长时间没有收到数据：{where}。",
        "Nothing was heard for a long time in working hours: {where}.",
    ),
    "disk_short": ("数据盘剩余空间不足：{where}。", "The data disk is short of space: {where} free."),
    "store_away": (
        "对象存储不可用（{where}）：照常接收，原件留在接收日志里，恢复后自动归档。",
        "The object store is away ({where}): receiving goes on, originals stay in the journal and are filed once it is back.",
    ),
    "chest_pain_untaken": (
        "胸痛检查无人领取，值班人员都已呼叫（{where}）：请立即联系诊断中心。",
        "Chest pain that nobody has taken, with everybody on duty called ({where}): ring the centre now.",
    ),
    "critical_unanswered": (
        "危急值无人应答，联系人都已呼叫（{where}）：请立即电话联系送检单位和总值班。",
        "A critical value that nobody answers, with every contact called ({where}): ring the sender and the duty desk now.",
    ),
    "journal_full": ("接收日志已满，设备将收到“资源不足”。", "The journal is full; devices are told A700."),
    "journal_filling": ("接收日志将满。", "The journal is filling up."),
    "drain_behind": ("入库落后于接收。", "Indexing is behind what arrives."),
    "filing_behind": (
        "归档落后：{where} 条记录待归档，对象存储写入太慢；接收不受影响。",
        "Filing is behind, the object store is too slow; records that wait: {where}. Receiving is not affected.",
    ),
    "drain_silent": ("入库进程没有动静。", "The drain has fallen silent."),
    "node_changed": (
        "此数据目录中有以其他节点名（{where}）接收的数据未归档：GATEWAY_NODE 改过；将照常归档。",
        "Data received under another name ({where}) is not filed yet: GATEWAY_NODE was changed; it is filed all the same.",
    ),
    "sweep_late": ("后台任务没有按时执行（{where}）。", "Due work is not being done ({where})."),
    "signing_waits": (
        "已签发的报告不能生成电子签名文件（{where}）：报告已签发有效，文件在恢复后自动补做，此前不会送达。",
        "Signed reports wait for their documents ({where}): they stand as signed, their documents are made once it works "
        "again, and they reach no inbox before.",
    ),
    "report_undelivered": (
        "已签发的报告未送达乡镇收件箱。",
        "A signed report has not reached its inbox.",
    ),
    "endpoint_failing": (
        "报告发不到“{where}”{why}。报告都在等待，对方恢复后自动补发；请在“回传”中测试连接，看对方答复。",
        "Reports do not reach {where}{why}. They wait and go by themselves once it takes them; try the connection "
        "under Deliveries and read its answer.",
    ),
    "deliveries_refused": (
        "{where} 份报告对方拒收或已放弃发送：请在“回传”中看对方答复，改好后重发。",
        "Reports that were refused or given up: {where}. Read the answers under Deliveries, mend it, send again.",
    ),
    "certificate_ending": ("证书即将到期：{where}。", "A certificate is about to end: {where}."),
    "backup_never": ("从未做过备份。", "There has never been a backup."),
    "backup_old": ("最近一次备份（{where}）已过时。", "The last backup ({where}) is too old."),
    "backup_unsound": (
        "最近一次备份（{where}）不完整，不能依靠。",
        "The last backup ({where}) is not whole.",
    ),
    "work_failing": ("{where} 项后台任务反复失败。", "Due work that keeps failing: {where}."),
    "quarantine": ("{where} 条记录被隔离，需人工处理。", "Records in quarantine: {where}."),
    "tls_files_unusable": (
        "新的 TLS 证书文件不能用，仍在用旧的：{where}。",
        "The new TLS files cannot be used, the old ones stay: {where}.",
    ),
    "revocation_list_ending": (
        "证书吊销列表即将到期（{where}）：请更新文件，否则其设备将被拒绝。",
        "A revocation list is due ({where}): renew the file, or the devices of that authority are refused.",
    ),
    "revocation_list_over": (
        "证书吊销列表已过期（{where}）：由它核对的设备都被拒绝。",
        "A revocation list is out of date ({where}): the devices that it is about are refused.",
    ),
    "exception_ending": (
        "设备的 TLS 例外即将到期（{where}）：届时将被拒绝。",
        "A device's exception from TLS is about to end ({where}): it will be refused then.",
    ),
    "exception_over": (
        "设备的 TLS 例外已到期（{where}）：已改好的请清除例外，未改好的已被拒绝。",
        "A device's exception from TLS has ended ({where}): clear it if the device has moved on; else it is refused.",
    ),
    "notes_dropped": ("丢弃了 {where} 条非影像记录。", "Notes that could not be kept: {where}."),
}
