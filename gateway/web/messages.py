"""What people are told, in the languages we speak: one sentence per error code."""

from collections.abc import Mapping

from gateway.causes import CAUSES
from gateway.signing_causes import FAILED, cause_of_failure

LANGUAGES = ("zh-CN", "en")

# code: (Simplified Chinese, English); fields in braces are the error's facts
SENTENCES: Mapping[str, tuple[str, str]] = {
    "not_signed_in": ("请先登录。", "Please sign in first."),
    "wrong_credentials": ("用户名或密码不正确。", "The user name or the password is not right."),
    "locked_out": (
        "登录失败次数过多，请在 {retry_after_s} 秒后再试。",
        "Too many failed sign-ins. Try again in {retry_after_s} seconds.",
    ),
    "password_too_weak": (
        "密码至少 8 个字符，最多 256 个字符，且不能包含用户名。",
        "A password has 8 to 256 characters and does not contain the user name.",
    ),
    "csrf": (
        "页面已过期或请求来源不明，请刷新页面后重试。",
        "The page is out of date or the request came from elsewhere. Reload the page and try again.",
    ),
    "not_allowed": ("您没有进行此操作的权限。", "You are not allowed to do this."),
    "not_found": ("没有找到，或您无权查看。", "It is not there, or it is not yours to see."),
    "method_not_allowed": ("此地址不支持这种操作。", "This address does not do that."),
    "conflict": (
        "内容已被他人更改，请刷新后重试。",
        "Somebody else changed it in the meantime. Reload and try again.",
    ),
    "barcode_mistyped": (
        "没有条码 {barcode}：校验位不对，可能扫错或输错，请再扫一次。",
        "There is no barcode {barcode}: its check digit is wrong, so it was misread or mistyped. Scan again.",
    ),
    "barcode_unknown": (
        "没有登记过条码 {barcode}。请核对标本，或请送检单位补登记。",
        "No specimen is registered under {barcode}. Check the tube, or ask who sent it to register it.",
    ),
    "barcode_ambiguous": (
        "几家单位都有条码 {barcode}，请选择是哪一份。",
        "Several institutions have a specimen {barcode}. Choose which one it is.",
    ),
    "sent_elsewhere": (
        "这份标本是{site}的，应送{lead}的检验中心，请转送或退回。",
        "This specimen is from {site} and belongs to the laboratory of {lead}. Forward it or send it back.",
    ),
    "already_received": (
        "这份标本已在 {at} 由{by}接收过。",
        "This specimen was already received at {at} by {by}.",
    ),
    "specimen_state_forbids": (
        "标本 {barcode} {state}，不能进行此操作。",
        "The specimen {barcode} {state}; this cannot be done.",
    ),
    "task_already_claimed": (
        "该检查已由{claimed_by}领取。",
        "The examination has already been claimed by {claimed_by}.",
    ),
    "amendment_under_way": (
        "该检查已有未完成的报告任务（{claimed_by}），请先完成或放弃。",
        "The examination is being read already ({claimed_by}). Finish or give that up first.",
    ),
    "report_not_standing": (
        "该版本报告目前状态为“{state}”，只能修订或作废当前有效的版本。",
        "This version is {state}: only the one that stands is amended or made void.",
    ),
    "critical_state_forbids": (
        "该危急值目前状态为“{state}”，不能进行此操作。请刷新。",
        "The critical value is {state}: this cannot be done now. Reload.",
    ),
    "task_reserved": (
        "该检查已分配给{claimed_by}。如需接手，请填写理由。",
        "The examination is assigned to {claimed_by}. To take it over, say why.",
    ),
    "task_state_forbids": (
        "该检查现为“{state}”状态，不能进行此操作。",
        "The examination is {state}; this cannot be done now.",
    ),
    "results_waiting": (
        "还有结果未审核：{items}。",
        "Some results are not verified yet: {items}.",
    ),
    "results_pending": (
        "还有项目未出结果，请打开后单独签发：{items}。",
        "Some tests have no result yet; open it to sign what there is: {items}.",
    ),
    "result_moved_on": (
        "“{item}”的结果已更新或已由他人处理，请看过新的结果再继续。",
        "The result of {item} was replaced or decided about in the meantime. Look at it again before you go on.",
    ),
    "not_together": (
        "危急或失控的结果须逐项审核并说明：{items}。",
        "Results that are critical or out of control are verified one by one, with a reason: {items}.",
    ),
    "writer_cannot_review": (
        "报告医师不能审核自己的报告，请由另一位医师审核签发。",
        "The writer cannot review their own report. Another person must sign it.",
    ),
    "report_doubted": (
        "报告有 {count} 处可能有误，请核对后修改，或说明理由后继续。",
        "{count} places of the report may be wrong. Correct them, or say why they stand.",
    ),
    "grade_required": (
        "报告文字已与报告医师提交的不同，请先评定差异等级。",
        "The text is other than its writer handed on. Grade the difference first.",
    ),
    "preliminary_not_allowed": (
        "本中心的规则不允许此时对该检查签发临时报告，请提交审核。",
        "The rules of the centre allow no preliminary report of this now. Submit it for review.",
    ),
    "key_image_replaced": (
        "一幅关键图像所示的原图已被替换。请移除它，需要时重新选取。",
        "The original that a key image shows was replaced. Take it away, and choose it anew if it is wanted.",
    ),
    "key_images_moved_on": (
        "关键图像刚刚有改动，请看过现在的再改。",
        "The key images have just changed. Look at them as they are now.",
    ),
    "draft_changed": (
        "报告文字在您看到之后又有改动，请看过新的文字再继续。",
        "The draft changed after it was shown to you. Look at the newer text before you go on.",
    ),
    "report_incomplete": ("报告尚不完整：{field}。", "The report is not complete: {field}."),
    "not_expressible": (
        "这份心电图无法以该格式导出（例如它是一页文档，没有波形数据）；请下载原件或选择其他格式。",
        "This electrocardiogram cannot be written in that format (it may be a page without samples); "
        "take the original or another format.",
    ),
    "still_broken": (
        "该记录仍不能入库（{error}），原件保留在隔离区。",
        "The record still cannot be indexed ({error}); it stays in quarantine.",
    ),
    "not_damaged": (
        "该记录的内容完好，不能放弃；修复原因后重试。",
        "The bytes of the record are sound: it cannot be given up. Retry it once its cause is mended.",
    ),
    "already_resolved": (
        "该项已由他人处理，请刷新。",
        "Somebody else has already decided about it. Reload.",
    ),
    "proposal_decided": (
        "该项已由他人处理或已不成立，请刷新。",
        "Somebody else has decided about it, or it no longer holds. Reload.",
    ),
    "recognition_decided": (
        "该组互认提醒已作出其他决定，首次决定不能更改；如需重新判断，请再次查询。",
        "These reminders were decided otherwise, and the first decision stands. Ask again to decide anew.",
    ),
    "recognition_not_adopted": (
        "只有已采纳的结果可以引用。",
        "Only a result that was adopted can be cited.",
    ),
    "rules_not_a_draft": (
        "只有草稿可以修改、试运行或启用；已启用过的版本保留为历史。",
        "Only a draft can be changed, tried or put live; what was live stays as history.",
    ),
    "rules_not_tried": (
        "请先对当前内容试运行，再启用。",
        "Try this content on the last results before it goes live.",
    ),
    "not_out_of_control": (
        "该质控结果并非未处理的失控，或已由他人放行，请刷新。",
        "This control result is not out of control, or somebody has released it. Reload.",
    ),
    "kind_not_taken": (
        "暂不支持上传此类检查（{kind}）。",
        "Examinations of this kind ({kind}) are not yet taken by upload.",
    ),
    "nothing_accepted": (
        "没有可接收的文件，原因见各文件。",
        "None of the files could be taken; each says why.",
    ),
    "too_often": (
        "查询过于频繁，请在 {retry_after_s} 秒后再试。",
        "That was too often. Try again in {retry_after_s} seconds.",
    ),
    "roster_moved_on": (
        "排班已被他人修改。请重新载入，再做修改。",
        "Somebody else changed the roster. Load it again, then change it.",
    ),
    "change_moved_on": (
        "此后内容又有更改，不能直接撤销。",
        "It was changed again since; this change cannot simply be taken back.",
    ),
    "last_admin": (
        "这是最后一位可用的管理员，不能停用或取消其角色。",
        "This is the last administrator who can sign in; they must keep the role.",
    ),
    "invalid": ("提交的内容不能使用，请检查标出的项目。", "Some of what was sent cannot be used."),
    "malformed": ("内容不符合格式要求：{reason}", "The content is not what its format requires: {reason}"),
    "too_large": (
        "内容过大，最多 {limit_mb} MB。",
        "That is too large; the most is {limit_mb} MB.",
    ),
    "unavailable": ("系统暂时无法处理，请稍后再试。", "This cannot be done just now. Try again later."),
    "unforeseen": (
        "系统出现意外错误，已记录，请稍后再试。",
        "Something unforeseen went wrong. It has been logged; try again later.",
    ),
    "viewer_not_built": (
        "页面文件尚未构建。请在源码目录运行 make setup，然后刷新。",
        "The pages have not been built. Run make setup in the checkout, then reload.",
    ),
}

# state names inside a sentence
STATES: Mapping[str, tuple[str, str]] = {
    "arriving": ("接收中", "arriving"),
    "waiting": ("待领取", "waiting"),
    "claimed": ("书写中", "claimed"),
    "submitted": ("待审核", "submitted"),
    "signed": ("已签发", "signed"),
    "sent_back": ("退回重做", "sent back"),
    "cancelled": ("已取消", "cancelled"),
    "superseded": ("已被新版本取代", "superseded"),
    "void": ("已作废", "void"),
    "found": ("待复核", "not reviewed yet"),
    "reviewed": ("已复核", "reviewed"),
    "notified": ("已通知、待接收", "notified and not received yet"),
    "received": ("已接收、待处置", "received and not handled yet"),
    "handled": ("已处置", "handled"),
    "closed": ("已关闭", "closed"),
    "withdrawn": ("已撤销", "withdrawn"),
    "specimen_registered": ("已登记、尚未送出", "is registered and not sent"),
    "specimen_in_transit": ("在运送途中", "is on its way"),
    "specimen_received": ("县级已接收", "was received at the county"),
    "specimen_in_work": ("已有检验结果", "has results already"),
    "specimen_rejected": ("已被拒收", "was rejected"),
    "specimen_cancelled": ("已取消", "was cancelled"),
}

FIELDS: Mapping[str, tuple[str, str]] = {
    "findings": ("检查所见未填写", "the findings are missing"),
    "impression": ("诊断意见未填写", "the impression is missing"),
    "results": ("没有可以报告的结果", "there is no result to report"),
    "late_instances": ("有新到的图像未确认", "images that arrived late are not confirmed"),
}

# why two patients are proposed, linked or in conflict
RULES: Mapping[str, tuple[str, str]] = {
    "card": ("身份证号、姓名、性别、出生日期一致", "Identity card, name, sex and birth date agree"),
    "card_other_name": ("身份证号相同，姓名不同", "The same identity card with another name"),
    "card_other_sex": ("身份证号相同，性别不同", "The same identity card with another sex"),
    "card_other_birth_date": ("身份证号相同，出生日期不同", "The same identity card with another birth date"),
    "card_does_not_fit": (
        "身份证号相同，但证号中的出生日期或性别与登记不符",
        "The same identity card, whose own birth date or sex is not what was entered",
    ),
    "card_incomplete": (
        "身份证号相同，其余信息不全或仅拼音相符",
        "The same identity card; the rest is incomplete or agrees in pinyin only",
    ),
    "number": ("同一机构的同一患者号", "The same number of the same institution"),
    "name": ("姓名、出生日期一致", "Name and birth date agree"),
    "pinyin": ("姓名读音、性别、出生日期一致", "The name's sound, sex and birth date agree"),
    "phone": ("姓名与电话一致", "Name and telephone agree"),
    "newborn_phone": (
        "新生儿：出生日期与电话一致，后来取名",
        "A newborn: birth date and telephone agree, named later",
    ),
    "newborn_number": (
        "新生儿：同一机构，出生日期与性别一致，后来取名",
        "A newborn: the same institution, birth date and sex agree, named later",
    ),
    "linked_and_different": ("已关联，但信息矛盾", "Linked, but what is known contradicts"),
    "other_card": ("身份证号不同", "Another identity card"),
    "nothing": ("人工判断", "A person's judgement"),
}

# what is wrong with the system now; {where} says with which part of it
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
        "报告发不到“{where}”：报告都在等待，对方恢复后自动补发；请在“回传”中测试连接，看对方答复，联系对方。",
        "Reports do not reach {where}: they wait and go by themselves once it takes them. Try the connection under "
        "Deliveries, read its answer, ring whoever runs it.",
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

_CAUSED = ("database_away", "store_away", "broker_away", "signing_waits")  # {where} is a cause

# what is wrong with one field
REASONS: Mapping[str, tuple[str, str]] = {
    "too_short": ("太短：至少 16 个字符。", "Too short: 16 characters at least."),
    "card_checksum": (
        "身份证号不正确：应为 18 位，且校验位相符。",
        "It is no identity card number: 18 places whose check digit is right.",
    ),
    "card_says_M": ("与身份证号不符：证号表明是男性。", "The card's number says male."),
    "card_says_F": ("与身份证号不符：证号表明是女性。", "The card's number says female."),
    "card_birth_date": (
        "与身份证号不符：证号上是 {card_birth_date}。",
        "The card's number says {card_birth_date}.",
    ),
    "who_is_it": (
        "请填写身份证号或患者编号；都没有时，须填写性别和出生日期。",
        "A card's number or a patient number is needed; without either, sex and birth date.",
    ),
    "known_name": (
        "与本院登记（编号 {number}）不符：登记为“{known_name}”。请核对；确需更正的，先更正登记。",
        "It contradicts what is registered here under {number}: {known_name}.",
    ),
    "known_sex": (
        "与本院登记（编号 {number}，{known_name}）的性别不符。",
        "It contradicts the sex registered here under {number} ({known_name}).",
    ),
    "known_birth_date": (
        "与本院登记（编号 {number}，{known_name}）不符：登记为 {known_birth_date}。",
        "It contradicts what is registered here under {number} ({known_name}): {known_birth_date}.",
    ),
    "known_national_id": (
        "与本院登记（编号 {number}，{known_name}）的身份证号 {known_card} 不符。",
        "It contradicts the card registered here under {number} ({known_name}): {known_card}.",
    ),
    "future": ("不能晚于现在。", "It must not be in the future."),
    "barcode_form": (
        "条码应为 4 至 32 个字母、数字或 . / + -，不含空格。",
        "A barcode has 4 to 32 letters, digits or . / + -, and no blanks.",
    ),
    "barcode_count": (
        "条码与标本管数（{tubes}）不符。",
        "There are {tubes} tubes, and another number of barcodes.",
    ),
    "barcode_twice": ("同一条码扫了两次。", "The same barcode was scanned twice."),
    "barcode_taken": (
        "该条码已用于 {bearer}（{day} 登记），请换一个标签。",
        "It is on a specimen of {bearer} already (registered {day}). Take another label.",
    ),
    "barcode_taken_elsewhere": (
        "该条码已被{site}使用，请换一个标签。",
        "{site} uses it already. Take another label.",
    ),
    "too_many_key_images": (
        "一份报告最多 12 幅关键图像，请先移除一幅。",
        "A report shows 12 key images at most. Take one away first.",
    ),
    "not_of_the_examination": (
        "这幅图像不属于本次检查，不能放进本次报告。",
        "That image is none of this examination; its report cannot show it.",
    ),
    "addendum_changes": (
        "补充报告须保留原文，只能在其后增加内容；如需改动原文，请用“更正”。",
        "An addendum keeps what was said and adds behind it. To change it, correct the report.",
    ),
    "read_back_differs": (
        "复述与危急值不一致，请核对后重新输入。",
        "What was read back is not the value. Check it and type it again.",
    ),
    "required": ("必填。", "It is required."),
    "overlaps": (
        "与该机构此项目的另一价格时间重叠。",
        "It overlaps another price of the institution for this item.",
    ),
    "scope_is_known": (
        "全国与医共体范围无须填写地区。",
        "Nationwide and community scopes need no regions.",
    ),
    "every_reminder": (
        "须对本次全部提醒一并作出决定。",
        "Every reminder of the question is decided at once.",
    ),
    "nothing_to_decide": ("没有可决定的提醒。", "There is nothing to decide."),
    "no_reason_wanted": ("采纳时不填写不采纳的原因。", "What is adopted has no reason for declining it."),
    "card_and_identity": (
        "与身份证号上的性别、出生日期不符。",
        "The card's own sex and birth date are others.",
    ),
    "span": ("时间范围须先后有序，且不超过 36 个月。", "A span of days, in order and 36 months at most."),
    "unusable": ("内容不能使用。", "It cannot be used."),
    "mapped_otherwise": (
        "列的对照已改变：请先重新处理此文件。",
        "What its columns mean was changed: process the file again first.",
    ),
    "waiting": ("尚未审核。", "It is not verified yet."),
    "one_by_one": ("须逐项审核。", "It must be verified by itself."),
    "taken": ("已被使用。", "It is already in use."),
    "proposal_decided": (
        "该项已由他人处理或已不成立，请刷新。",
        "Somebody else has decided about it, or it no longer holds. Reload.",
    ),
    "kind_not_taken": ("暂不支持。", "It is not taken yet."),
    "one_meaning": (
        "应对照到一个项目，或忽略，或作为提示。",
        "It is one item, ignored, or a flag of the specimen.",
    ),
    "unit": ("项目字典没有这个单位的换算。", "The dictionary has no way from this unit."),
    "pattern": (
        "应为简短的正则表达式，不能有嵌套重复、回溯引用，也不能匹配空白。",
        "A short regular expression without nested repetition or back references, that does not match nothing.",
    ),
    "factor": (
        "换算应写作“单位=系数”，系数不为 0。",
        "A conversion is unit=factor, and the factor is not 0.",
    ),
    "low_high": (
        "下限应小于上限，危急限应在参考区间之外。",
        "The lower limit is below the upper one, and critical limits are outside the range.",
    ),
    "twice": ("出现了两次。", "It is there twice."),
    "loinc": ("LOINC 编码的校验位不对。", "The check digit of this LOINC code is wrong."),
    "age": ("年龄写作 28d、6m、1y。", "An age is 28d, 6m, 1y."),
    "number": ("应为数字。", "It must be a number."),
    "positive": ("应大于 0。", "It must be more than 0."),
    "between_0_and_6": ("应为 0 到 6。", "It must be from 0 to 6."),
    "another_patient": (
        "与报文中的患者不一致，不能归入。",
        "The message names another patient; it cannot go there.",
    ),
    "unknown": ("没有这一项。", "There is no such thing."),
    "not_ecg": (
        "只有心电检查的报告有测量值和结论条目。",
        "Only the report of an ECG has measurements and statements.",
    ),
    "contradicts": ("与其他各项矛盾。", "It contradicts what else is stated."),
    "stray_brace": (
        "有不成对的花括号；要写花括号本身，请写两个。",
        "A brace stands alone. To write a brace itself, write two.",
    ),
    "other_sex": ("文字与所限性别矛盾。", "Its words contradict the sex that it is for."),
    "slot_not_declared": (
        "文字里用了这个填空，但没有定义。",
        "The text uses this blank, and it is not defined.",
    ),
    "slot_not_used": ("定义了这个填空，但文字里没有用到。", "This blank is defined, and no text uses it."),
    "two_normal": (
        "同一设备类型、部位、性别已有另一个正常模板。",
        "There is another normal report of the same modality, part and sex.",
    ),
    "unknown_column": ("表头有不认识的列。", "The heading has a column that is not known."),
    "not_physiological": ("超出人体可能的范围。", "It is not possible in man."),
    "needed_by_qtc": (
        "填写 QTc 时须同时有 QT、心率和所用公式。",
        "A QTc needs its QT, its rate and its formula.",
    ),
    "qtc_contradicts": (
        "与 QT、心率不符：按所选公式应为 {expected} ms。",
        "It contradicts QT and rate: the formula gives {expected} ms.",
    ),
    "unknown_statement": ("含有不存在的结论条目。", "One of the statements does not exist."),
    "too_long": ("内容过长。", "It is too long."),
    "ae_title": (
        "AE 标题为 1 至 16 个 ASCII 字符，不含反斜杠和控制字符，首尾不留空格。",
        "An AE title has 1 to 16 ASCII characters, no backslash, no control character, no outer blanks.",
    ),
    "code": (
        "代码由字母、数字、点、横线或下划线组成，最多 64 个字符。",
        "A code has at most 64 letters, digits, dots, dashes or underscores.",
    ),
    "account": (
        "账号由 1 至 32 个小写字母、数字、横线或下划线组成。",
        "An account has 1 to 32 lower-case letters, digits, dashes or underscores.",
    ),
    "address": ("应为 IP 地址。", "It must be an IP address."),
    "sender_or_address": (
        "检验设备须填发送方名称或地址，否则无法识别。",
        "An analyser needs the name that it gives itself, or an address, to be known by.",
    ),
    "sender_taken": (
        "同一地址（或都未填地址）已有同名的检验设备，无法区分。",
        "Another analyser with this name has the same address, or none either: nobody could tell them apart.",
    ),
    "character_set": ("不是 DICOM 字符集名称。", "It is not a DICOM character set term."),
    "certificate": (
        "应为证书的 SHA-256 指纹（64 位十六进制）或主题（如 CN=CT1,O=东乡卫生院）。",
        "It must be a certificate's SHA-256 (64 hex digits) or its subject (such as CN=CT1,O=Hospital).",
    ),
    "exception_needs": (
        "请先填写例外的理由和到期日。",
        "An exception needs its reason and its last day first.",
    ),
    "upload_only": (
        "只有可上传的令牌才能代表设备。",
        "Only a token that may upload can stand for a device.",
    ),
    "measure_needs_limit": (
        "测量值和上限或下限须一并填写。",
        "A measure needs a limit above or below, and a limit its measure.",
    ),
    "limits": ("须大于“高于”的值。", "It must be more than the value above."),
    "critical_normal": ("危急条目不能同时是正常条目。", "A critical statement cannot be a normal one."),
    "not_reader_there": (
        "应为该中心在用的报告医师或审核医师。",
        "It must be a reader or reviewer of the centre who can sign in.",
    ),
    "weekdays": (
        "用 1 至 7 表示周一至周日，如 12345；留空为每天。",
        "Digits 1 to 7, Monday is 1; empty is every day.",
    ),
    "time_of_day": ("时间写作 08:00，起止不能相同。", "A time is written 08:00; the two must differ."),
    "past": ("不能早于现在。", "It must not be in the past."),
    "grade_a_has_none": ("甲级不需要原因。", "Grade A has no reasons."),
    "too_many_days": ("逐日统计最多一年。", "By day, a year at most."),
    "dates": ("结束日期不能早于开始日期。", "The end must not be before the beginning."),
    "village_lead_kind": (
        "应为乡镇卫生院或牵头医院。",
        "It must be a township health centre or a lead hospital.",
    ),
    "share_needs_identity": (
        "既没有身份证号，也没有出生日期，无法设置查看校验；请先更正患者身份。",
        "Neither an identity card nor a birth date is known: there is nothing to ask for. Correct the identity first.",
    ),
    "lead_kind": ("应为牵头医院。", "It must be a lead hospital."),
    "member_kind": ("成员单位不能是牵头医院自身。", "The member must be another institution than the lead."),
    "own_lead": ("不能以自己为牵头医院。", "An institution cannot be its own lead."),
    "centre_needed": ("报告医师和审核医师须指定诊断中心。", "A reader or reviewer needs a centre."),
    "centre_not_wanted": ("此角色不属于诊断中心。", "This role belongs to no centre."),
    "username": (
        "用户名最多 64 个字符，不含空格和斜杠。",
        "A user name has at most 64 characters, no blanks and no slashes.",
    ),
    "still_lead": (
        "仍有中心、成员单位或协议依附于它，须保持为牵头医院。",
        "Centres, members or agreements still hang on it; it must stay a lead hospital.",
    ),
    "immutable": ("建立后不能更改。", "It cannot be changed once it exists."),
    "last_admin": ("至少保留一位可用的管理员。", "At least one administrator must remain."),
    "password": (
        "密码至少 8 个字符，最多 256 个字符，且不能包含用户名。",
        "A password has 8 to 256 characters and does not contain the user name.",
    ),
}


def choose_language(accept_language: str | None) -> str:
    """The best of our languages for an Accept-Language header (RFC 9110 §12.5.4); Chinese first."""
    best, best_weight = LANGUAGES[0], 0.0
    for part in (accept_language or "").split(","):
        tag, _, parameter = part.strip().partition(";")
        match = {"zh": LANGUAGES[0], "en": LANGUAGES[1]}.get(tag.split("-")[0].strip().lower())
        weight = _weight(parameter)
        if match and weight > best_weight:
            best, best_weight = match, weight
    return best


def say(code: str, language: str, facts: Mapping[str, object] | None = None) -> str:
    """The sentence for a code, with its facts in it."""
    chosen = {name: _fact(value, language) for name, value in (facts or {}).items()}
    return _pick(SENTENCES[code], language).format_map(chosen)


def say_fault(code: str, language: str, where: str) -> str:
    said = say_cause(where, language) if code in _CAUSED else where
    return _pick(FAULTS[code], language).format(where=said)


def say_cause(cause: str, language: str) -> str:
    """Why a server that we need does not do its work; the word itself where there is no sentence."""
    pair = CAUSES.get(cause)
    return f"{_pick(pair, language)} [{cause}]" if pair else cause


def say_failure(error: str, language: str) -> str:
    """What due work keeps of a failure: in a sentence where we have one, with the words themselves behind it."""
    pair = CAUSES.get(cause_of_failure(error))
    return f"{_pick(pair, language)} [{error.removeprefix(FAILED)}]" if pair else error


def say_reason(reason: str, language: str, facts: Mapping[str, object] | None = None) -> str:
    return _pick(REASONS.get(reason, REASONS["unusable"]), language).format_map(facts or {})


def _fact(value: object, language: str) -> str:
    text = str(value)
    pair = STATES.get(text) or FIELDS.get(text)
    return _pick(pair, language) if pair else text


def _pick(pair: tuple[str, str], language: str) -> str:
    return pair[LANGUAGES.index(language)]


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
