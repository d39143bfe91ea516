"""Why a part that we need does not do its work now: one word for logs and figures, and that word in people's sentences.

The words: S3's error codes, `HTTP503` where an answer had none, names of system errors, and the kinds of error of the
libraries that talk to a store, a database or a broker.
"""

from collections.abc import Mapping

from sqlalchemy.exc import DBAPIError

from gateway.objects import StoreFailed
from gateway.signing_causes import SIGNING

NO_ANSWER = "NoAnswer"


def cause_of(error: BaseException) -> str:
    """One word, without what the error quotes: that may be a patient's."""
    if isinstance(error, StoreFailed):
        return error.cause
    if isinstance(error, DBAPIError):  # what the server said is more than what was asked of it
        if getattr(error.orig, "sqlstate", None):
            return type(error.orig).__name__
        return str(getattr(error.orig, "sqlite_errorname", None) or type(error).__name__)
    return type(error).__name__


_BUSY = ("过载，要求稍后再来", "it is overburdened and asks to come later")
_SECRET = ("访问密钥不对", "the access key or its secret is wrong")
_REFUSED = (
    "没有权限：请检查访问密钥和存储桶策略",
    "access is denied: look at the access key and the bucket's policy",
)
_CLOCK = (
    "本机与对象存储的时钟相差过大：请校时（NTP）",
    "our clock and the store's differ too much: set them right (NTP)",
)
_GONE = (
    "存储桶不见了：请恢复原桶；只有确认桶内原件已不需要时才新建同名空桶",
    "the bucket is gone: bring it back; an empty one in its place only if what was in it is not needed",
)
_OTHER_BYTES = ("存下的字节与发出的不一致，已重传", "it kept other bytes than were sent; they are sent again")
_CUT = ("传输中途断线", "the connection was cut on the way")
_SILENT = ("没有在时限内应答", "it does not answer in time")
_UNREACHABLE = (
    "连不上：服务未启动或网络不通",
    "it cannot be reached: it is not running, or the network is down",
)
_NAME = ("主机名无法解析", "its host name cannot be resolved")
_TLS = ("TLS 证书不被接受", "its TLS certificate is not accepted")
_OWN_FAULT = ("服务器自身出错，常见原因是它的磁盘已满", "it has an error of its own; often its disk is full")
_FULL = ("磁盘已满", "its disk is full")
_READ_ONLY = ("磁盘只读，可能已损坏", "its disk is read-only; it may be failing")
_BAD_DISK = ("磁盘读写错误", "its disk fails")
_NO_FOLDER = ("文件夹不能使用：不存在或没有权限", "its folder cannot be used: not there, or not permitted")
_STARTING = ("正在启动或恢复", "it is starting or recovering")
_LOCKED = ("被其他进程长时间占用", "another process keeps it locked")
_TOO_MANY = ("连接数已满", "it has no connection left")

CAUSES: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("SlowDown", "ServiceUnavailable", "HTTP503", "HTTP429", "RequestLimitExceeded"), _BUSY),
    **dict.fromkeys(("SignatureDoesNotMatch", "InvalidAccessKeyId"), _SECRET),
    **dict.fromkeys(("AccessDenied", "HTTP403", "AccountProblem", "AllAccessDisabled"), _REFUSED),
    "RequestTimeTooSkewed": _CLOCK,
    "NoSuchBucket": _GONE,
    **dict.fromkeys(("BadDigest", "IncompleteBody", "InvalidPart"), _OTHER_BYTES),
    **dict.fromkeys(("ProtocolError", "IncompleteRead", "ConnectionResetError", "BrokenPipeError"), _CUT),
    **dict.fromkeys(("ReadTimeoutError", "ConnectTimeoutError", "TimeoutError", "ConnectionTimeout"), _SILENT),
    **dict.fromkeys((NO_ANSWER, "HTTP504", "RequestTimeout"), _SILENT),
    **dict.fromkeys(("NewConnectionError", "ConnectionRefusedError", "HTTP502", "OperationalError"), _UNREACHABLE),
    "NameResolutionError": _NAME,
    **dict.fromkeys(("SSLError", "SSLCertVerificationError"), _TLS),
    **dict.fromkeys(("InternalError", "HTTP500", "InsufficientStorage", "HTTP507"), _OWN_FAULT),
    **dict.fromkeys(("ENOSPC", "EDQUOT", "DiskFull", "SQLITE_FULL", "XMinioStorageFull", "QuotaExceeded"), _FULL),
    **dict.fromkeys(("EROFS", "SQLITE_READONLY"), _READ_ONLY),
    **dict.fromkeys(("EIO", "IoError", "SQLITE_IOERR", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_FSYNC"), _BAD_DISK),
    **dict.fromkeys(("ENOENT", "EACCES", "EPERM", "ENOTDIR", "EEXIST", "SQLITE_CANTOPEN"), _NO_FOLDER),
    **dict.fromkeys(("CannotConnectNow", "AdminShutdown", "CrashShutdown"), _STARTING),
    "SQLITE_BUSY": _LOCKED,
    "TooManyConnections": _TOO_MANY,
    **SIGNING,
}  # fmt: skip
