"""The file of --jwt-keys is read again when it changes."""
import os
import subprocess

from support.wait import until


def public_key(path):
    private = subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519"], check=True, capture_output=True).stdout
    subprocess.run(["openssl", "pkey", "-pubout", "-out", path], input=private, check=True, capture_output=True)


def put(path, make):
    make(f"{path}.new")
    os.replace(f"{path}.new", path)


def test_a_changed_file_is_read_and_a_broken_one_changes_nothing(serve, tmp_path):
    path = str(tmp_path / "keys.pem")
    public_key(path)
    server = serve(jwt_keys=path, jwt_issuer="https://issuer.example", jwt_audience="joblight")
    put(path, public_key)
    until(lambda: "the keys of tokens were read again" in server.log(), 5, "its line")
    put(path, lambda name: open(name, "w", encoding="ascii").write("nothing"))
    until(lambda: "the keys of tokens were not changed" in server.log(), 5, "its line")
    server.check()
