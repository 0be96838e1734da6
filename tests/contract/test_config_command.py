"""`joblight config`: what the settings are and where they come from, whether they can be used, and their documents."""
import os
import re
import socket
import subprocess
import tempfile
from contextlib import closing

import pytest

from support import tls
from support.keyed import Keyed
from support.server import BINARY, ROOT, SETTING
from support.wait import SCALE

KEY = "jl_4nQ0vB8sKx2M_9mQ7tVbE3RkzUuW5yXo1LcPhA0dGfJs8iNnTqZ2wCe4"


def run(*words, **environment):
    """(exit status, stdout, stderr)"""
    done = subprocess.run([BINARY, *map(str, words)], env={**SETTING, **environment}, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=20 * SCALE, check=False)
    return done.returncode, done.stdout, done.stderr


def printed(*words, **environment):
    """{setting: [(value or None, where it came from)]} of `config print`."""
    status, out, err = run("config", "print", *words, **environment)
    assert (status, err) == (0, "")
    rows = {}
    for off, flag, value, source in re.findall(r"^(; )?([a-z-]+) =(?: (.*?))? *; (\S+)$", out, re.M):
        rows.setdefault(flag, []).append((None if off and not value else value, source))
    return rows


def key_file(folder, mode=0o600):
    path = folder / "first.key"
    path.write_text(run("key", "generate")[1])
    path.chmod(mode)
    return path


# -- print ---------------------------------------------------------------------------------------------

def test_every_setting_is_printed_with_where_it_came_from(tmp_path):
    path = tmp_path / "joblight.conf"
    path.write_text("# one\nmax-note = 32KiB\norigin = https://a.example\nloops = 2\nverbose = true\n"
                    "origin = https://b.example\ndb = a.db\n")
    rows = printed("--config", path, "--loops", "3", "--tls-cert", "c.pem", JOBLIGHT_STALL_MS="5000",
                   JOBLIGHT_HOST="a.example, b.example")
    assert rows["max-note"] == [("32KiB", f"{path}:2")]
    assert rows["origin"] == [("https://a.example", f"{path}:3"), ("https://b.example", f"{path}:6")]
    assert rows["verbose"] == [("true", f"{path}:5")]
    assert rows["db"] == [("a.db", f"{path}:7")]
    assert rows["loops"] == [("3", "--loops")]
    assert rows["tls-cert"] == [("c.pem", "--tls-cert")]
    assert rows["stall-ms"] == [("5s", "JOBLIGHT_STALL_MS")]
    assert rows["host"] == [("a.example", "JOBLIGHT_HOST"), ("b.example", "JOBLIGHT_HOST")]
    assert rows["config"] == [(str(path), "--config")]
    assert rows["max-body"] == [("256KiB", "default")]
    assert rows["www"] == [(None, "default")] and rows["listen"] == [(None, "default")]
    listed = re.findall(r"^(?:LIMIT|TEXT|NUMBER|SWITCH|LIST)\(\w+, \"([a-z-]+)\"", "\n".join(
        (ROOT / name).read_text() for name in ("src/serve/config.def", "include/joblight/core/limits.def")), re.M)
    assert set(rows) == set(listed) and len(listed) == len(set(listed))


def test_what_is_printed_can_be_a_configuration_file(tmp_path):
    words = ["--max-note", "32KiB", "--retention-ms", "36500d", "--origin", "https://a.example", "--origin", "*",
             "--verbose", "--all-requests", "7/s", "--db", "a.db"]
    path = tmp_path / "joblight.conf"
    path.write_text(run("config", "print", *words)[1])
    again = printed("--config", path)
    again.pop("config")
    expected = printed(*words)
    expected.pop("config")
    assert {flag: [value for value, _ in row] for flag, row in again.items()} == {
        flag: [value for value, _ in row] for flag, row in expected.items()}


def test_nothing_secret_is_printed(tmp_path):
    path = key_file(tmp_path)
    out = run("config", "print", "--key-file", path, "--db", "postgres://joblight:s3cret@db.example/x",
              "--jwt-audience", "a\x1b[2J", "--listen", "https://joblight:s3cret@a.example")[1]
    assert str(path) in out and path.read_text().strip() not in out
    assert "postgres://joblight:[hidden]@db.example/x" in out and "https://joblight:[hidden]@a.example" in out and "s3cret" not in out
    assert "\x1b" not in out


def test_a_mistake_is_told_as_by_the_server(tmp_path):
    path = tmp_path / "joblight.conf"
    path.write_text("max-nite = 5\n")
    for what in ("print", "check"):
        status, out, err = run("config", what, "--config", path)
        assert (status, out) == (2, "")
        assert err == run("serve", "--config", path)[2] == \
            f"joblight: {path}:1: max-nite is not a setting; did you mean max-note?\n"
        assert run("config", what, "--max-nite=5")[2] == run("serve", "--max-nite=5")[2]
        assert run("config", what, JOBLIGHT_MAX_NITE="5")[2] == run("serve", JOBLIGHT_MAX_NITE="5")[2]


def test_a_reader_that_has_seen_enough_is_no_mistake():
    """Its output is a pipe that is closed."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([BINARY, "config", "print"], env=SETTING, stdout=write, stderr=subprocess.PIPE,
                          timeout=10 * SCALE, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")
    with open("/dev/full", "wb") as full:
        done = subprocess.run([BINARY, "config", "print"], env=SETTING, stdout=full, stderr=subprocess.PIPE,
                              timeout=10 * SCALE, check=False)
    assert done.returncode == 1 and b"No space left" in done.stderr


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_descriptors_and_no_home_are_no_mistake(tmp_path, closed):
    environment = {name: value for name, value in SETTING.items() if name != "HOME"}
    db = tmp_path / "j.db"
    db.write_bytes(b"")
    for what in ("print", "check"):
        done = subprocess.run([BINARY, "config", what, "--db", db], env=environment, timeout=10 * SCALE, check=False,
                              preexec_fn=lambda: [os.close(fd) for fd in closed])
        assert done.returncode == 0
    assert db.read_bytes() == b""


# -- check ---------------------------------------------------------------------------------------------

def check(*words, **environment):
    status, out, err = run("config", "check", *words, **environment)
    assert status == (2 if err else 0) and (out == "") == bool(err)
    return err


def test_what_can_be_used_is_status_0_and_nothing_is_made(tmp_path):
    pair = tls.make(tmp_path / "tls")
    path = key_file(tmp_path)
    www = tmp_path / "www"
    www.mkdir()
    before = sorted(tmp_path.iterdir())
    assert check("--db", tmp_path / "new.db", "--listen", "127.0.0.1:0", "--listen", f"unix:{tmp_path}/s",
                 "--tls-cert", pair.certificate, "--tls-key", pair.key, "--key-file", path, "--www", www,
                 "--audit-log", tmp_path / "audit.log") == ""
    assert check("--db", ":memory:", "--listen", "systemd", "--listen", "systemd:web") == ""
    assert check("--db", ":memory:", "--otlp-endpoint", "https://192.0.2.1", "--send-allow", "192.0.2.1") == ""
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.sqlite("it has the lock of the file")
def test_a_running_server_is_not_disturbed(serve, client):
    server = serve()
    api = client(server)
    job = api.create_job()["id"]
    assert check("--db", server.db, "--listen", f"127.0.0.1:{server.port}") == ""
    assert api.job(job)


def mistakes(folder):
    """(flags, what is said of them)"""
    pair, other = tls.make(folder / "tls"), tls.make(folder / "other")
    broken = folder / "broken"
    broken.write_text("nothing\n")
    (folder / "read-only.db").write_bytes(b"")
    (folder / "read-only.db").chmod(0o400)
    os.mkfifo(folder / "fifo")
    return [
        (["--key-file", folder / "none"], f"--key-file {folder}/none: No such file"),
        (["--key-file", broken], "it must have one key and nothing else"),
        (["--tls-cert", pair.certificate], "there are 1 --tls-cert and 0 --tls-key"),
        (["--tls-cert", pair.certificate, "--tls-key", other.key], "TLS: "),
        (["--tls-cert", broken, "--tls-key", pair.key], str(broken)),
        (["--jwt-keys", broken, "--jwt-issuer", "i", "--jwt-audience", "a"], f"--jwt-keys {broken}: "),
        (["--www", folder / "none"], "--www: cannot read"),
        (["--db", folder / "none/j.db"], f"the directory {folder}/none cannot be written: No such file"),
        (["--db", folder], "it is a directory"), (["--db", folder / "fifo"], "it is not a regular file"),
        (["--db", broken / "j.db"], "Not a directory"), (["--db", folder / "read-only.db"], "Permission denied"),
        (["--pid-file", folder / "none/pid"], f"the directory {folder}/none cannot be written: No such file"),
        (["--audit-log", folder], "it is a directory"), (["--audit-log", "/none/x"], "the directory /none cannot be"),
        (["--listen", "192.0.2.77:3001", "--insecure"], "cannot listen on 192.0.2.77:3001: Cannot assign"),
        (["--listen", "no.such.host.invalid:3001", "--insecure"], "cannot listen on no.such.host.invalid"),
        (["--listen", "nonsense"], "--listen takes HOST:PORT"),
        (["--listen", f"unix:{broken}"], "it is not a socket"),
        (["--listen", "unix:/none/s"], "cannot listen on unix:/none/s: No such file"),
        (["--listen", "0.0.0.0:3001", "--db", ":memory:"], "not a loopback address and there are no keys"),
        (["--key-file", "credential:first"], "CREDENTIALS_DIRECTORY is not set"),
        (["--tls-cert", "credential:a", "--tls-key", "credential:b"], "CREDENTIALS_DIRECTORY is not set"),
        (["--otlp-endpoint", "https://collector.example/?key=x"], "--otlp-endpoint: the URL must have no user"),
        (["--otlp-endpoint", "https://10.1.2.3"], "allow its network with --send-allow"),
        (["--otlp-endpoint", "https://192.0.2.1", "--send-allow", "192.0.2.1", "--otlp-headers", folder / "none"], f"{folder}/none"),
        (["--otlp-endpoint", "https://192.0.2.1", "--send-allow", "192.0.2.1", "--send-ca", folder / "none"], f"{folder}/none"),
    ]


def test_each_mistake_is_status_2_and_says_what_to_change(tmp_path):
    for words, says in mistakes(tmp_path):
        err = check(*(() if "--db" in words else ("--db", tmp_path / "j.db")), *words)
        assert says in err, (words, err)


def test_all_mistakes_are_told_at_once(tmp_path):
    err = check("--db", "/none/j.db", "--www", "/none", "--listen", "nonsense", "--key-file", "/none/key")
    assert [word for word in ("--listen", "--key-file", "--www", "--db") if word not in err] == []
    assert err.count("\n") == 4


def test_a_directory_that_its_user_cannot_write_is_told():
    """Root may write everything, so it becomes nobody, who cannot enter the folders of pytest."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        nobody = {"user": 65534, "group": 65534} if os.getuid() == 0 else {}
        with open(BINARY, "rb") as binary:
            done = subprocess.run([f"/proc/self/fd/{binary.fileno()}", "config", "check", "--db", f"{folder}/j.db"],
                                  env=SETTING, cwd="/", **nobody, pass_fds=[binary.fileno()], capture_output=True,
                                  text=True, timeout=10 * SCALE, check=False)
        os.chmod(folder, 0o755)
    assert done.returncode == 2 and f"the directory {folder} cannot be written: Permission denied" in done.stderr


def test_a_port_in_use_is_no_mistake_because_it_may_be_the_servers_own(tmp_path):
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        assert check("--db", tmp_path / "j.db", "--listen", f"127.0.0.1:{other.getsockname()[1]}") == ""


# -- credentials of systemd ----------------------------------------------------------------------------

def test_a_credential_of_systemd_is_the_file_of_its_directory(serve, client, tmp_path, monkeypatch):
    path = key_file(tmp_path)
    monkeypatch.setitem(SETTING, "CREDENTIALS_DIRECTORY", str(tmp_path))
    config = tmp_path / "joblight.conf"
    config.write_text("key-file = credential:first.key\n")
    for options in ({"key_file": "credential:first.key"}, {"config": config}):
        server = serve(**options)
        assert client(server).get("/api/jobs").status == 401
        with Keyed(server.address, path.read_text().strip()) as keyed:
            assert keyed.get("/api/jobs").status == 200
    assert printed("--config", config)["key-file"] == [(str(path), f"{config}:1")]
    assert check("--db", ":memory:", "--key-file", "credential:first.key") == ""
    assert "No such file" in check("--db", ":memory:", "--key-file", "credential:none")


def test_certificates_can_be_credentials(serve, tmp_path, monkeypatch):
    pair = tls.make(tmp_path)
    monkeypatch.setitem(SETTING, "CREDENTIALS_DIRECTORY", str(tmp_path))
    assert check("--db", ":memory:", "--tls-cert", f"credential:{pair.certificate.name}",
                 "--tls-key", f"credential:{pair.key.name}") == ""


def test_without_credentials_the_server_says_what_the_unit_needs():
    status, out, err = run("serve", "--key-file", "credential:first", "--db", ":memory:", "--listen", "127.0.0.1:0")
    assert (status, out) == (1, "") and "LoadCredential=" in err and err.count("\n") == 1


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/passwd", "x" * 256])
def test_a_credential_is_a_name_and_no_path(name, tmp_path):
    status, _, err = run("config", "check", f"--key-file=credential:{name}", CREDENTIALS_DIRECTORY=str(tmp_path))
    assert status == 2 and "it must be a file, or credential:NAME" in err


# -- documents -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("words, path", [((), "docs/settings.md"), (("man",), "docs/man/settings.scd")])
def test_the_documents_are_what_the_table_says(words, path):
    """`cmake --build build --target documents` writes them."""
    assert run("config", "docs", *words) == (0, (ROOT / path).read_text(), "")


def page(name, folder):
    """The manual page, as the build makes it."""
    text = (ROOT / f"docs/man/{name}.scd").read_text().replace("@SETTINGS@", (ROOT / "docs/man/settings.scd").read_text())
    roff = subprocess.run(["scdoc"], input=text, capture_output=True, text=True, check=True).stdout
    path = folder / name
    path.write_text("'\\\" t\n" + roff)     # its tables have a preprocessor
    return path


@pytest.mark.parametrize("name", ["joblight.1", "joblight.conf.5"])
def test_the_manual_pages_have_no_warnings(name, tmp_path):
    """As lintian calls it."""
    done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page(name, tmp_path)],
                          env={**os.environ, "LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "80"},
                          capture_output=True, text=True, check=True)
    assert done.stderr == "" and done.stdout


def test_the_manual_names_every_verb_and_every_setting(tmp_path):
    def text(name):
        return subprocess.run(["man", "-l", page(name, tmp_path)], env={**os.environ, "MANWIDTH": "200"},
                              capture_output=True, text=True, check=True).stdout
    verbs = [line.split()[0] for line in run("--help")[1].splitlines() if line.startswith("  ") and line[2] != " "]
    assert [verb for verb in verbs if f"joblight {verb}" not in text("joblight.1")] == []
    manual = text("joblight.conf.5")
    assert [flag for flag in printed() if not re.search(rf"^ +{flag} = ", manual, re.M)] == []


# -- help ----------------------------------------------------------------------------------------------

def test_the_short_help_fits_a_screen_and_says_where_the_rest_is():
    status, out, err = run("serve", "--help")
    lines = out.splitlines()
    assert (status, err) == (0, "")
    assert 24 <= len(lines) <= 40 and max(map(len, lines)) <= 80
    for word in ("--help-all", "docs/settings.md", "man joblight.conf", "--listen", "--db", "--config"):
        assert word in out
    top = run("--help")[1].splitlines()
    assert len(top) <= 40 and max(map(len, top)) <= 80


def test_the_long_help_has_every_setting():
    status, out, err = run("serve", "--help-all")
    assert (status, err) == (0, "") and max(map(len, out.splitlines())) <= 80
    assert [flag for flag in printed() if f"\n  --{flag}" not in out] == []


def test_its_help_is_on_standard_output():
    status, out, err = run("config", "print", "--help")
    assert (status, err) == (0, "") and out.startswith("usage: joblight config")


@pytest.mark.parametrize("words", [(), ("show",), ("docs", "html"), ("docs", "man", "more"), ("--db", "x")])
def test_what_it_does_not_know_is_status_2(words):
    status, out, err = run("config", *words)
    assert (status, out) == (2, "") and "usage: joblight config" in err
