"""A load beside attackers: 64 kept connections whose requests are refused as fast as they are answered, and 1,000 new
connections a second. A row is judged against the same load on a server that is left alone ("untroubled")."""
import json
import signal
import subprocess

ATTACKERS = 64
NEWCOMERS = 1000  # each second


def attack(program, server, load):
    words = [str(word) for word in (program, server.port, ATTACKERS, NEWCOMERS)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as attacker:
        try:
            result = load(server)
        finally:
            attacker.send_signal(signal.SIGTERM)
            said = attacker.stdout.read()
    told = json.loads(said)
    return result and {**result, "refused_per_s": told["refused"] / told["seconds"], "attackers_failed": told["failed"]}


def course(program):
    def run_attacked(start, _folder, load):
        with start() as server:
            if server.name != "untroubled":
                return attack(program, server, load)
            return {**(load(server) or {}), "refused_per_s": 0}
    return run_attacked
