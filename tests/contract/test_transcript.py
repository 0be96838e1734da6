"""From nothing to a customer who watches, as a new user would do it, on an address that others can reach: keys, TLS,
the back end of an application in a few lines of Node, its customer with a token, a worker with a key to report, and an
outsider who tries everything.

The test runs this file in a network of its own (see tests/faults/test_network.py), where the address is 192.0.2.1
(RFC 5737). What is done is printed as a transcript, which a failure shows.
"""
import base64
import json
import os
import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import pytest

from support import tls
from support.api import Api
from support.raw import Raw, ask, request
from support.server import BINARY, Server
from support.sse import SseStream
from support.wait import SCALE, Deadline, readable

ADDRESS = "192.0.2.1"
NAMESPACES = ["--net", "--pid"] if os.geteuid() == 0 else ["--map-root-user", "--net", "--pid"]

BACK_END = """
import { createServer } from 'node:http';
const { JOBLIGHT_URL, JOBLIGHT_KEY } = process.env;
const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${JOBLIGHT_KEY}` };
const post = async (path, body) => {
  const answer = await fetch(JOBLIGHT_URL + path, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
};
await post('/api/jobs', { id: 'order-7', title: 'Your order', status: 'in_progress' });
const server = createServer(async (request, response) => { // the customer has logged in here
  const { token } = await post('/api/jobs/order-7/tokens', { scope: ['watch'], subject: 'ann' });
  response.end(token);
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
"""


# -- in a network of its own ------------------------------------------------------------------------------------------

def joblight(*words, env=None):
    print("$ joblight", *words)
    done = subprocess.run([BINARY, *map(str, words)], capture_output=True, text=True, check=False, timeout=20 * SCALE,
                          env={**os.environ, **(env or {})})
    print(done.stdout + done.stderr, end="")
    return done


class Showing(Api):
    """A client that prints what it does."""

    def __init__(self, server, who, credential=None):
        super().__init__(server.address)
        self.who, self.lines = who, {"Authorization": f"Bearer {credential}"} if credential else {}

    def __call__(self, method, path, body=None, **lines):
        reply = self.request(method, path, body, {**self.lines, **lines})
        print(f"{self.who}: {method} {path[:60]} {json.dumps(body) if body else ''} -> {reply.status}")
        return reply


def serve(folder):
    """The server will not start for everybody without keys; then it gets keys and a certificate."""
    db = folder / "joblight.db"
    refused = joblight("serve", "--listen", f"{ADDRESS}:8443", "--db", db)
    assert refused.returncode == 1 and "joblight key create" in refused.stderr
    pair = tls.make(folder, ADDRESS, tls.NAME)
    keys = {name: joblight("key", "create", "--db", db, "--name", name, "--scope", scope, "--jobs", jobs).stdout.strip()
            for name, scope, jobs in (("operator", "admin,watch", "*"), ("shop", "create", "order-*"),
                                      ("worker", "report", "order-*"))}
    server = Server(folder / "server", listen=f"{ADDRESS}:8443", db=str(db), host=None, **pair.flags())
    return server.start(), keys, pair


def start_back_end(folder, server, key, pair):
    program = folder / "shop.mjs"
    program.write_text(BACK_END)
    print("$ node shop.mjs")
    shop = subprocess.Popen(["node", program], stdout=subprocess.PIPE, text=True, env={
        **os.environ, "JOBLIGHT_URL": f"https://{server.host}:{server.port}", "JOBLIGHT_KEY": key,
        "NODE_EXTRA_CA_CERTS": str(pair.certificate)})
    readable(shop.stdout, Deadline(20, "the port of the shop"))
    return shop, int(shop.stdout.readline())


def forged(token):
    """The same claims, signed by nobody."""
    head = base64.urlsafe_b64encode(b'{"alg":"none","typ":"joblight+jwt"}').rstrip(b"=").decode()
    return f"{head}.{token.split('.')[1]}."


def outsider(server, token):
    """Everything that somebody can try who can reach the address, and has seen the page of a customer."""
    nobody = Showing(server, "outsider")
    for method, path, body in (("GET", "/api/jobs", None), ("GET", "/api/jobs/order-7", None),
                               ("POST", "/api/jobs", {"title": "T"}), ("DELETE", "/api/jobs/order-7", None),
                               ("GET", "/api/keys", None), ("POST", "/api/keys", {"scope": ["admin"]}),
                               ("GET", "/api/jobs/order-7/task-events", None), ("POST", "/api/login-codes", None)):
        assert nobody(method, path, body).status == 401
    for credential in ("jl_" + "0" * 12 + "_" + "0" * 43, forged(token), token[:-2] + "AA", "x" * 4000):
        assert nobody("GET", "/api/jobs/order-7", Authorization=f"Bearer {credential}").status == 401
    assert nobody("POST", "/login", {"key": "jl_guess"}).status == 401
    assert nobody("GET", "/api/jobs/order-7", Cookie=f"__Host-joblight={token}").status == 401
    assert nobody("GET", f"/api/jobs/order-7/task-events?ticket={token}").status == 401
    assert nobody("GET", "/../joblight.db").status == 404
    assert nobody("GET", "/healthz").status == 200
    with Raw(server.address, plain=True) as raw:
        raw.send(request("GET", "/api/jobs"))
        assert raw.head_of_response(Deadline(10, "an answer without TLS"))[0] == 400


def customer(server, token):
    """What a customer can do with a token that is only for watching."""
    ann = Showing(server, "ann", token)
    assert ann("GET", "/api/jobs/order-7").status == 200
    for method, path, body in (("POST", "/api/jobs/order-7/commands", {"command": "cancel"}),
                               ("PUT", "/api/jobs/order-7/tasks/t", {"title": "T"}),
                               ("PATCH", "/api/jobs/order-7", {"status": "completed"}),
                               ("DELETE", "/api/jobs/order-7", None), ("POST", "/api/jobs", {"title": "T"}),
                               ("POST", "/api/jobs/order-7/tokens", {}), ("GET", "/api/keys", None)):
        assert ann(method, path, body).status == 403
    hers, none = ann("GET", "/api/jobs/order-8"), ann("GET", "/api/jobs/nothing")
    assert hers.status == none.status == 404
    assert hers.body.replace(b"order-8", b"nothing") == none.body
    assert [job["id"] for job in ann("GET", "/api/jobs").json["jobs"]] == ["order-7"]
    ticket = ann("POST", "/api/jobs/order-7/tickets").json["ticket"]
    with SseStream(server.address, "order-7", query=f"ticket={ticket}") as stream:
        stream.connected()
    assert ask(server.address, request("GET", f"/api/jobs/order-7/task-events?ticket={ticket}")).status == 401


def story(folder):
    subprocess.run(["sh", "-c", f"ip link set lo up && ip address add {ADDRESS}/24 dev lo"], check=True, timeout=20)
    server, keys, pair = serve(folder)
    shop, port = start_back_end(folder, server, keys["shop"], pair)
    try:
        token = subprocess.run(["curl", "-sS", "--noproxy", "*", f"http://127.0.0.1:{port}/"], check=True, timeout=20,
                               capture_output=True, text=True).stdout
        assert Showing(server, "shop", keys["shop"])("POST", "/api/jobs", {"id": "order-8", "title": "T"}).status == 201
        assert Showing(server, "shop", keys["shop"])("POST", "/api/jobs", {"id": "x", "title": "T"}).status == 403
        worker = Showing(server, "worker", keys["worker"])
        with SseStream(server.address, "order-7", headers=(f"Authorization: Bearer {token}",)) as stream:
            stream.connected()
            outsider(server, token)
            customer(server, token)
            for progress in (10, 50, 100):
                assert worker("POST", "/api/agent-hooks/task-update/order-7",
                              {"taskId": "pack", "progress": progress}).status == 200
            assert worker("GET", "/api/jobs/order-7").status == 403
            seen = [stream.message("task_update").json["progress"] for _ in range(3)]
            assert seen == [10, 50, 100], seen
            print(f"ann has seen {seen}")
            operator = Showing(server, "operator", keys["operator"])
            shop_key = next(key for key in operator("GET", "/api/keys").json["keys"] if key["name"] == "shop")
            assert operator("DELETE", f"/api/keys/{shop_key['id']}").status == 204
            stream.all_blocks(within=5)     # up to the end
            print("the key of the shop is revoked: ann's stream has ended")
        log = server.log()
        assert "action=create_job job=order-7" in log and "action=refused" in log
        assert token not in log and not any(key in log for key in keys.values())
        server.stop()
    finally:
        shop.kill()
        shop.wait()
        server.bury()


# -- the test ---------------------------------------------------------------------------------------------------------

@pytest.mark.sqlite("it reads the file")
def test_a_new_user_a_customer_a_worker_and_an_outsider(tmp_path):
    words = ["unshare", *NAMESPACES, "--fork", "--kill-child"]
    done = subprocess.run([*words, sys.executable, __file__, str(tmp_path)], check=False, capture_output=True, text=True,
                          timeout=120 * SCALE)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


if __name__ == "__main__":
    story(Path(sys.argv[1]))
