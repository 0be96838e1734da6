"""Workers and watchers that come back, whatever happens to the server or to the network between.

Workers post numbered updates to one job and repeat each with its key until it is answered; watchers
come back at their position until they have seen the end of the log. Both note in a History what they
saw. The key of an update is its note.
"""
import threading

from .api import Api, Lost
from .wait import SCALE, TimedOut
from .watcher import Cut

LAST_ANSWER_S = 30


def key_of(event):
    return event.get("note")


def seq_of(position):
    return int(position.split(".")[1]) if position else 0


def send_once(api, job, name, number, history, padding="", refusals=(503,)):
    """One attempt at one batch of one to three updates. True when it need not be repeated, which an answer with
    a status of `refusals` must be.
    """
    key = f"{name}-{number}"
    notes = [f"{key}-{i}{padding}" for i in range(1 + number % 3)]
    batch = [{"taskId": f"{name}.{i}", "progress": number % 101, "note": note}
             for i, note in enumerate(notes)]
    try:
        reply = api.update(job, batch, Idempotency_Key=key)
    except (Lost, TimeoutError):
        reply = None
    if reply is None or reply.status in refusals:
        for note in notes:
            history.wrote(note, "unknown")
        return False
    assert reply.status == 200, reply
    for note, answer in zip(notes, reply.json, strict=True):
        history.wrote(note, "ok", answer["seq"])
    return True


def work(crew, address, job, name, history, padding="", within=15):
    """Posts until the crew stops. The last update too is repeated until it is answered: what is given up
    may still arrive, and be stored after the end.
    """
    number, answered, pause = 0, True, threading.Event()
    with Api(address, within) as api:
        while crew.working or not answered:
            answered = send_once(api, job, name, number, history, padding)
            number += answered
            if not answered:
                assert crew.working or crew.stopped_for() < LAST_ANSWER_S * SCALE, "no last answer"
                pause.wait(0.01)    # do not spin on a dead port


def watch(crew, address, job, name, transport, history, heads, within=5, slow=False,
          gives_up=False):
    """Watches until the crew stops and the seq heads["final"] was seen. One that gives up comes back
    when it has heard nothing for so long; for another that is a failure.
    """
    position, cuts = None, (Cut, ConnectionError, TimeoutError) + (TimedOut,) * gives_up
    while crew.working or heads.get("final", 10**18) > seq_of(position):
        try:
            with transport(address, job, position, within=within, slow=slow) as watcher:
                connection = history.opened(name, watcher, watcher.connected(within=within))
                position = watcher.position
                while heads.get("final", 10**18) > seq_of(position):
                    history.saw(connection, watcher.event(within=within))
                    position = watcher.position
        except cuts:
            crew.stopping.wait(0.01)


def last_event(api, job, history, heads):
    """One more update, after which the log is complete: watchers at the head look up."""
    heads["final"] = api.job(job)["seq"]    # who sees the update before its seq is known, comes back
    heads["final"] = api.report(job, "last", note="last")["seq"]
    history.wrote("last", "ok", heads["final"])
