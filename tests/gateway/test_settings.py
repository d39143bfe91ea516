"""Where settings come from, and which of them are secrets."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.settings import SECRETS, Settings


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    monkeypatch.setenv("GATEWAY_SECRETS_DIR", str(folder))
    return folder


def test_a_secret_is_read_from_a_file_of_its_name(secrets: Path):
    (secrets / "gateway_database_url").write_text("postgresql://gateway:word@database/gateway\n")
    (secrets / "postgres_password").write_text("word\n")  # somebody else's

    assert Settings().database == "postgresql+psycopg://gateway:word@database/gateway"


def test_the_environment_wins_over_a_secret_and_a_secret_over_the_file(
    secrets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "gateway.toml"
    file.write_text('node = "file"\nbroker_url = "redis://file"\n')
    monkeypatch.setenv("GATEWAY_CONFIG", str(file))
    (secrets / "gateway_broker_url").write_text("redis://secret")
    assert Settings().node == "file"
    assert Settings().broker_url == "redis://secret"

    monkeypatch.setenv("GATEWAY_BROKER_URL", "redis://environment")

    assert Settings().broker_url == "redis://environment"


def test_a_misspelt_secret_is_named(secrets: Path):
    (secrets / "gateway_databse_url").write_text("postgresql://gateway@database/gateway")

    with pytest.raises(ValidationError, match="no such setting in GATEWAY_SECRETS_DIR") as raised:
        Settings()

    assert raised.value.errors()[0]["loc"] == ("gateway_databse_url",)


def test_an_empty_secret_is_no_silent_default(secrets: Path):
    (secrets / "gateway_database_url").write_text("\n")

    with pytest.raises(ValidationError, match="empty"):
        Settings()


def test_a_folder_of_secrets_that_is_not_there_is_said(secrets: Path):
    secrets.rmdir()

    with pytest.raises(FileNotFoundError):
        Settings()


def test_whatever_sounds_like_a_secret_is_one():
    words = ("secret", "token", "password", "passphrase", "database_url", "_store")

    assert {name for name in Settings.model_fields if any(word in name for word in words)} <= SECRETS


def test_what_may_be_kept_has_no_secret_in_it():
    said = {name: f"s3+http://k:{name}@host/b" for name in SECRETS}
    said["timestamp_url"] = "https://k:timestamp_url@s3+http/b"
    files = {"pkcs11_module": "p11.so", "pkcs11_label": "token", "signing_roots": "roots.pem"}
    settings = Settings(**said, **files)

    assert not SECRETS & set(settings.without_secrets())
    assert "s3+http" not in str(settings.without_secrets())
