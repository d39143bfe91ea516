"""`gateway demo`: serve, with a demonstration county on it and real sample studies pushed over real associations."""

import os
import secrets
import time
import urllib.error
import urllib.request
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from sqlalchemy.orm import Session

from adapters.dicom.scu import store
from gateway.accounts import hash_password
from gateway.demo_county import ACCOUNTS, FIRST_TOWNSHIP, PEOPLE, make_county
from gateway.demo_devices import make_checks
from gateway.demo_ecgs import ECGS, drop_ecgs
from gateway.demo_laboratory import ANALYSERS, order_specimens, run_analysers
from gateway.demo_past import make_past
from gateway.demo_studies import STUDIES, write_studies
from gateway.runtime import Runtime, open_runtime
from gateway.serve import serve
from gateway.settings import Settings

PASSWORD_FILE = "demo-password"  # noqa: S105 (a name, not a password)

ROLES = {
    "radiographer": "放射技师 · 柳溪镇卫生院",
    "village": "村医 · 上湾村卫生室",
    "reader": "报告医师 · 县域影像诊断中心",
    "reviewer": "审核医师 · 县域影像诊断中心",
    "ecg": "心电医师",
    "lab": "检验医师",
    "pathology": "病理医师",
    "leader": "值班领导 · 柳溪镇卫生院",
    "duty": "总值班 · 明河县人民医院",
    "it": "信息科",
    "admin": "管理员",
    "auditor": "审计员",
}


def run_demo(settings: Settings, *, samples: bool, console: Console) -> None:
    """Make the county, serve it, push the samples, say where to look; until told to stop."""
    runtime = open_runtime(settings)
    password = demo_password(settings)
    hashed = hash_password(password)

    def fill(session: Session) -> None:
        make_county(session, password=hashed, now=runtime.now())
        if samples:
            make_past(runtime, session, FIRST_TOWNSHIP)
            make_checks(session, "radiographer", runtime.now())

    def on_ready() -> None:
        wait_until_ready(settings)
        if samples:
            push_samples(runtime, console)
        print_welcome(settings, password, console)

    serve(settings, fill=fill, on_ready=on_ready)


def demo_password(settings: Settings) -> str:
    """The password of everybody in the demonstration: given, or made once and kept readable by the owner alone."""
    if settings.demo_password:
        return settings.demo_password
    path = settings.data_dir / PASSWORD_FILE
    if not path.exists():
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(9) + "\n")
    return path.read_text().strip()


def wait_until_ready(settings: Settings) -> None:
    """Return when the web process says it is ready; a database that is away at the start is waited for."""
    url = f"http://127.0.0.1:{settings.http_port}/readyz"
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)


def push_samples(runtime: Runtime, console: Console) -> None:
    """Send each sample study from its device, as a township would; what was sent at an earlier start is left out."""
    folder = runtime.settings.data_dir / "demo"
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("示例检查 sample studies", total=len(STUDIES) + len(ECGS) + len(ANALYSERS))
        for study, files in write_studies(folder, runtime.now()):
            sent = folder / study.key / "sent"
            if not sent.exists():
                _send(runtime.settings, study.ae_title, files)
                sent.touch()
            progress.advance(bar)
        cart = runtime.settings.drop_folder / ACCOUNTS["DEMO_ECG"]
        for _ in drop_ecgs(folder / "ecg", cart, runtime.now()):
            progress.advance(bar)
        with runtime.sessions.begin() as session:
            order_specimens(session, FIRST_TOWNSHIP, runtime.now())
        for _ in run_analysers(runtime.settings, folder / "laboratory", runtime.now()):
            progress.advance(bar)


def print_welcome(settings: Settings, password: str, console: Console) -> None:
    """Addresses, ports, names and the password."""
    console.print(
        f"\n[bold]网关已就绪 · The gateway is running[/bold]  http://127.0.0.1:{settings.http_port}/"
    )
    console.print(
        f"DICOM {settings.bind}:{settings.dicom_port}  AE {settings.dicom_ae_title}  "
        "(DEMO_CT, DEMO_DR, DEMO_US, DEMO_MR, DEMO2_DR …)"
    )
    console.print(
        f"检验 laboratory  HL7/MLLP {settings.bind}:{settings.mllp_port}  ASTM {settings.bind}:{settings.astm_port}",
        highlight=False,
    )
    console.print(f"心电图机文件夹 ECG files  {settings.drop_folder / ACCOUNTS['DEMO_ECG']}", highlight=False)
    table = Table("用户 user", "角色 role", box=None, pad_edge=False)
    for username, *_ in PEOPLE:
        table.add_row(username, ROLES[username])
    console.print(table)
    console.print(f"密码 password  [bold]{password}[/bold]", highlight=False)
    console.print("Ctrl+C 停止 stops it; 数据保留 the data stays in", settings.data_dir, highlight=False)


def _send(settings: Settings, ae_title: str, files: list[Path]) -> None:
    answers = store(
        files,
        "127.0.0.1",
        settings.dicom_port,
        calling_ae_title=ae_title,
        called_ae_title=settings.dicom_ae_title,
    )
    refused = [answer for answer in answers if not answer.accepted]
    if refused:
        raise RuntimeError(f"{ae_title}: {len(refused)} sample instances were refused: {refused[0]}")
