"""Why a signed report's document is not made now, in people's sentences; and where that stands in due work."""

from collections.abc import Mapping

from adapters.reports.signing.port import Cause

FAILED = "CannotSign: "  # how the error begins that due work keeps

SIGNING: Mapping[str, tuple[str, str]] = {
    Cause.TOKEN_NOT_SET: (
        "签名人的密钥在密码令牌上，但没有设置令牌（GATEWAY_PKCS11_…）",
        "the signer's key lies on a token, and none is set (GATEWAY_PKCS11_…)",
    ),
    Cause.MODULE_UNUSABLE: (
        "令牌的驱动库不能加载：请核对 GATEWAY_PKCS11_MODULE",
        "the token's library cannot be loaded: look at GATEWAY_PKCS11_MODULE",
    ),
    Cause.TOKEN_AWAY: ("找不到密码令牌：请插好或接通", "the token is not there: put it in, or connect it"),
    Cause.PIN_REFUSED: (
        "令牌不接受 PIN：请改正 GATEWAY_PKCS11_PIN，或用 gateway signer try 再试；为避免锁死，同一 PIN 不再自动重试",
        "the token refuses the PIN: put GATEWAY_PKCS11_PIN right, or run `gateway signer try`; the same PIN is not tried "
        "again by itself, so that the token is not locked",
    ),
    Cause.PIN_LOCKED: (
        "令牌已锁定：请由发放机构解锁",
        "the token is locked: whoever issued it must unlock it",
    ),
    Cause.KEY_MISSING: ("令牌上没有该签名人的密钥", "the signer's key is not on the token"),
    Cause.KEY_UNFIT: ("令牌上的密钥不能用：须为 RSA", "the key on the token cannot be used: RSA is needed"),
    Cause.TOKEN_FAILED: ("令牌出错", "the token failed"),
    Cause.CERTIFICATE_ENDED: ("签名证书已到期：请换发", "the signing certificate has ended: get a new one"),
    Cause.STAMP_AWAY: ("时间戳服务连不上或没有应答", "the time-stamping authority does not answer"),
    Cause.STAMP_REFUSED: (
        "时间戳服务拒绝：请核对地址、账号和额度",
        "the time-stamping authority refuses: look at address, account and quota",
    ),
    Cause.STAMP_WRONG: (
        "时间戳服务的应答不对：请核对 GATEWAY_TIMESTAMP_URL",
        "the time-stamping authority's answer is wrong: look at GATEWAY_TIMESTAMP_URL",
    ),
    Cause.STAMP_UNTRUSTED: (
        "时间戳机构不受信任：请把它的根证书加入 GATEWAY_SIGNING_ROOTS",
        "the time-stamping authority is not trusted: put its root into GATEWAY_SIGNING_ROOTS",
    ),
    Cause.SIGNER_UNTRUSTED: (
        "签名人的证书不受信任：请把它的根证书加入 GATEWAY_SIGNING_ROOTS",
        "the signer's certificate is not trusted: put its root into GATEWAY_SIGNING_ROOTS",
    ),
    Cause.NOT_VALID: ("签出的文件验证不通过", "what was signed does not verify"),
    Cause.SEAL_UNUSABLE: (
        "SM2 签章的密钥或证书不能用：请核对 GATEWAY_SM2_…",
        "key or certificate of the SM2 seal cannot be used: look at GATEWAY_SM2_…",
    ),
    Cause.FILE_UNREADABLE: ("签名所需的文件不能读取", "a file that signing needs cannot be read"),
}


def cause_of_failure(error: str) -> str:
    """The cause in what due work keeps of a failure; empty when it was something else."""
    if not error.startswith(FAILED):
        return ""
    return error.removeprefix(FAILED).partition(":")[0].strip()
