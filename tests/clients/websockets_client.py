"""Debian's `websockets` against a joblight server: python3 websockets_client.py PORT JOB

It watches on one connection and reports on another, 64 deep; a message in fragments, a ping, a
batch, and the close handshake.
"""
import asyncio
import json
import sys

import websockets

PORT, JOB = sys.argv[1:]
URL = f"ws://127.0.0.1:{PORT}/api/ws"
UPDATES, DEPTH = 500, 64


async def report(worker):
    """UPDATES updates, DEPTH of them on their way; gives the seqs of the acks in order."""
    seqs, sent = [], 0
    while len(seqs) < UPDATES:
        while sent < UPDATES and sent < len(seqs) + DEPTH:
            await worker.send(json.dumps({"type": "update", "id": f"p{sent}", "jobId": JOB,
                                          "taskId": "t", "progress": sent % 101}))
            sent += 1
        said = json.loads(await worker.recv())
        if said["type"] == "watchers":
            continue
        assert (said["type"], said["id"]) == ("ack", f"p{len(seqs)}"), said
        seqs.append(said["seq"])
    return seqs


async def watch(viewer, count):
    seqs = []
    while len(seqs) < count:
        said = json.loads(await viewer.recv())
        if "seq" in said:
            seqs.append(said["seq"])
    return seqs


async def answer(worker, kind):
    while (said := json.loads(await worker.recv()))["type"] != kind:
        assert said["type"] == "watchers", said
    return said


async def main():
    async with websockets.connect(URL, subprotocols=["joblight.v1"]) as worker, \
            websockets.connect(URL) as viewer:
        await viewer.send(json.dumps({"type": "subscribe", "jobId": JOB}))
        connected = json.loads(await viewer.recv())
        acked, seen = await asyncio.gather(report(worker), watch(viewer, UPDATES))
        whole = json.dumps({"type": "update", "id": "f", "jobId": JOB, "taskId": "t",
                            "note": "é" * 50}, ensure_ascii=False)
        await worker.send([whole[:30], whole[30:100], whole[100:]])
        await answer(worker, "ack")
        await (await worker.ping(b"there?"))
        await worker.send(json.dumps({"type": "update", "id": "b", "jobId": JOB,
                                      "updates": [{"taskId": "a"}, {"taskId": "b"}]}))
        last = await answer(worker, "ack")
        more = await watch(viewer, 3)
        await worker.close(1000)
        await viewer.close(1000)
        print(json.dumps({"protocol": worker.subprotocol, "resume": connected["resume"],
                          "acked": acked, "seen": seen + more, "last": last["seq"],
                          "codes": [worker.close_code, viewer.close_code]}))


asyncio.run(asyncio.wait_for(main(), 60))
