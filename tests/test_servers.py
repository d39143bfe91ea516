"""The servers that other tests lean on start, stop, and come back with their data."""

import psycopg
import pytest
import redis as redis_client

from tests.servers import Postgres, Redis, need, running


def dsn(url: str) -> str:
    return url.replace("postgresql+psycopg", "postgresql")


def test_each_caller_gets_an_empty_database_of_its_own(postgres: Postgres) -> None:
    first, second = postgres.url(), postgres.url()
    assert first != second
    with psycopg.connect(dsn(first)) as connection:
        connection.execute("CREATE TABLE t (n int)")
    with psycopg.connect(dsn(second)) as connection:
        assert connection.execute("SELECT to_regclass('t')").fetchone() == (None,)


def test_a_stopped_database_is_away_and_comes_back_with_its_rows() -> None:
    need("initdb", "Debian's package postgresql")
    with running(Postgres) as server:
        url = dsn(server.url())
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE t AS SELECT 1 AS n")
        server.stop()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url)
        server.start()
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT n FROM t").fetchone() == (1,)


def test_redis_answers(redis: Redis) -> None:
    client = redis_client.Redis.from_url(redis.url)
    client.set("a", "b")
    assert client.get("a") == b"b"
    client.close()
