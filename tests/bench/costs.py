"""What the steps of a cluster cost, in microseconds of processor time: what scaling.py calculates with.

`script/bench cluster` measures them besides its table, and writes them into build/bench/costs.json; those of a quiet
machine are in costs.json here.
"""
import pathlib
import socket
import statistics

MESSAGES = 4000
AT_ONCE = 16                # messages that a busy Redis reads at once
MESSAGE = b"x" * 300        # as large as an update's
LISTENERS = 8
CHANNELS = 20000
HEADS_OF = 100_000          # jobs in the database
HEADS = 1000                # that are read at once
TIMES = 20


def command(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def connected(redis):
    return socket.create_connection(("127.0.0.1", redis.port), 10)


def drain(connection, count, end):
    """Reads so many replies, each of which ends so."""
    rest = b""
    while count > 0:
        rest += connection.recv(1 << 16)
        count -= rest.count(end)
        rest = rest[rest.rfind(end) + len(end):] if end in rest else rest


def cpu_us(pid):
    """Of the only thread that works."""
    return int(pathlib.Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e3


def publish_us(redis, listeners):
    """A message to so many, when it comes together with others: a Redis that is busy works so, and one that is not
    needs more for each."""
    readers = [connected(redis) for _ in range(listeners)]
    for reader in readers:
        reader.sendall(command(b"SUBSCRIBE", b"costs"))
        drain(reader, 1, b":1\r\n")
    with connected(redis) as publisher:
        before = cpu_us(redis.process.pid)
        for _ in range(MESSAGES // AT_ONCE):
            publisher.sendall(command(b"PUBLISH", b"costs", MESSAGE) * AT_ONCE)
            drain(publisher, AT_ONCE, b":%d\r\n" % listeners)
            for reader in readers:
                drain(reader, AT_ONCE, MESSAGE + b"\r\n")
        used = cpu_us(redis.process.pid) - before
    for reader in readers:
        reader.close()
    return used / MESSAGES


def subscribe_us(redis):
    names = [b"channel-%d" % i for i in range(CHANNELS)]
    with connected(redis) as reader:
        before = cpu_us(redis.process.pid)
        for first in range(0, CHANNELS, 500):
            reader.sendall(command(b"SUBSCRIBE", *names[first:first + 500]))
            drain(reader, 500, b"subscribe\r\n")
        return (cpu_us(redis.process.pid) - before) / CHANNELS


def of_redis(redis):
    alone, heard, subscribed = (statistics.median(measure() for _ in range(5)) for measure in (
        lambda: publish_us(redis, 0), lambda: publish_us(redis, LISTENERS), lambda: subscribe_us(redis)))
    return {"redis_in": alone, "redis_out": (heard - alone) / LISTENERS, "subscribe": subscribed}


JOBS = f"""INSERT INTO jobs SELECT i, 'job' || i, 'e', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0, 0, '', 'Benchmark', '{{}}'
    FROM generate_series(1, {HEADS_OF}) i"""
USED = "split_part(pg_read_file('/proc/' || pg_backend_pid() || '/schedstat', 0, 200), ' ', 1)::int8"
HEADS_READ = f"""CREATE TEMP TABLE used AS SELECT {USED} AS before;
    DO $$ DECLARE ids text[]; BEGIN FOR n IN 1..{TIMES} LOOP
      ids := ARRAY(SELECT 'job' || 1 + (i * 97 + n * 7919) % {HEADS_OF} FROM generate_series(1, {HEADS}) i);
      PERFORM j.id, j.epoch, j.seq, j.status FROM unnest(ids) AS x(id) JOIN jobs j ON j.id = x.id;
    END LOOP; END $$;
    SELECT ({USED} - before) / 1e3 / {HEADS * TIMES} FROM used"""


def of_heads(postgres, name):
    """`name`: a database with joblight's tables."""
    postgres.sql(name, JOBS)
    postgres.sql(name, "VACUUM ANALYZE jobs")
    return {"head": float(postgres.sql(name, HEADS_READ).splitlines()[-1])}
