"""--bus and the settings that belong to it: what is refused, why, and that no password is shown."""
import os
import subprocess

import pytest

from support import tls
from support.server import BINARY, SETTING
from support.wait import SCALE

SHARED = "postgres://db.test/one"


def check(*words, **environment):
    """(exit status, everything that is printed) of `config check` on an address of its own."""
    done = subprocess.run([BINARY, "config", "check", "--listen", "127.0.0.1:0", *map(str, words)],
                          env={**os.environ, **SETTING, **environment}, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=20 * SCALE, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("bus", ["redis://:hush@redis.test", "postgres", "postgres://me:hush@db.test/one"])
@pytest.mark.parametrize("db", [":memory:", "one.db"])
def test_a_database_of_one_server_has_no_bus(tmp_path, db, bus):
    status, text = check("--db", db if db[0] == ":" else tmp_path / db, JOBLIGHT_BUS=bus)
    assert status != 0 and "--bus: the database of --db belongs to this server alone" in text
    assert "--db postgres://" in text and "hush" not in text


@pytest.mark.parametrize("url, why", [
    ("rediss:/:hush@redis.test", "it must be a URL"),
    ("rediss://:hu@sh-hush@redis.test", "%40 for @"),
    ("redis://:hu@sh-hush@redis.test", "%40 for @"),
    ("redis://:hu/sh-hush@redis.test", "%2F for /"),
    ("redis://redis.test:99999/hush", "redis://[USER[:PASSWORD]@]HOST[:PORT]"),
    ("amqp://:hush@redis.test", "postgres, or a URL that begins with redis://, rediss:// or postgres://"),
    ("redis:/:hush@redis.test", "it must be a URL"),
    ("postgresql", "it must be a URL, such as redis://127.0.0.1:6379, or postgres"),
    ("postgres://me:hu@sh-hush@db.test/one", "%40 for @"),
    ("postgres://me:hu/sh-hush@db.test/one", "%2F for /"),
    ("postgres://me@db.test/one?hush=hush", "the address of --bus is not one of PostgreSQL"),
])
def test_a_url_that_cannot_be_used_is_refused_with_the_reason(url, why):
    status, text = check("--db", SHARED, JOBLIGHT_BUS=url)
    assert status != 0 and why in text and "hush" not in text, text


def test_a_password_in_a_flag_is_refused():
    for url in ("redis://:hush@redis.test", "redis://me:hu%2Fsh-hush@redis.test", "rediss://:hu@sh-hush@redis.test",
                "postgres://me:hush@db.test/one", "postgres://me@db.test/one?password=hush"):
        status, text = check("--db", SHARED, "--bus", url)
        assert status != 0 and "JOBLIGHT_BUS" in text and "hush" not in text, text
    assert "a password in a flag" not in check("--db", SHARED, "--bus", "redis://me@redis.test")[1]


@pytest.mark.parametrize("content, why", [
    ("", "it must have a password"), ("\n", "it must have a password"), ("a" * 1025, "it must have a password"),
    (None, "No such file"),
])
def test_the_file_of_a_password_must_have_one(tmp_path, content, why):
    path = tmp_path / "password"
    if content is not None:
        path.write_text(content)
        path.chmod(0o600)
    status, text = check("--db", SHARED, "--bus", "redis://redis.test", "--bus-password", path)
    assert status != 0 and f"--bus-password {path}: {why}" in text


def test_a_password_without_a_bus_is_refused(tmp_path):
    path = tmp_path / "password"
    path.write_text("hush\n")
    path.chmod(0o600)
    status, text = check("--db", ":memory:", "--bus-password", path)
    assert status != 0 and "--bus-password: there is no --bus" in text and "hush" not in text


def test_the_database_as_a_bus_has_the_password_of_the_database(tmp_path):
    path = tmp_path / "password"
    path.write_text("hush\n")
    path.chmod(0o600)
    status, text = check("--db", SHARED, "--bus", "postgres", "--bus-password", path)
    assert status != 0 and "--bus postgres has the password of --db" in text and "hush" not in text
    assert "--bus" not in check("--db", SHARED, "--bus", "postgres://me@db.test/one", "--bus-password", path)[1]


@pytest.mark.parametrize("prefix", ["", "a:b", "a b", "*", "a" * 65])
def test_a_prefix_is_a_name(prefix):
    status, text = check("--db", ":memory:", "--bus-prefix", prefix)
    assert status != 0 and "--bus-prefix" in text and "letters, digits" in text


def test_the_password_is_not_printed():
    done = subprocess.run([BINARY, "config", "print"], env={**os.environ, **SETTING, "JOBLIGHT_BUS": "redis://me:hush@redis.test:1"},
                          capture_output=True, text=True, timeout=20 * SCALE, check=True)
    assert "bus = redis://me:[hidden]@redis.test:1" in done.stdout and "hush" not in done.stdout + done.stderr


def test_a_server_without_a_bus_loads_no_redis(serve):
    server = serve()
    with open(f"/proc/{server.process.pid}/maps", encoding="utf-8") as maps:
        text = maps.read()
    assert "libwebsockets" in text and "redis" not in text


@pytest.fixture
def pair(tmp_path):
    return tls.make(tmp_path, "redis.test")


def combined(pair, *parts):
    path = pair.certificate.parent / "combined.pem"
    path.write_text("".join(part.read_text() for part in parts))
    path.chmod(0o600)
    return path


def test_files_for_tls_are_taken(pair):
    both = combined(pair, pair.certificate, pair.key)
    status, text = check("--db", SHARED, "--bus", "rediss://redis.test", "--bus-ca", pair.certificate, "--bus-certificate", both)
    assert status == 0, text
    assert check("--db", SHARED, "--bus", "rediss://redis.test")[0] == 0


def test_a_key_that_everybody_may_read_is_warned_of(pair):
    both = combined(pair, pair.certificate, pair.key)
    words = ("--db", SHARED, "--bus", "rediss://redis.test", "--bus-certificate", both)
    assert "bus-certificate" not in check(*words)[1]
    both.chmod(0o644)
    status, text = check(*words)
    assert status == 0 and "bus-certificate" in text, text


@pytest.mark.parametrize("setting, content, why", [
    ("bus-ca", None, "No such file"), ("bus-ca", "", "there is no certificate in this file"),
    ("bus-ca", "nonsense", "there is no certificate in this file"),
    ("bus-certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "there is no certificate in this file"),
    ("bus-certificate", None, "No such file"), ("bus-certificate", "nonsense", "there is no certificate in this file"),
])
def test_a_file_for_tls_that_cannot_be_used_is_refused(tmp_path, setting, content, why):
    path = tmp_path / "file.pem"
    if content is not None:
        path.write_text(content)
        path.chmod(0o600)
    status, text = check("--db", SHARED, "--bus", "rediss://redis.test", f"--{setting}", path)
    assert status != 0 and f"--{setting} {path}: " in text and why in text, text


def test_a_certificate_needs_its_own_key_in_the_same_file(tmp_path, pair):
    other = tls.make(tmp_path / "other", "other.test")
    for parts, why in (((pair.certificate,), "there is no private key in this file"), ((pair.certificate, other.key), "the key does not belong to the certificate")):
        path = combined(pair, *parts)
        status, text = check("--db", SHARED, "--bus", "rediss://redis.test", "--bus-certificate", path)
        assert status != 0 and f"--bus-certificate {path}: " in text and why in text, text


def test_a_certificate_that_has_expired_is_warned_of(tmp_path):
    old = tls.make(tmp_path, "node.test", ended=1)
    status, text = check("--db", SHARED, "--bus", "rediss://redis.test", "--bus-certificate", combined(old, old.certificate, old.key))
    assert status == 0 and "the certificate has expired" in text, text


def test_a_fifo_and_a_folder_are_no_files_for_tls(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path, why in ((tmp_path / "fifo", "it is not a regular file"), (tmp_path, "Is a directory")):
        status, text = check("--db", SHARED, "--bus", "rediss://redis.test", "--bus-ca", path)
        assert status != 0 and f"--bus-ca {path}: {why}" in text, text


def test_a_key_with_a_pass_phrase_is_refused_and_asks_nobody(pair):
    locked = pair.key.with_suffix(".locked")
    subprocess.run(["openssl", "ec", "-in", pair.key, "-aes128", "-passout", "pass:x", "-out", locked], check=True, capture_output=True)
    path = combined(pair, pair.certificate, locked)
    status, text = check("--db", SHARED, "--bus", "rediss://redis.test", "--bus-certificate", path)
    assert status != 0 and f"--bus-certificate {path}: " in text and "the key is encrypted; store it without a passphrase" in text, text


@pytest.mark.parametrize("bus, why", [
    ("redis://redis.test", "only a bus of rediss:// has TLS"), ("postgres", "PostgreSQL is told in its URL, with sslrootcert"), (None, "there is no --bus"),
])
def test_files_for_tls_without_it_are_refused(pair, bus, why):
    for setting in ("bus-ca", "bus-certificate"):
        status, text = check("--db", SHARED, *(("--bus", bus) if bus else ()), f"--{setting}", pair.certificate)
        assert status != 0 and f"--{setting}: " in text and why in text, text
