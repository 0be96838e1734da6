"""Keys, tokens, tickets, codes and cookies: each is used on another node than the one that made it."""
import threading

import pytest

from support.api import Api
from support.jwt import parts_of
from support.keyed import RIGHTS, Keyed, ends, key_id, lines_of
from support.raw import Raw, request
from support.sse import SseStream
from support.wait import Deadline, happens, until
from support.ws import WebSocket, handshake, path_of

KEYS_S = 3      # within which a change of the keys is known to every node; with a bus:
KEYS_WITH_BUS_S = 1


def known_within(server):
    return KEYS_WITH_BUS_S if "bus" in server.options else KEYS_S


@pytest.fixture
def client():
    """client(server, credential): closed at the end of the test."""
    opened = []

    def connect(server, key=None):
        opened.append(Keyed(server.address, key))
        return opened[-1]
    yield connect
    for one in opened:
        one.close()


def make_key(server, *scope, by=None, **more):
    with Keyed(server.address, by) as api:
        reply = api.post("/api/keys", {"scope": list(scope or RIGHTS), **more})
    assert reply.status == 201, reply
    return reply.json["key"]


def knows(server, credential):
    with Keyed(server.address, credential) as api:
        return api.get("/api/jobs").status == 200


def await_key(server, key):
    """Until it knows the key; before the first one it lets everybody in."""
    until(lambda: knows(server, key) and not knows(server, None), KEYS_S, "the key on the other node")


@pytest.fixture
def pair(member, client):
    """(a, b, a key for everything that both know, a client of each, a job)."""
    a, b = member(), member()
    root = make_key(a)
    await_key(b, root)
    return a, b, root, client(a, root), client(b, root), client(a, root).create_job()["id"]


def open_stream(server, job, ticket, since=None):
    return SseStream(server.address, job, since=since, query=f"ticket={ticket}")


def open_socket(server, ticket):
    """The status of the answer to an upgrade."""
    with Raw(server.address) as raw:
        raw.send(handshake(path_of(ticket=ticket)))
        return raw.head_of_response(Deadline(10, "the answer to an upgrade"))[0]


# -- keys ------------------------------------------------------------------------------------------

def test_a_key_is_known_to_the_other_node_and_its_streams_there_end_when_it_is_revoked(pair, client):
    a, b, root, on_a, _, job = pair
    key = make_key(a, "watch", by=root)
    until(lambda: knows(b, key), KEYS_S, "the key on the other node")
    with SseStream(b.address, job, headers=lines_of(key)) as stream, \
            WebSocket(b.address, path_of(job=job), headers=lines_of(key)) as ws:
        stream.connected()
        ws.message("connected")
        assert on_a.delete(f"/api/keys/{key_id(key)}").status == 204
        assert not knows(a, key)
        assert ends(stream, known_within(b))
        assert ws.close_code(known_within(b))
    assert not knows(b, key)


def test_the_first_key_closes_every_node(member):
    a, b = member(), member()
    root = make_key(a)
    until(lambda: not knows(b, None), KEYS_S, "the other node to need a key")
    assert knows(b, root)


def test_a_node_that_does_not_know_of_the_first_key_yet_makes_and_revokes_none(node, postgres, database):
    """Whoever reached it in that second would otherwise have all rights from then on."""
    a, b = node(), node()
    root = make_key(a)
    made = [Api(b.address).post("/api/keys", {"scope": list(RIGHTS)}), Api(b.address).delete(f"/api/keys/{key_id(root)}")]
    assert [reply.status for reply in made] == [401, 401]
    assert postgres.sql(database, "SELECT count(*), sum(revoked) FROM access_keys") == "1|0"


def test_keys_of_nodes_that_are_asked_at_once_are_one_first_key(node, postgres, database):
    servers = [node() for _ in range(2)]
    statuses = []

    def ask(server):
        with Api(server.address) as api:
            statuses.append(api.post("/api/keys", {"scope": list(RIGHTS)}).status)

    threads = [threading.Thread(target=ask, args=(server,)) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201, 401]
    assert postgres.sql(database, "SELECT count(*) FROM access_keys") == "1"


def test_nodes_that_start_at_the_same_moment_sign_with_one_key(serve, postgres, database, client):
    servers = []
    threads = [threading.Thread(target=lambda: servers.append(serve(db=postgres.url(database)))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(servers) == 3
    root = make_key(servers[0])
    job = client(servers[0], root).create_job()["id"]
    tokens = []
    for server in servers:
        await_key(server, root)
        tokens.append(client(server, root).token(job))
    assert len({parts_of(token)[0]["kid"] for token in tokens}) == 1
    for server in servers:
        for token in tokens:
            assert client(server, token).get(f"/api/jobs/{job}").status == 200


# -- tokens ----------------------------------------------------------------------------------------

def test_a_token_is_watched_with_on_the_other_node_until_it_is_revoked(pair, client):
    a, b, _, on_a, _, job = pair
    token = on_a.token(job)
    with SseStream(b.address, job, headers=lines_of(token)) as stream:
        stream.connected()
        on_a.report(job, "t", note="from a")
        if "bus" in b.options:
            assert stream.event().json["note"] == "from a"
        assert client(a, token).delete("/api/session").status == 204
        assert ends(stream, known_within(b))
    assert client(b, token).get(f"/api/jobs/{job}").status == 401


# -- tickets ---------------------------------------------------------------------------------------

def test_a_ticket_opens_one_stream_in_the_cluster(pair):
    a, b, _, on_a, _, job = pair
    ticket = on_a.ticket(job)
    with open_stream(b, job, ticket) as stream:
        stream.connected()
        for server in (a, b, a, b):
            assert open_stream(server, job, ticket).status == 401
            assert open_socket(server, ticket) == 401


def test_a_ticket_opens_one_websocket_in_the_cluster(pair):
    a, b, _, on_a, _, job = pair
    ticket = on_a.ticket(job)
    with Raw(b.address) as raw:     # as a later request of a connection, too
        raw.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert raw.response(within=5).status == 200
        raw.send(handshake(path_of(ticket=ticket)))
        assert raw.head_of_response(Deadline(10, "the upgrade"))[0] == 101
        for server in (a, b):
            assert open_socket(server, ticket) == 401
            assert open_stream(server, job, ticket).status == 401
    ticket = on_a.ticket(job)
    with WebSocket(b.address, path_of(job=job, ticket=ticket)) as ws:
        ws.message("connected")
        ws.update("1", job)
        ws.message("task_update")
    assert open_socket(a, ticket) == 401


def test_of_many_that_use_a_ticket_at_once_on_all_nodes_one_gets_the_stream(pair):
    a, b, _, on_a, _, job = pair
    for _ in range(5):
        ticket, streams = on_a.ticket(job), []
        lock = threading.Lock()

        def use(server, ticket=ticket, streams=streams, lock=lock):
            stream = open_stream(server, job, ticket)
            with lock:
                streams.append(stream)

        threads = [threading.Thread(target=use, args=(server,)) for server in (a, b) * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(stream.status for stream in streams) == [200] + 7 * [401]
        for stream in streams:
            stream.close()


def test_a_stream_is_continued_with_its_ticket_on_any_node(pair):
    a, b, _, on_a, _, job = pair
    ticket, seqs = on_a.ticket(job), []
    with open_stream(a, job, ticket) as stream:
        since = stream.connected().id
    for server in (b, b, a, b):
        on_a.report(job, "t", note="missed")
        with open_stream(server, job, ticket, since) as stream:
            assert stream.status == 200
            if "bus" not in b.options:      # nobody tells this node of what the other one writes
                continue
            block = stream.event()
            seqs.append(block.json["seq"])
            since = block.id
    assert seqs == ([2, 3, 4, 5] if "bus" in b.options else [])


def test_a_ticket_that_opened_nothing_continues_nothing_on_any_node(pair):
    a, b, _, on_a, _, job = pair
    ticket, cursor = on_a.ticket(job), on_a.job(job)["cursor"]
    for server in (a, b):
        assert open_stream(server, job, ticket, cursor).status == 401
    assert open_stream(b, job, ticket).status == 200


def test_a_refused_stream_gives_its_ticket_back_to_all_nodes(member, client):
    a, b = member(max_streams=1), member()
    root = make_key(a)
    await_key(b, root)
    on_a = client(a, root)
    job = on_a.create_job()["id"]
    with SseStream(a.address, job, headers=lines_of(root)) as first:
        first.connected()
        ticket = client(b, root).ticket(job)
        assert open_socket(a, ticket) == 503
        until(lambda: open_stream(b, job, ticket).status == 200, 5, "the ticket to be given back")
    assert open_stream(a, job, ticket).status == 401


def test_a_ticket_that_was_refused_on_a_node_opens_a_stream_there_when_another_has_given_it_back(pair, postgres, database):
    a, b, _, on_a, _, job = pair
    ticket = on_a.ticket(job)
    with open_stream(a, job, ticket) as stream:
        assert stream.status == 200
        assert open_stream(b, job, ticket).status == 401
        postgres.sql(database, "DELETE FROM used_tickets")      # as a node does that has refused the stream
        assert open_stream(b, job, ticket).status == 200


def test_a_client_that_goes_away_before_its_stream_opens_can_use_its_ticket_again(pair, postgres, database):
    """As an EventSource does by itself, with the same URL."""
    a, b, _, on_a, _, job = pair
    ticket, fds = on_a.ticket(job), a.fds()
    with postgres.locked(database, "used_tickets"):
        raw = Raw(a.address)
        raw.send(request("GET", f"/api/jobs/{job}/task-events?ticket={ticket}", host="localhost"))
        for _ in range(2):
            assert on_a.get("/healthz").status == 200   # the loop has turned since it read it
        raw.hang_up()
        a.fds_back_to(fds, within=5)

    def opens(server):
        with open_stream(server, job, ticket) as stream:
            return stream.status == 200
    assert happens(lambda: opens(b), 5, "the ticket to be given back")
    assert not opens(a)


def test_used_tickets_are_forgotten_a_day_later(node, client, postgres, database):
    a = node()
    root = make_key(a)
    on_a = client(a, root)
    job = on_a.create_job()["id"]
    open_stream(a, job, on_a.ticket(job)).close()
    assert postgres.sql(database, "SELECT count(*) FROM used_tickets WHERE kept_until > now() + interval '23 hours'") == "1"
    postgres.sql(database, "UPDATE used_tickets SET kept_until = now() - interval '1 second'")
    on_a.report(job, "t", note="a write")   # after which expired rows are looked for
    until(lambda: postgres.sql(database, "SELECT count(*) FROM used_tickets") == "0", 10, "the row to be removed")


# -- codes and cookies -----------------------------------------------------------------------------

def test_a_code_logs_in_once_in_the_cluster(pair, client):
    a, b, _, on_a, _, _ = pair
    code = on_a.post("/api/login-codes").json["code"]
    cookie = client(b).log_in(code=code)
    for server in (a, b):
        assert client(server).post("/login", {"code": code}).status == 401
        assert knows(server, cookie)


def test_of_many_logins_with_a_code_at_once_one_succeeds(pair):
    a, b, _, on_a, _, _ = pair
    code, statuses = on_a.post("/api/login-codes").json["code"], []

    def log_in(server):
        with Keyed(server.address) as api:
            statuses.append(api.post("/login", {"code": code}).status)

    threads = [threading.Thread(target=log_in, args=(server,)) for server in (a, b) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + 5 * [401]


def test_a_cookie_is_valid_on_the_other_node_until_it_logs_out_there(pair, client):
    a, b, root, _, _, job = pair
    cookie = client(a).log_in(key=root)
    with WebSocket(a.address, path_of(job=job), host="localhost", headers=lines_of(cookie)) as ws:
        ws.message("connected")
        browser = client(b, cookie)
        assert browser.get(f"/api/jobs/{job}").status == 200
        assert browser.post("/logout").status == 204
        assert not knows(b, cookie)
        assert ws.close_code(known_within(b))
    assert not knows(a, cookie)


# -- clocks ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("away", ["-600", "+600"])
def test_the_clocks_of_nodes_may_be_ten_minutes_apart(node, faketime, client, away):
    a, b = node(environment=faketime(away)), node()
    root = make_key(a)
    await_key(b, root)
    on_a, on_b = client(a, root), client(b, root)
    job = on_a.create_job()["id"]
    for maker, server in ((on_a, b), (on_b, a)):
        with open_stream(server, job, maker.ticket(job)) as stream:
            stream.connected()
        token = maker.token(job, expiresIn=60)
        assert client(server, token).get(f"/api/jobs/{job}").status == 200
        assert client(server).log_in(code=maker.post("/api/login-codes").json["code"])
        short = make_key(server, "watch", by=root, expiresIn=60)
        until(lambda server=server, short=short: knows(a, short) and knows(b, short), KEYS_S, "a key that ends soon")
