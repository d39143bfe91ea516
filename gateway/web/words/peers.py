"""Why nothing came of a connection to another system, and what to look at: a clause for each cause of a delivery."""

from collections.abc import Mapping

from adapters.errors import Cause
from gateway.deliveries.causes import NOT_EXPRESSIBLE, NOT_WITHDRAWN, SETTINGS

PEERS: Mapping[str, tuple[str, str]] = {
    Cause.NAME: (
        "对方的主机名查不到地址：请核对主机名，或检查本机的 DNS",
        "its host name has no address: check the name, or the DNS of this machine",
    ),
    Cause.NO_ROUTE: (
        "没有到对方的网络通路：请检查网络、VPN 和防火墙",
        "no route leads there: check network, VPN and firewall",
    ),
    Cause.REFUSED: (
        "对方没有程序在此端口接收：请对方启动接收程序，或核对端口",
        "nothing listens at that port: have it started there, or check the port",
    ),
    Cause.TIMED_OUT: (
        "对方没有应答：请检查网络和防火墙，或联系对方",
        "it does not answer: check network and firewall, or ring whoever runs it",
    ),
    Cause.CUT: (
        "对方中途断开了连接：请对方查看其日志",
        "it closed the line: whoever runs it finds the reason in its log",
    ),
    Cause.CERTIFICATE: (
        "对方的 TLS 证书不可信：请核对颁发机构、主机名和有效期",
        "its TLS certificate is not believed: check authority, host name and dates",
    ),
    Cause.TLS: (
        "与对方不能建立 TLS：请核对该端口是否启用 TLS 1.2 以上",
        "no TLS could be agreed on: check that the port speaks TLS 1.2 or newer",
    ),
    Cause.OTHER_PROTOCOL: (
        "连上了，但对方没有按所选方式应答：请核对地址、端口和方式",
        "it is there, and does not speak as it should: check address, port and wire",
    ),
    Cause.MOVED: (
        "对方要求改用另一个地址，本系统不跟随：请填写最终网址",
        "it points to another address, which is not followed: enter the final one",
    ),
    Cause.NOT_ADMITTED: (
        "对方不接受本机 AE：请对方登记本机 AE，并核对对方 AE",
        "it does not admit our AE title: have it registered there, and check the title called",
    ),
    Cause.CREDENTIALS: (
        "对方不接受账号、密码或令牌：请核对后重新填写",
        "it does not accept account, password or token: enter them anew",
    ),
    NOT_WITHDRAWN: (
        "此方式不能撤回已发的报告：请电话告知对方报告已作废",
        "this wire cannot take a report back: ring them and say that it is void",
    ),
    NOT_EXPRESSIBLE: (
        "此方式无法表达这份报告：请改用其他方式",
        "this wire has no room for what the report says: use another",
    ),
    SETTINGS: ("此接收系统的设置不能用：请修改设置", "its settings cannot be used: change them"),
}
