"""What an answer says that is no success: a sentence for each error code, and the words inside it."""

from collections.abc import Mapping

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
    "recognition_no_longer_stands": (
        "“{item_code}”所依据的报告已作废或已有新版本，不能采纳或引用，请再次查询。",
        "The report behind {item_code} was made void or has a newer version: it is not adopted or cited. Ask again.",
    ),
    "recognition_not_adopted": (
        "只有已采纳的结果可以引用。",
        "Only a result that was adopted can be cited.",
    ),
    "changed_since": (
        "{by}于 {at} 改过这一份，您看到的已不是现在的内容。请看过现在的再决定。",
        "{by} changed it at {at}; what you see is no longer what it says. Look at it as it is now.",
    ),
    "revision_required": (
        "修改或启用时须用 If-Match 说明所依据的版本。",
        "Say with If-Match which revision this is about.",
    ),
    "rules_live_moved": (
        "现行的已是第 {version} 版（{by}于 {at} 启用），并非这份草稿的依据。启用会撤销其中的改动，请看过后再确认。",
        "Version {version} is live now (by {by}, {at}), not the one that this draft was begun from. Going live would undo "
        "what it changed: look at it, then confirm.",
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
    "device_check_not_open": (
        "该检测并非未处理的不合格，或已由他人放行或更正，请刷新。",
        "This check is no failed one that waits: somebody has released or corrected it. Reload.",
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
